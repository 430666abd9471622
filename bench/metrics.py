"""What a process of ours counts, from its metrics page."""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from bench.errors import Failed


def sums(admin_url: str) -> dict[str, float]:
    """Each sample's name (`..._total` for a counter), and the sum over all its labels. Raises Failed."""
    try:
        with urllib.request.urlopen(f"{admin_url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError as error:
        raise Failed(f"{admin_url}/metrics: {error}") from None
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
