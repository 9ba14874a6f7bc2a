"""The one wait loop, on the test's own clock."""

from collections.abc import Callable, Iterator

import pytest

from halab.kit.wait import CONFIRMING, TimedOut, wait
from tests.fakes import FakeClock


def states(*seen: str) -> Callable[[], str]:
    """Return a look that sees these states one after the other, and the last one for ever."""
    rest: Iterator[str] = iter(seen)
    return lambda: next(rest, seen[-1])


def is_up(state: str) -> bool:
    return state.startswith("up")


def test_wait_needs_three_successes_in_a_row() -> None:
    time = FakeClock()

    state = wait(states("up1", "up2", "down", "up4", "up5", "up6"), is_up, within=60, clock=time.clock())

    assert state == "up6"
    assert len(time.slept) == 5


def test_wait_returns_at_once_when_one_success_is_enough() -> None:
    time = FakeClock()

    state = wait(states("up"), is_up, within=60, successes=1, clock=time.clock())

    assert state == "up"
    assert time.slept == []


def test_a_timeout_carries_the_last_state_seen() -> None:
    time = FakeClock()

    with pytest.raises(TimedOut, match="last seen: down2") as caught:
        wait(states("down1", "down2"), is_up, within=10, clock=time.clock())

    assert caught.value.last == "down2"
    assert 10 <= time.seconds < 10.5


@pytest.mark.parametrize(("tiring", "slept"), [(True, [2.0, 2.0]), (False, [0.5, 0.5, 0.5])])
def test_looks_that_take_long_are_taken_less_often_where_they_tire(tiring: bool, slept: list[float]) -> None:
    time = FakeClock()

    def look() -> str:
        time.seconds += 2.0
        return "down"

    with pytest.raises(TimedOut):
        wait(look, is_up, within=8, interval=0.5, tiring=tiring, clock=time.clock())

    assert time.slept == slept


@pytest.mark.parametrize("seen", ["up", "down"])
def test_within_0_takes_exactly_one_look(seen: str) -> None:
    time, looks = FakeClock(), []

    def look() -> str:
        looks.append(seen)
        return seen

    try:
        wait(look, is_up, within=0, clock=time.clock())
    except TimedOut:
        assert seen == "down"

    assert len(looks) == 1
    assert time.slept == []


def test_a_state_that_became_right_in_time_is_given_the_looks_it_lacks() -> None:
    time = FakeClock()

    state = wait(states("down", "up1", "up2", "up3"), is_up, within=0.25, clock=time.clock())

    assert state == "up3"


def test_a_state_that_breaks_again_after_the_deadline_has_timed_out() -> None:
    time = FakeClock()

    with pytest.raises(TimedOut) as caught:
        wait(states("down", "up1", "up2", "down again"), is_up, within=0.25, clock=time.clock())

    assert caught.value.last == "down again"


def test_looks_are_an_interval_apart_and_closer_to_each_other_once_the_state_is_right() -> None:
    time = FakeClock()

    wait(states("down", "up", "down", "up"), is_up, within=60, interval=2, clock=time.clock())

    assert time.slept == [2, CONFIRMING, 2, CONFIRMING, CONFIRMING]


def test_a_short_interval_stays_as_it_is() -> None:
    time = FakeClock()

    wait(states("up"), is_up, within=60, interval=0.01, clock=time.clock())

    assert time.slept == [0.01, 0.01]
