"""Performing and verifying steps, in order, with a record of each and a checkpoint after each that is verified."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from halab.conditions.checks import CheckResult, Condition, Outcome, overall
from halab.instance import by_hand
from halab.instance.console import COLUMNS, LINES
from halab.instance.instance import Instance
from halab.kit.audience import Audience, Event, Said, must_go_on
from halab.kit.errors import CheckFailed, HalabError, LabError, NothingChecked
from halab.kit.printable import printable
from halab.kit.recording import Recording
from halab.spec.labs import Step
from halab.walk import bringup, checkpoints
from halab.walk.evidence import collect
from halab.walk.lab import Checked, Lab, Typed

KEPT = "my-work"  # a name for a checkpoint of it


@dataclass
class StepReport:
    """What one command did with one step. `outcome` is as in checks.Outcome; `reason` says why performing failed."""

    step: str
    title: str
    outcome: str
    log: Path
    checks: list[CheckResult] = field(default_factory=list)
    reason: str | None = None
    seconds: float = 0


@dataclass(frozen=True)
class StepBegins(Event):
    """A step begins; `doing` is perform or verify. A StepEnds of the same step follows."""

    kind = "step_begins"
    step: Step
    doing: str

    def data(self) -> dict[str, Any]:
        return {"step": self.step.name, "title": self.step.title, "doing": self.doing}


@dataclass(frozen=True)
class StepEnds(Event):
    """A step ends with this outcome. Each of its checks was told before."""

    kind = "step_ends"
    report: StepReport

    def data(self) -> dict[str, Any]:
        keys = ("step", "title", "outcome", "reason", "seconds", "log")
        return {key: getattr(self.report, key) for key in keys}


@dataclass(frozen=True)
class WalkEnds(Event):
    """No further step follows in this command."""

    kind = "walk_ends"


class _Logged:
    """An audience that also writes terminal and checks to the step's log, and the terminal to a recording."""

    def __init__(self, audience: Audience, log: TextIO, record: Callable[[str], None]) -> None:
        self._audience = audience
        self._log = log
        self._record = record

    def tell(self, event: Event) -> None:
        match event:
            case Typed():
                self._log.write(printable(event.text))
                self._log.flush()
                self._record(event.text)
            case Checked(result):
                line = f"[{result.outcome}] {result.sentence}: {result.seen}"
                print(printable(line), file=self._log, flush=True)
        self._audience.tell(event)

    def go_on(self, lost: str) -> bool:
        return self._audience.go_on(lost)


class _Now(Lab):
    """The lab as it is now: no check waits."""

    def check(
        self, sentence: str, condition: Condition, *, within: float = 0, hint: str | tuple[str, ...] = ()
    ) -> None:
        super().check(sentence, condition, hint=hint)


