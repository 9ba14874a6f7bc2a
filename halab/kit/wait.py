"""The one wait loop."""

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

State = TypeVar("State")

LOOKS = 3  # in a row at a state that may change by itself, until it is believed
CONFIRMING = 0.1  # seconds between the looks that a state needs to be believed


class TimedOut(Exception, Generic[State]):
    """The condition did not hold in time; `last` is the last state seen."""

    def __init__(self, last: State) -> None:
        super().__init__(f"last seen: {last}")
        self.last = last


class Clock(NamedTuple):
    """Monotonic seconds and a sleep, to be replaced in tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait(
    look: Callable[[], State],
    ready: Callable[[State], bool],
    *,
    within: float,
    successes: int = LOOKS,
    interval: float = 0.5,
    tiring: bool = True,
    clock: Clock | None = None,
) -> State:
    """Look again and again until `ready` held `successes` times in a row; return the last state.

    `within` and `interval` are seconds; what is right already is looked at again sooner, and where a look takes longer
    than the interval there is as much time between looks, so that looking does not keep busy what is looked at, unless
    looking is not `tiring`, as it only waits itself. One look is always taken, so `within=0` means "now, and only now",
    for which a single success is enough. A wait that is under way when the time is up but has succeeded so far is given
    the looks it lacks: a state that became right in time is right.
    Raises TimedOut with the last state seen.
    """
    now, sleep = clock or Clock()
    deadline = now() + within
    needed = successes if within else 1
    in_a_row = 0
    while True:
        began = now()
        state = look()
        in_a_row = in_a_row + 1 if ready(state) else 0
        if in_a_row >= needed:
            return state
        if now() >= deadline and not in_a_row:
            raise TimedOut(state)
        pause = max(interval, now() - began) if tiring else interval
        sleep(min(interval, CONFIRMING) if in_a_row else pause)
