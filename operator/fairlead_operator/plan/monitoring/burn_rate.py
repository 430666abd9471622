"""Alerts on the error budget: multi-window, multi-burn-rate.

Windows and factors are those of "Alerting on SLOs" (Google, The Site Reliability Workbook, chapter 5), for a
budget over 30 days. A long window says that it matters, a short one that it still goes on. A factor that would need
more than all requests to fail is left out.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from fairlead_operator.manifests import Manifest

RATIO = "apisvc:http_request_errors:ratio_rate"
_COUNT = "http_server_request_duration_seconds_count"


@dataclass(frozen=True, slots=True)
class Burn:
    """How fast the budget goes: `factor` times as fast as it may, over both windows."""

    factor: Decimal
    long: str
    short: str


FAST = (Burn(Decimal("14.4"), "1h", "5m"), Burn(Decimal(6), "6h", "30m"))
SLOW = (Burn(Decimal(3), "1d", "2h"), Burn(Decimal(1), "3d", "6h"))
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def budget(availability: str) -> Decimal:
    """The share of requests that may fail: 0.001 for 99.9 percent."""
    return (100 - Decimal(availability)) / 100


def recordings(selector: str, labels: dict[str, str]) -> list[Manifest]:
    """The share of requests answered with 5xx, over each window. `selector` are label matchers."""
    return [
        {
            "record": f"{RATIO}{window}",
            "expr": f'sum(rate({_COUNT}{{{selector},http_response_status_code=~"5.."}}[{window}]))'
            f" / sum(rate({_COUNT}{{{selector}}}[{window}]))",
            "labels": dict(labels),
        }
        for window in WINDOWS
    ]


def expression(burns: tuple[Burn, ...], availability: str, selector: str) -> str:
    """When one of `burns` goes on; empty when none can."""
    terms = []
    for burn in burns:
        threshold = _threshold(burn.factor, availability)
        if threshold is None:
            continue
        both = " and ".join(f"{RATIO}{each}{{{selector}}} > {threshold}" for each in (burn.long, burn.short))
        terms.append(f"({both})")
    return " or ".join(terms)


@lru_cache(maxsize=256)  # most services have one of a few objectives
def _threshold(factor: Decimal, availability: str) -> str | None:
    """The share of errors that uses the budget up `factor` times too fast; None when it would be more than all."""
    share = factor * budget(availability)
    return None if share >= 1 else _plain(share)


def _plain(number: Decimal) -> str:
    """Without an exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
