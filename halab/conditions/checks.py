"""A check: one sentence about the cluster that is passed, failed or unknown, within a deadline, with hints."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from halab.kit.errors import CheckFailed, HalabError
from halab.kit.wait import LOOKS, Clock, TimedOut, wait

if TYPE_CHECKING:
    from halab.conditions.lab import Lab


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def word(self) -> str:
        """The word that people read. It is ERROR where a check could not be told, as that is the lab's own fault."""
        return {"passed": "PASS", "failed": "FAIL", "unknown": "ERROR"}[self]


@dataclass(frozen=True)
class Observation:
    """What one look saw: whether it is as expected, and what it is in words. `known` is false if nothing was seen.

    Where what was seen tells the cause, `hints` returns those about that, which are given in place of the condition's.
    It may ask the lab for more, and is called once, when the check has failed.
    """

    ok: bool
    seen: str
    known: bool = True
    hints: Callable[[], tuple[str, ...]] = tuple


@dataclass(frozen=True)
class Condition:
    """What is expected of the cluster, in words, and the way to look.

    `look` returns an Observation; it may raise CheckFailed for "no", and LabError for "cannot be told". `hints` are
    for a learner: where to look, what is probably wrong, and the command, in this order. A `steady` condition changes
    only by somebody's hands, so one look is enough; any other has to hold several times in a row.
    """

    expected: str
    look: Callable[["Lab"], Observation]
    hints: tuple[str, ...] = ()
    steady: bool = False

    def hints_or(self, better: str | tuple[str, ...]) -> tuple[str, ...]:
        """Return the hints that a step has itself, one or several, or else the condition's own."""
        return ((better,) if isinstance(better, str) else better) or self.hints


@dataclass(frozen=True)
class CheckResult:
    sentence: str
    outcome: Outcome
    expected: str
    seen: str
    hints: tuple[str, ...]
    seconds: float


def evaluate(
    sentence: str,
    condition: Condition,
    lab: "Lab",
    *,
    within: float,
    hints: tuple[str, ...] = (),
    clock: Clock | None = None,
) -> CheckResult:
    """Look until the condition holds, at most `within` seconds.

    `hints` are given where the last look has none of its own. Only a false observation is a failure. When a look fails,
    for whatever reason, the result is unknown: a broken lab never marks a learner wrong.
    """
    started = time.monotonic()
    try:
        needed = 1 if condition.steady else LOOKS
        look = partial(observe, condition, lab)
        last = wait(look, lambda seen: seen.ok, within=within, successes=needed, clock=clock)
        outcome = Outcome.PASSED
    except TimedOut as error:
        last = error.last
        outcome = Outcome.FAILED if last.known else Outcome.UNKNOWN
        hints = cause(last.hints) or hints
    return CheckResult(sentence, outcome, condition.expected, last.seen, hints, time.monotonic() - started)


def cause(find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Return hints on a cause, or none where it cannot be told. To look for it never changes an outcome."""
    try:
        return find()
    except Exception:  # noqa: BLE001  # the condition has its own hints
        return ()


def observe(condition: Condition, lab: "Lab") -> Observation:
    """Look once. It raises nothing."""
    try:
        return condition.look(lab)
    except CheckFailed as error:
        return Observation(False, str(error))
    except HalabError as error:
        return Observation(False, str(error), known=False)
    except Exception as error:  # noqa: BLE001  # whatever goes wrong in looking, the learner is not to blame
        return Observation(False, f"the check itself broke: {type(error).__name__}: {error}", known=False)


def overall(results: list[CheckResult]) -> Outcome:
    """Return the outcome of all: failed when a check failed; unknown when one is unknown, or there was none at all."""
    outcomes = {result.outcome for result in results}
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    return Outcome.PASSED if outcomes == {Outcome.PASSED} else Outcome.UNKNOWN
