"""Checks: passed, failed or unknown, and never a learner's fault when the lab is broken."""

from collections.abc import Callable
from typing import Any

import pytest

from halab.conditions.checks import CheckResult, Condition, Observation, Outcome, evaluate, overall
from halab.kit.errors import CheckFailed, LabError
from tests.fakes import FakeClock

Look = Callable[[Any], Observation]
YES = Observation(True, "it is there")
NO = Observation(False, "it is away")


def looking(*sights: Observation | Exception) -> Look:
    """Return a look that sees these one after the other, and the last one for ever."""
    rest = list(sights)

    def look(lab: Any) -> Observation:
        sight = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(sight, Exception):
            raise sight
        return sight

    return look


def check(*sights: Observation | Exception, within: float = 10, steady: bool = False) -> CheckResult:
    condition = Condition("it to be there", looking(*sights), steady=steady)
    lab: Any = None
    return evaluate("it is there", condition, lab, within=within, hints=("look", "look up"), clock=FakeClock().clock())


@pytest.mark.parametrize(
    ("sights", "outcome"),
    [
        ([YES], Outcome.PASSED),
        ([NO], Outcome.FAILED),
        ([CheckFailed("no")], Outcome.FAILED),
        ([LabError("node1 is not reachable")], Outcome.UNKNOWN),
        ([ZeroDivisionError("oops")], Outcome.UNKNOWN),
        ([KeyError("node3")], Outcome.UNKNOWN),
        ([NO, LabError("gone"), YES], Outcome.PASSED),
        ([LabError("gone"), NO], Outcome.FAILED),
        ([NO, LabError("gone")], Outcome.UNKNOWN),
        ([YES, YES, NO], Outcome.FAILED),
    ],
)
def test_the_last_look_decides(sights: list[Observation | Exception], outcome: Outcome) -> None:
    result = check(*sights)

    assert result.outcome == outcome


@pytest.mark.parametrize(
    ("sight", "seen"),
    [
        (NO, "it is away"),
        (CheckFailed("it is on no node"), "it is on no node"),
        (LabError("node1 is off"), "node1 is off"),
        (ZeroDivisionError("oops"), "the check itself broke: ZeroDivisionError: oops"),
    ],
)
def test_what_was_seen_is_told(sight: Observation | Exception, seen: str) -> None:
    result = check(sight)

    assert result.seen == seen


def test_sentence_expectation_and_hints_are_kept() -> None:
    result = check(NO)

    assert (result.sentence, result.expected, result.hints) == ("it is there", "it to be there", ("look", "look up"))


@pytest.mark.parametrize(
    ("sights", "outcome"), [([YES, NO], Outcome.PASSED), ([NO, YES, NO], Outcome.PASSED), ([NO], Outcome.FAILED)]
)
def test_what_is_steady_is_believed_at_once(sights: list[Observation | Exception], outcome: Outcome) -> None:
    result = check(*sights, steady=True)

    assert result.outcome == outcome


def test_without_a_deadline_there_is_one_look() -> None:
    result = check(NO, YES, within=0)

    assert result.outcome == Outcome.FAILED


def results(*outcomes: Outcome) -> list[CheckResult]:
    return [CheckResult("", outcome, "", "", (), 0) for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "together"),
    [
        ([], Outcome.UNKNOWN),
        ([Outcome.PASSED, Outcome.PASSED], Outcome.PASSED),
        ([Outcome.PASSED, Outcome.UNKNOWN], Outcome.UNKNOWN),
        ([Outcome.PASSED, Outcome.FAILED], Outcome.FAILED),
        ([Outcome.UNKNOWN, Outcome.FAILED, Outcome.PASSED], Outcome.FAILED),
    ],
)
def test_the_worst_that_is_known_decides_over_all_checks(outcomes: list[Outcome], together: Outcome) -> None:
    assert overall(results(*outcomes)) == together
