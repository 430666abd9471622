"""What is measured on PostgreSQL, and what is said of it."""

from collections import Counter

import pytest
from bench.errors import Failed
from bench.postgresql import cases, documents, memory, paced, part

SAID = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 2\r\n\r\n"


def test_every_document_has_one_kilobyte_in_every_edition() -> None:
    made = [documents.document(number, edition=edition) for number in (0, 7, 19_999) for edition in (0, 1, 899, 8192)]
    assert {len(documents.text(each).encode()) for each in made} == {1024}


def test_keys_and_size_of_a_document_do_not_depend_on_the_edition_but_its_values_do() -> None:
    first, second = documents.document(7), documents.document(7, edition=1)
    assert {name for name in first if first[name] != second[name]} == {"price", "stock"}


def test_a_list_has_a_next_page_in_every_category() -> None:
    counts = Counter(documents.document(number)["category"] for number in range(documents.COUNT))
    assert set(counts.values()) == {2 * documents.LISTED}


def test_popular_keys_are_drawn_by_zipfs_law_and_the_same_each_time() -> None:
    first, second = (documents.drawn(20_000, 1000) for _ in range(2))
    assert first == second
    (_, most), *others = Counter(first).most_common()
    assert 0.10 < most / 20_000 < 0.16  # 1 / sum of 1/n^0.99
    assert most / others[8][1] == pytest.approx(10**0.99, rel=0.3)


def test_without_an_exponent_every_key_is_as_popular_as_the_others() -> None:
    assert max(Counter(documents.drawn(20_000, 1000, exponent=0.0)).values()) < 60


@pytest.mark.parametrize("name", cases.ROWS)
def test_a_case_has_requests_of_one_kind_for_many_documents(name: str) -> None:
    case = cases.ROWS[name]()
    assert len({request.method for request in case.requests}) == 1
    assert len({request.path for request in case.requests}) > 400


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [
        ([80, 95], "too few readings"),
        ([80, 95, 96], "flat"),
        ([60, 90, 100, 100, 101, 101], "flat"),
        ([100, 101, 102, 90, 91, 92, 80, 81, 82], "flat"),
        ([80, 90, 100, 100, 110, 110], "grows: 10.0% from the second to the last third"),
    ],
)
def test_memory_is_flat_when_the_last_third_is_not_above_the_second(readings: list[float], verdict: str) -> None:
    assert memory.verdict(readings) == verdict


def test_latency_is_given_in_milliseconds_by_share() -> None:
    found = paced.latency([number / 1000 for number in range(1, 102)])
    assert (found.p50, found.p90, found.p99) == pytest.approx((51, 91, 100))


def test_an_answer_is_complete_with_the_bytes_that_its_head_says() -> None:
    assert paced.answer_size(SAID + b"{}") == len(SAID) + 2
    assert paced.answer_size(SAID[:-1]) == 0


def test_an_answer_without_its_size_is_a_failure() -> None:
    with pytest.raises(Failed, match=r"without Content-Length: HTTP/1\.1 200 OK"):
        paced.answer_size(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")


def test_a_ratio_is_of_the_same_round_and_says_whether_its_goal_is_met() -> None:
    rounds = [{"ours": 2.0 * rate, "A": rate} for rate in (100.0, 200.0, 50.0, 100.0, 300.0, 10.0)]
    assert part.beside(rounds, "ours", "A", 1.5) == "2.00 (2.00-2.00) 1.5: met"
    assert part.beside(rounds, "ours", "A", 3) == "2.00 (2.00-2.00) 3: missed"
    assert part.beside(rounds[:2], "ours", "A", 1.5) == "2.00 (2.00-2.00) 1.5: too few rounds"
