"""The keys that a person means: as `fairlead dlq list` prints them, or plain."""

import pytest

from fairlead_workload.model import keys
from fairlead_workload.stores.base import Key
from fairlead_workload.worker.failures.dlq import spellings

PLAIN: dict[str, Key] = {
    "orders/a": ("a",),
    "orders/a/b": ("a/b",),
    "orders/a/7": ("a", 7),
    "orders/a/b/7": ("a/b", 7),
    "orders/a/b/c": ("a", "b/c"),
    "orders/a b": ("a b",),
    "orders/100%": ("100%",),
    "orders/50%2x": ("50%2x",),
    "orders/\u00fc/\u00f6": ("\u00fc", "\u00f6"),
    "orders//": ("/",),
}


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_key_is_found(text: str) -> None:
    assert f"orders/{keys.path(PLAIN[text])}" in spellings(text)


@pytest.mark.parametrize("text", ["orders/a%2Fb", "orders/a%2Fb/7", "orders/100%25", "orders/%C3%BC"])
def test_a_listed_key_means_only_itself(text: str) -> None:
    assert spellings(text) == (text,)


@pytest.mark.parametrize(
    ("text", "listed"), [("orders/a%2fb", "orders/a%2Fb"), ("orders/%c3%bc/%C3%B6", "orders/%C3%BC/%C3%B6")]
)
def test_the_case_of_escapes_means_nothing(text: str, listed: str) -> None:
    assert spellings(text) == (text, listed)


@pytest.mark.parametrize("text", ["k", "orders/", "a//b", "elsewhere/x", "orders/%2f"])
def test_the_key_of_a_foreign_message_is_found_as_it_is(text: str) -> None:
    assert text in spellings(text)


def test_another_documents_key_is_not_meant() -> None:
    assert "orders/b" not in spellings("orders/a/b")
