"""Date-times are read by one rule, wherever a client writes them: in a body, as a key, as a filter."""

from urllib.parse import quote

import pytest

from .stage import Service

TAKEN = [
    "2026-01-31T09:05:00Z",
    "2026-01-31t09:05:00z",
    "2026-01-31T09:05:00.5Z",
    "2026-01-31T09:05:00.123456789Z",
    "2026-01-31T09:05:00+01:00",
    "2026-01-31T09:05:00-00:00",
    "2016-12-31T23:59:60Z",
]
REFUSED = [
    "2026-W05-6T09:05:00Z",
    "20260131T090500Z",
    "2026-031T09:05:00Z",
    "2026-01-31 09:05:00Z",
    "2026-01-31_09:05:00Z",
    "2026-01-31T09Z",
    "2026-01-31T09:05Z",
    "2026-01-31T09:05:00,5Z",
    "2026-01-31T09:05:00+01",
    "2026-01-31T09:05:00+0100",
    "2026-01-31T09:05:00+01:00:30",
    "2026-01-31T09:05:60Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T09:05:00",
    "2026-01-31",
    "0000-01-31T09:05:00Z",
    "9999-12-31T23:59:59-01:00",
]


def places(text: str) -> list[tuple[str, str, object]]:
    """Requests that name a date-time."""
    segment, parameter = quote(text, safe=""), quote(text, safe=":+")
    return [
        ("POST", "/v1/readings", {"sensor": 7, "at": text}),
        ("PUT", f"/v1/readings/7/{segment}", {}),
        ("GET", f"/v1/readings/7/{segment}", None),
        ("PATCH", f"/v1/readings/7/{segment}", {"at": text}),
        ("GET", f"/v1/readings?sensor=7&at={parameter}", None),
        ("GET", f"/v1/readings?sensor=7&at.lte={parameter}", None),
        ("DELETE", f"/v1/readings/7/{segment}", None),
    ]


@pytest.mark.parametrize("text", TAKEN)
async def test_what_a_body_may_hold_is_a_key_and_a_filter(service: Service, text: str) -> None:
    answers = [await service.send(*place) for place in places(text)]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200, 200, 204]
    assert [len(answer.json["items"]) for answer in answers[4:6]] == [1, 1]
    assert len({answer.json["at"] for answer in answers[:4]}) == 1


@pytest.mark.parametrize("text", REFUSED)
async def test_what_no_body_may_hold_is_no_key_and_no_filter(service: Service, text: str) -> None:
    answers = [await service.send(*place) for place in places(text)]
    assert [answer.problem for answer in answers] == [
        "invalid-document",
        *["invalid-key"] * 3,
        *["invalid-query"] * 2,
        "invalid-key",
    ]
