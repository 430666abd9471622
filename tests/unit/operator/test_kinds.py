"""One table of kinds, and what follows from it."""

import pytest

from fairlead_operator.kube import kinds
from fairlead_operator.kube.discovery import Presence, optional_kinds
from fairlead_operator.plan import Capabilities


def test_no_rule_speaks_of_secrets_or_has_a_wildcard() -> None:
    rules = kinds.rbac_rules()
    values = {value for rule in rules for listed in rule.values() for value in listed}
    assert not values & {"*", "secrets", "pods/exec", "escalate", "bind", "impersonate"}


def test_only_children_may_be_deleted() -> None:
    for kind in kinds.ALL:
        assert ("delete" in kind.verbs) == kind.child


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (kinds.CONFIG_MAP, "/api/v1/namespaces/shop/configmaps/a"),
        (kinds.DEPLOYMENT, "/apis/apps/v1/namespaces/shop/deployments/a"),
        (kinds.API_SERVICE_CLASS, "/apis/fairlead.dev/v1alpha1/apisvcclasses/a"),
    ],
)
def test_paths(kind: kinds.Kind, path: str) -> None:
    assert kind.path(namespace="shop", name="a") == path


def test_the_names_of_what_is_optional_are_the_plans() -> None:
    assert set(optional_kinds()) == set(Capabilities.__slots__)


def test_a_group_is_absent_only_after_it_was_missed_twice_in_a_row() -> None:
    presence = Presence()
    presence.present()
    presence.missed()
    assert presence.known is True
    presence.present()
    presence.missed()
    assert presence.known is True
    presence.missed()
    assert presence.known is False
    presence.present()
    assert presence.known is True
