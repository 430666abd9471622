"""UUIDv7s never repeat, not in a forked process either."""

import multiprocessing

from fairlead_workload.model import identifiers


def test_many_ids_of_one_moment_differ() -> None:
    assert len({identifiers.uuid7(lambda: 1.0) for _ in range(5000)}) == 5000


def draw(_: int) -> list[str]:
    return [identifiers.uuid7(lambda: 1.0) for _ in range(100)]


def test_processes_do_not_share_their_randomness() -> None:
    draw(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        drawn = [id_ for ids in pool.map(draw, range(2), chunksize=1) for id_ in ids]
    assert len({*drawn, *draw(0)}) == 300
