"""Who watches a command: a person at a terminal, or a program that reads --json."""

import dataclasses
import sys
from typing import TYPE_CHECKING, TextIO

from rich.markup import escape

from halab.cli import exam_tables
from halab.cli import measurement_table as measured
from halab.cli.outcomes import marked
from halab.cli.proof_tables import cell_line
from halab.cli.terminal import Terminal, dump
from halab.conditions.checks import CheckResult, Outcome
from halab.exams.attempts import Graded
from halab.exams.grade import Marked
from halab.faults import registry
from halab.faults.registry import Healed, Injected
from halab.kit.audience import Audience, Begins, Ends, Event, Said
from halab.measure.records import Measured
from halab.proof import Proven
from halab.walk.lab import Checked, Typed
from halab.walk.walk import StepBegins, StepEnds, StepReport, WalkEnds

if TYPE_CHECKING:  # only a terminal needs it
    from rich.status import Status


def audience_for(as_json: bool) -> Audience:
    return JsonAudience() if as_json else RichAudience(sys.stdout)


class RichAudience:
    """Prints everything as it happens. Colours and progress only on a terminal."""

    def __init__(self, file: TextIO) -> None:
        self._out = Terminal.on(file)
        self._status: Status | None = None

    def tell(self, event: Event) -> None:
        match event:
            case Said(text):
                self._out.print(escape(text))
            case Begins(doing):
                self._spin(doing)
            case Ends():
                self._stop()
            case StepBegins():
                self._step_begins(event)
            case Typed(text):
                self._out.out(text, end="", highlight=False)
                self._out.file.flush()
            case Checked(result):
                self._checked(result)
            case StepEnds(report):
                self._step_ends(report)
            case Injected(fault):
                does = registry.find(fault.name).does
                self._out.print(escape(f"Injected {fault.words}: {does}. To undo it: inv heal"))
            case Healed(faults):
                for fault in faults:
                    self._out.print(escape(f"Healed {fault.words}."))
            case Measured():
                self._measured(event)
            case Marked(mark):
                self._out.print(exam_tables.mark_line(mark))
            case Graded(attempt, files):
                self._out.print(exam_tables.summary(attempt, files))
            case Proven(cell):
                self._out.print(cell_line(cell))

    def go_on(self, lost: str) -> bool:
        self._out.print(escape(lost))
        if not _is_terminal():
            return True
        print("Go on? [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _spin(self, doing: str) -> None:
        if self._out.is_terminal:
            self._status = self._out.status(doing)
            self._status.start()

    def _stop(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def _step_begins(self, event: StepBegins) -> None:
        step, what = event.step, "Checking" if event.doing == "verify" else "Step"
        self._out.print(f"\n[bold]{what} {step.name}: {escape(step.title)}[/]")
        if event.doing == "perform" and step.prose:
            self._out.print(f"[dim]{escape(step.prose)}[/]\n")

    def _checked(self, result: CheckResult) -> None:
        self._out.print(f"{marked(result.outcome)} {escape(result.sentence)}")
        if result.outcome != Outcome.PASSED:
            self._out.print(f"       expected: {escape(result.expected)}\n       seen:     {escape(result.seen)}")

    def _step_ends(self, report: StepReport) -> None:
        passed = sum(check.outcome == Outcome.PASSED for check in report.checks)
        if report.outcome == Outcome.PASSED:
            self._out.print(f"[green]Step {report.step} is passed[/]: {passed} checks, {report.seconds:.1f} s")

    def _measured(self, event: Measured) -> None:
        self._out.print(measured.table(event.measurement))
        for line in measured.remarks(event.measurement):
            self._out.print(line)
        self._out.print(escape(f"Report and pictures: {event.directory}"))


class JsonAudience:
    """Prints one JSON document of what came of a command on standard output, and what people are told on the other."""

    def __init__(self) -> None:
        self._people = RichAudience(sys.stderr)
        self._steps: list[StepReport] = []

    def tell(self, event: Event) -> None:
        match event:
            case StepEnds(report):
                self._steps.append(report)
                self._people.tell(event)
            case WalkEnds():
                dump([dataclasses.asdict(report) for report in self._steps])
            case Injected(fault):
                dump([fault.model_dump()])
            case Healed(faults):
                dump([fault.model_dump() for fault in faults])
            case Measured(measurement, directory):
                dump({**measured.as_data(measurement), "directory": str(directory)})
            case Graded(attempt):
                dump(attempt.grade.model_dump(mode="json"))
            case Typed():
                pass
            case _:
                self._people.tell(event)

    def go_on(self, lost: str) -> bool:
        self.tell(Said(lost))
        return True


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
