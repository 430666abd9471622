"""What the environment may say, and what is reported when it says something else."""

import pytest

from fairlead_operator.settings import Settings, ranges


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("WORKERS", "many", "'many' is no int; set a number"),
        ("WORKERS", "0", "0 is not within 1 and 256; set a number that is"),
        ("WORKERS", "1.5", "'1.5' is no int; set a number"),
        ("REQUESTS_IN_FLIGHT", "-1", "-1 is not within 1 and 256; set a number that is"),
        ("PORT", "70000", "70000 is not within 1 and 65535; set a number that is"),
        ("RESYNC_SECONDS", "nan", "nan is not within 10 and 604800; set a number that is"),
        ("RESYNC_SECONDS", "inf", "inf is not within 10 and 604800; set a number that is"),
        ("LEASE_SECONDS", "0", "0 is not within 1 and 600; set a number that is"),
        ("IMAGE", "", "'' is not an image; set one"),
        ("IMAGE", "two words", "'two words' is not an image; set one"),
        ("IDENTITY", " ", "' ' is not a name; set one"),
        ("NAMESPACE", "a,b", "'a,b' is not a namespace, or nothing; set one"),
        ("LEASE_NAMESPACE", "", "'' is not a namespace; set one"),
        ("LEASE_NAME", "Lease", "'Lease' is not the name of a Lease; set one"),
        ("RUNBOOKS", "", "'' is not the URL of a page; set one"),
        ("RUNBOOKS", "wiki/alerts", "'wiki/alerts' is not the URL of a page; set one"),
        ("RUNBOOKS", "https://wiki/alerts#top", "'https://wiki/alerts#top' is not the URL of a page; set one"),
        ("HOST", "", "'' is not an address to listen on; set one"),
        ("WORKER", "3", "there is no such setting; did you mean FAIRLEAD_WORKERS?"),
        ("QUEUE", "3", "there is no such setting; remove it"),
    ],
)
def test_a_wrong_value_is_reported_with_the_variable(variable: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match="FAIRLEAD_") as fault:
        Settings.from_environment({f"FAIRLEAD_{variable}": value})
    assert str(fault.value) == f"FAIRLEAD_{variable}: {message}"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LEASE_RENEW_SECONDS", "15", "15 has to be less than FAIRLEAD_LEASE_SECONDS, which is 15"),
        ("LEASE_RETRY_SECONDS", "10", "10 has to be less than FAIRLEAD_LEASE_RENEW_SECONDS, which is 10"),
    ],
)
def test_a_lease_is_renewed_before_it_is_over(variable: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match="has to be less") as fault:
        Settings.from_environment({f"FAIRLEAD_{variable}": value})
    assert str(fault.value) == f"FAIRLEAD_{variable}: {message}"


def test_all_that_is_wrong_is_reported_at_once() -> None:
    message = "FAIRLEAD_X: there is no such setting; remove it; FAIRLEAD_WORKERS: 0 is not .*; FAIRLEAD_PORT: 0 is not "
    with pytest.raises(ValueError, match=message):
        Settings.from_environment({"FAIRLEAD_WORKERS": "0", "FAIRLEAD_PORT": "0", "FAIRLEAD_X": ""})


@pytest.mark.parametrize(
    "variable",
    [
        "FAIRLEAD_TEST_KUBECONFIG",
        "FAIRLEAD_CACHE",
        "FAIRLEAD_SERVICE_HOST",
        "FAIRLEAD_METRICS_SERVICE_PORT_METRICS",
        "FAIRLEAD_METRICS_PORT_8081_TCP_ADDR",
        "FAIRLEADER",
        "OTHER",
    ],
)
def test_what_others_read_is_left_alone(variable: str) -> None:
    assert Settings.from_environment({variable: "x"}) == Settings.from_environment({})


def test_what_is_used_without_a_setting_is_within_its_range() -> None:
    settings = Settings()
    assert all(low <= getattr(settings, name) <= high for name, (low, high) in ranges().items())