class Walk:
    """A walk through the steps of an instance. Needs its lock all the time."""

    def __init__(self, instance: Instance, audience: Audience) -> None:
        self._instance = instance
        self._audience = audience
        self._untouched = False  # by hand, since this very command saved the nodes
        bringup.settle(instance, audience)

    def left(self, to: str | None = None) -> list[Step]:
        """Return the steps that are not passed, up to and with `to`."""
        steps = list(self._instance.folder.steps)
        if to:
            steps = steps[: steps.index(self._instance.folder.step(to)) + 1]
        return [step for step in steps if self._instance.state.outcome(step.name) != Outcome.PASSED]

    def current(self) -> Step:
        """Return the first step that is not passed. Raises NothingChecked when all are passed."""
        left = self.left()
        if not left:
            raise NothingChecked("every step is passed; go back to one with: inv reset --to STEP")
        return left[0]

    def step(self, name: str) -> Step:
        return self._instance.folder.step(name)

    def hint(self, step: Step) -> str:
        """Verify, and return one more hint for the first check that does not pass."""
        report = self.verify(step)
        failing = next((result for result in report.checks if result.outcome != Outcome.PASSED), None)
        if failing is None and report.outcome == Outcome.PASSED:
            return f"Step {step.name} is passed; nothing to hint at."
        if failing is None:
            kind = CheckFailed if report.outcome == Outcome.FAILED else LabError
            raise kind(
                f"step {step.name} cannot be checked to its end: {report.reason or 'no checks'}; see {report.log}"
            )
        record = self._instance.state.steps[step.name]
        shown = min(record.hints_shown + 1, len(failing.hints))
        self._instance.remember(self._instance.state.with_hints(step.name, shown))
        hints = failing.hints[:shown] or (f"expected: {failing.expected}",)
        return "\n".join([f"{failing.sentence}:", *(f"  {number}. {hint}" for number, hint in enumerate(hints, 1))])

    def perform(self, step: Step) -> StepReport:
        """Perform a step and verify it. Raises LabError when a step before it is not passed.

        If somebody may have done it by hand, the checks are looked at first. If all pass, so does the step. If not, it
        is done afresh from the checkpoint before it. That is said first and, on a terminal, asked.
        """
        waiting = [before.name for before in self.left(step.name) if before.name != step.name]
        if waiting:
            raise LabError(
                f"step {step.name} comes after {waiting[0]}, which is not passed; try: inv walk --to {step.name}"
            )
        outcome = self._instance.state.outcome(step.name)
        worked = not self._untouched and by_hand.may_have_worked(self._instance)
        if outcome == Outcome.PASSED:
            self._go_back(step, f"Step {step.name} was done before", ask=worked)
        elif outcome is not None or worked:
            if self._is_right(step):
                self._audience.tell(Said(f"Step {step.name} is right as it is, so nothing is typed."))
                return self.verify(step)
            self._go_back(step, f"Step {step.name} is not right as it is", ask=True)
        self._remember(step, "performing")
        with Recording(self._instance.directory, step.name, COLUMNS, LINES) as recording:
            return self._run(step, "perform", lambda lab: self._perform_and_verify(step, lab), recording.printed)

    def _is_right(self, step: Step) -> bool:
        """Return whether all of its checks pass now, without waiting for any."""
        lab = _Now(self._instance)
        try:
            step.verify(lab)
        except HalabError:
            return False
        finally:
            lab.close()
        return overall(lab.results) is Outcome.PASSED

    def _go_back(self, step: Step, why: str, ask: bool) -> None:
        """Go back to the checkpoint before a step. Say first what that costs those who have worked on the nodes."""
        before = bringup.before_step(self._instance, step.name)
        going = f"{why}; going back to {before} to do it afresh."
        if ask:
            lost = f"What was done on the nodes since then is lost; to keep it, type first: inv save {KEPT}"
            must_go_on(self._audience, f"{going} {lost}")
        else:
            self._audience.tell(Said(going))
        bringup.go_back(self._instance, before)

    def verify(self, step: Step) -> StepReport:
        """Verify what the learner did, or what a restored checkpoint must have, and perform nothing."""
        return self._run(step, "verify", step.verify)

    def _perform_and_verify(self, step: Step, lab: Lab) -> None:
        step.perform(lab)
        self._remember(step, "performed")
        step.verify(lab)

    def _run(
        self, step: Step, doing: str, act: Callable[[Lab], None], record: Callable[[str], None] = lambda text: None
    ) -> StepReport:
        started = time.monotonic()
        log = self._instance.directory / "logs" / f"{step.name}.log"
        log.parent.mkdir(exist_ok=True)
        report = StepReport(step.name, step.title, Outcome.UNKNOWN, log)
        with log.open("a", encoding="utf-8") as file:
            print(f"\n=== {time.strftime('%F %T')} {doing} {step.name}", file=file)
            self._audience.tell(StepBegins(step, doing))
            lab = Lab(self._instance, _Logged(self._audience, file, record))
            try:
                act(lab)
                report.outcome = overall(lab.results)
            except CheckFailed as error:
                report.outcome, report.reason = Outcome.FAILED, str(error)
            except HalabError as error:
                report.outcome, report.reason = Outcome.UNKNOWN, str(error)
            finally:
                lab.close()
            report.checks = lab.results
            if report.reason:
                print(printable(f"[{report.outcome}] {report.reason}"), file=file)
        self._conclude(step, report)
        report.seconds = time.monotonic() - started
        self._audience.tell(StepEnds(report))
        return report

    def _conclude(self, step: Step, report: StepReport) -> None:
        concluded = self._instance.state.with_step(step.name, report.outcome)
        # A step is passed once its checkpoint is there: killed in between, it is done again rather than without one.
        if report.outcome == Outcome.PASSED and self._instance.state.outcome(step.name) != Outcome.PASSED:
            checkpoints.save(self._instance, step.name, concluded)
            self._untouched = True
        self._instance.remember(concluded)
        if report.outcome != Outcome.PASSED:
            collect(self._instance, report.log.with_suffix(".evidence"))

    def _remember(self, step: Step, outcome: str) -> None:
        self._instance.remember(self._instance.state.with_step(step.name, outcome))
