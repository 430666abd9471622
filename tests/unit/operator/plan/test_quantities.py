"""Quantities read as an API server gives them back."""

import pytest

from fairlead_contract.quantities import amount
from fairlead_operator.plan import quantities


@pytest.mark.parametrize(
    ("written", "returned"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1.0", "1"),
        ("2", "2"),
        ("0", "0"),
        ("0m", "0"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("0.5Ki", "512"),
        ("1000Ki", "1000Ki"),
        ("1000M", "1G"),
        ("0.1Mi", "104858"),
        ("1.25", "1250m"),
        ("0.0001", "100u"),
        ("100k", "100k"),
    ],
)
def test_a_quantity_becomes_canonical_and_stays_so(written: str, returned: str) -> None:
    assert quantities.canonical(written) == returned
    assert quantities.canonical(returned) == returned


@pytest.mark.parametrize(("smaller", "larger"), [("999m", "1"), ("1G", "1Gi"), ("512Mi", "0.6Gi")])
def test_amounts_compare_across_suffixes(smaller: str, larger: str) -> None:
    assert amount(smaller) < amount(larger)
