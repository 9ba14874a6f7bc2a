"""Grading an exam: the lab itself must be whole; then come checks that only read, and checks that break things.

What they break is put back.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from halab.conditions import bmc_power
from halab.conditions.checks import Condition, evaluate
from halab.exams.draw import paper_of
from halab.exams.grade import Grade, Mark
from halab.exams.sitting import open_sitting, sitting_of
from halab.exams.witness.watched import Replaced, Watched
from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience
from halab.kit.errors import HalabError, LabError
from halab.kit.parallel import for_each
from halab.kit.wait import TimedOut, wait
from halab.measure.report import Measurement
from halab.spec.paper import Paper
from halab.walk import bringup, checkpoints
from halab.walk.checkpoints import GRADING
from halab.walk.lab import Lab

WHOLE = 45.0  # seconds that nodes which booted are given to be a cluster again
LEAST = 3.0  # seconds that a check which may wait is given at least


class Examination(Lab):
    """The lab as grade.py sees it: each check belongs to a task, and is worth points.

    Checks share their waiting. The seconds that one may wait count from when something was last done to the cluster,
    because nothing has changed since then. So one check after the other does not wait for what is not mended. With
    `patient` false, none waits. What a check needs to be done first is done when the first such check comes.
    """

    def __init__(
        self,
        instance: Instance,
        on_mark: Callable[[Mark], None] = lambda mark: None,
        patient: bool = True,
        audience: Audience = NOBODY,
    ) -> None:
        super().__init__(instance, audience)
        self._on_mark = on_mark
        self._patient = patient
        self._task = ""
        self._needed: list[Callable[[], None]] = []
        self._done = time.monotonic()  # when something was done to the nodes
        self.members: frozenset[str] = frozenset()  # of the cluster, as it is when nothing is broken
        self.marks: list[Mark] = []
        self.watch: Callable[[], None] = lambda: None  # called before each check, as a node expects no look then

    @contextmanager
    def task(self, name: str) -> Iterator[None]:
        """The checks in this block belong to that task."""
        self._task = name
        yield
        self._task = ""

    def check(
        self,
        sentence: str,
        condition: Condition,
        *,
        points: int = 0,
        within: float = 0,
        hint: str | tuple[str, ...] = (),
    ) -> None:
        """State one check, and what it is worth. One that is worth 0 points is a warning."""
        for act in self._needed:
            act()
            self._done = time.monotonic()
        self._needed = []
        self.watch()
        result = evaluate(sentence, condition, self, within=self._patience(within), hints=condition.hints_or(hint))
        self.results.append(result)
        self.marks.append(Mark.of(self._task, points, result))
        self._on_mark(self.marks[-1])

    def _patience(self, within: float) -> float:
        """Return what is left of the seconds that a check may wait."""
        if not self._patient:
            return 0
        passed = time.monotonic() - self._done
        return max(within * self.pace.factor - passed, min(within, LEAST) * self.pace.factor)

    def afresh(self) -> None:
        """Put the learner's work back as it was, so that what one check breaks does not touch the next one."""
        self._needed = [self._put_back]

    def boot_all(self) -> None:
        """Put the learner's work back, with all nodes booted as after a power cut of all at once."""
        self._needed = [self._put_back, *([self._boot] if self._instance.provider.saves_memory else [])]

    def begin(self) -> None:
        """Save the work as it is now. That is graded."""
        checkpoints.save(self._instance, GRADING)
        self.members = self.count_members()
        self._done = time.monotonic()

    def count_members(self) -> frozenset[str]:
        """Return the nodes that are online members now; none when there is no cluster."""
        try:
            return frozenset(self.status().online)
        except HalabError:
            return frozenset()

    def settle(self) -> None:
        """Wait until nothing is under way in the cluster, and the nodes that were members at first are so again."""
        with suppress(TimedOut):  # that is for checks to tell
            wait(self.count_members, lambda now: now >= self.members, within=WHOLE * self.pace.factor)
        super().settle()

    def _put_back(self) -> None:
        checkpoints.restore(self._instance, GRADING)
        self.settle()

    def _boot(self) -> None:
        provider = self._instance.provider
        names = [node.name for node in self.nodes]
        for_each(names, provider.power_off)
        for_each(names, provider.power_on)
        checkpoints.wait_booted(self._instance)
        self.settle()


def grade(instance: Instance, on_mark: Callable[[Mark], None]) -> tuple[Grade, list[Measurement]]:
    """Grade the work as it is now, put it back afterwards, and return the grade and the outages that grading made.

    Before, during and after that, the witness looks from outside at what runs on the nodes. If that is not what the
    packages contain, the exam says what it costs: mostly, that nothing is graded.

    Needs the lock. Raises LabError when the lab itself is not whole: then there is no grade, and no attempt is counted.
    """
    paper, sitting = paper_of(instance.folder), open_sitting(instance)
    started = time.monotonic()
    watched = Watched(instance, ends=paper.file.replaced_cost is None)
    exam = Examination(instance, on_mark)
    try:
        watched.look()  # before the first thing that a node could notice
        sound(instance)
        _look_and_shake(exam, instance, paper, watched)
        _points_add_up(paper, exam.marks)
    except Replaced:
        pass  # the grade tells
    finally:
        watched.close()
    made = Grade.of_marks(
        exam=instance.folder.name,
        instance=instance.name,
        sitting=sitting,
        paper=paper.file,
        marks=exam.marks,
        replaced=watched.told,
        noticed=watched.noticed,
        at=datetime.now().astimezone(),
        seconds=time.monotonic() - started,
    )
    return made, exam.outages


def _look_and_shake(exam: Examination, instance: Instance, paper: Paper, watched: Watched) -> None:
    """Make all checks, and put back what they break. Raises Replaced."""
    drawn = sitting_of(instance).drawn
    exam.begin()
    exam.watch = watched.look
    try:
        paper.look(exam, drawn)
        watched.members(exam.members & exam.count_members())
        paper.shake(exam, drawn)
        watched.look()
    finally:
        exam.close()
        bringup.put_back(instance)


def look(instance: Instance, on_mark: Callable[[Mark], None] = lambda mark: None) -> list[Mark]:
    """Make only the checks that read, without waiting. Nothing is changed, and nothing is kept."""
    paper, sitting = paper_of(instance.folder), open_sitting(instance)
    exam = Examination(instance, on_mark, patient=False)
    try:
        paper.look(exam, sitting.drawn)
    finally:
        exam.close()
    return exam.marks


def sound(instance: Instance) -> None:
    """Raise LabError when the lab itself is not whole: a node has no power or is not reached, a BMC does not answer."""
    lab = Lab(instance)
    for node in lab.nodes:
        if (state := node.power()) != "on":
            raise LabError(f"not graded: {node.name} is {state}; try: inv up")
        try:
            reached = node.ask("true", timeout=20)
        except HalabError as error:
            raise LabError(f"not graded: {node.name} cannot be reached: {error}") from None
        if not reached.ok:
            raise LabError(f"not graded: {node.name} runs no commands ({reached.cause()}); try: inv up")
        if not (seen := bmc_power(node, "on").look(lab)).ok:
            raise LabError(f"not graded: the BMC of {node.name} does not answer ({seen.seen}); try: inv up")


def _points_add_up(paper: Paper, marks: list[Mark]) -> None:
    """Raise LabError when the checks of a task are worth more or less than exam.toml says."""
    for task in paper.file.tasks:
        points = sum(mark.points for mark in marks if mark.task == task.name)
        if points != task.points:
            raise LabError(f"grade.py: the checks of {task.name} are worth {points} points, and the task {task.points}")
