"""Date-times in their stored form: UTC, fixed width, text order is time order."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_workload.model import instants

NORMALISED = {
    "UTC": ("2026-01-31T09:05:00Z", "2026-01-31T09:05:00.000000Z"),
    "small letters": ("2026-01-31t09:05:00z", "2026-01-31T09:05:00.000000Z"),
    "an offset": ("2026-01-31T09:05:00+02:30", "2026-01-31T06:35:00.000000Z"),
    "an unknown local offset": ("2026-01-31T09:05:00-00:00", "2026-01-31T09:05:00.000000Z"),
    "milliseconds": ("2026-01-31T09:05:00.5Z", "2026-01-31T09:05:00.500000Z"),
    "nanoseconds are cut": ("2026-01-31T09:05:00.123456789Z", "2026-01-31T09:05:00.123456Z"),
    "a leap second": ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
    "a leap second elsewhere": ("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.999999Z"),
    "an early year": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    "the last day": ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
    "a leap day": ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
}


@pytest.mark.parametrize("case", NORMALISED)
def test_normalise(case: str) -> None:
    given_, expected = NORMALISED[case]
    assert instants.normalise(given_) == expected
    assert instants.normalise(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T09:05:00",
        "2026-02-30T09:05:00Z",
        "2026-01-31T25:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-01-31T09:05:00+25:00",
    ],
)
def test_what_is_no_date_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is refused is the point; the texts are Python's own
        instants.normalise(text)


MOMENTS = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone comes from the other argument
    st.integers(-1439, 1439),
)


@given(MOMENTS, MOMENTS)
def test_text_order_is_time_order(first: datetime, second: datetime) -> None:
    texts = instants.normalise(first.isoformat()), instants.normalise(second.isoformat())
    assert (texts[0] < texts[1]) is (first < second)
    assert all(len(text) == 27 for text in texts)


@given(st.integers(0, 4_000_000_000_000_000))
def test_render_reads_back(microseconds: int) -> None:
    text = instants.render(microseconds / 1_000_000)
    assert instants.normalise(text) == text
    moment = datetime.fromisoformat(text)
    assert abs(moment.timestamp() * 1_000_000 - microseconds) <= 1
    assert moment.tzinfo == UTC
