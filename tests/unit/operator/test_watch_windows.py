"""Where the windows of a watch start, and how long they are."""

import pytest

from fairlead_operator.cache.watch_windows import FEW, LONGER, LONGEST_SECONDS, MANY, WatchPosition

NOW = 1000.0


def calm(version: int, known: int, once: int = 0) -> WatchPosition:
    """A window that repeats what came after `version`, up to `known`."""
    return WatchPosition(version, version, known, NOW, once)


def busy(start: int, settled: int, known: int, once: int, *, since: float = NOW) -> WatchPosition:
    """A window that repeats nothing."""
    return WatchPosition(start, settled, known, since, once)


@pytest.mark.parametrize(
    ("position", "reached", "news", "is_calm", "following"),
    [
        pytest.param(calm(10, 10), 10, 0, True, calm(10, 10), id="nothing came: from the same place"),
        pytest.param(calm(10, 10), 14, 2, True, calm(10, 14, 2), id="what is new is sent once more"),
        pytest.param(calm(10, 14, 2), 14, 0, True, calm(14, 14), id="all was sent once more"),
        pytest.param(calm(10, 14), 20, 1, True, calm(14, 20, 1), id="once more, and something new"),
        pytest.param(calm(10, 14), 10, 0, True, calm(10, 14), id="nothing came: the window is repeated"),
        pytest.param(calm(10, 14), 12, 0, True, calm(12, 14), id="a window cut short goes on where it got to"),
        pytest.param(calm(10, 14), 90, 50, False, busy(90, 14, 90, 50), id="much is new: busy, sent once"),
        pytest.param(busy(90, 14, 90, 50), 99, 9, False, busy(99, 14, 99, 59), id="still busy"),
        pytest.param(busy(90, 14, 90, 50), 95, 3, True, calm(14, 95, 53), id="not busy: back to what was settled"),
        pytest.param(calm(14, 95, 53), 96, 1, True, calm(95, 96, 1), id="all of it was sent once more"),
        pytest.param(busy(90, 14, 90, 50), 90, 0, True, calm(14, 90, 50), id="nothing came: no longer busy"),
        pytest.param(
            busy(90, 14, 90, 50, since=NOW - LONGEST_SECONDS),
            99,
            50,
            False,
            WatchPosition(14, 14, 99, NOW - LONGEST_SECONDS, 100),
            id="busy for too long: once more, still busy or not",
        ),
    ],
)
def test_where_the_next_window_starts(
    position: WatchPosition, reached: int, news: int, is_calm: bool, following: WatchPosition
) -> None:
    assert position.after(reached, news=news, is_calm=is_calm, now=NOW) == following


@pytest.mark.parametrize(
    ("position", "news", "windows", "is_calm"),
    [
        pytest.param(calm(10, 10), MANY, 1.0, True, id="not much"),
        pytest.param(calm(10, 10), MANY + 1, 1.0, False, id="much"),
        pytest.param(busy(90, 14, 90, 50), FEW, 0.5, True, id="few"),
        pytest.param(busy(90, 14, 90, 50), FEW + 1, 0.5, False, id="not few"),
        pytest.param(busy(90, 14, 90, 50), 3 * FEW, 3.0, True, id="few for a long window"),
        pytest.param(busy(90, 14, 90, 50), 3 * FEW + 1, 3.0, False, id="not few for a long window"),
    ],
)
def test_when_it_is_calm(position: WatchPosition, news: int, windows: float, is_calm: bool) -> None:
    assert position.is_calm(news, windows=windows) is is_calm


def test_windows_that_repeat_nothing_are_longer() -> None:
    assert 5 <= calm(10, 14).window_seconds(6.0) <= 6
    assert 25 <= busy(90, 14, 90, 50).window_seconds(6.0) <= 6 * LONGER
    assert calm(10, 14).window_seconds(0.2) == 1, "the server takes whole seconds only"


@pytest.mark.parametrize(
    ("position", "objects", "should_relist"),
    [
        pytest.param(calm(10, 90, MANY + 1), 3, True, id="many events of few objects"),
        pytest.param(calm(10, 90, MANY + 1), MANY + 1, False, id="as many objects"),
        pytest.param(calm(10, 90, MANY), 3, False, id="not many events"),
        pytest.param(busy(90, 14, 90, 50), 3, False, id="nothing is repeated now"),
    ],
)
def test_when_a_list_is_less(position: WatchPosition, objects: int, should_relist: bool) -> None:
    assert position.should_relist(objects) is should_relist
