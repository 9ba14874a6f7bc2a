"""What is seen of nodes from outside while they are graded."""

from collections.abc import Collection, Sequence

from halab.exams.witness import Finding
from halab.exams.witness.ear import Ear
from halab.exams.witness.look import RESTART, Witness
from halab.instance.instance import Instance
from halab.kit.errors import HalabError
from halab.kit.printable import printable

MOST = 40  # sentences in a grade
NOT_HEARD = "is not heard by the others, though the node is said to be a member"


class Replaced(HalabError):
    """What runs on the nodes is not what their packages contain, so nothing that they say is believed."""


class Watched:
    """Watches the nodes from outside while they are graded.

    `told` has a sentence for each finding, without repetition. `noticed` has what costs no points, and may interest the
    reader of the grade. With `ends`, the first finding ends the grading: Replaced is raised.
    """

    def __init__(self, instance: Instance, ends: bool) -> None:
        self._witness = Witness(instance)
        self._ear = Ear(instance) if self._witness.sees else None
        self._ends = ends
        self._found: dict[str, Finding] = {}
        self._began_without: frozenset[str] | None = None  # nodes that had no cluster at the first look
        self.noticed: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        told = [printable(finding.told).replace("\n", " ") for finding in self._found.values()]
        return (*told[:MOST], *([f"and {len(told) - MOST} more"] if len(told) > MOST else []))

    def look(self) -> None:
        self._take(self._witness.look())
        if self._began_without is None:
            self._began_without = self._witness.without_daemons()

    def members(self, members: Collection[str]) -> None:
        """Look closer at nodes that are said to be members: do the cluster's daemons run there, and are they heard?"""
        late = sorted(set(members) & (self._began_without or frozenset()))
        self.noticed = tuple(f"the cluster of {node} was started only as it was graded" for node in late)
        self._take(self._witness.without_cluster(members))
        if self._ear and len(members) > 1:
            self._take([Finding(node, "corosync", NOT_HEARD, RESTART) for node in self._ear.silent(members)])

    def close(self) -> None:
        if self._ear:
            self._ear.close()

    def _take(self, found: Sequence[Finding]) -> None:
        self._found |= {finding.sentence: finding for finding in found}
        if found and self._ends:
            raise Replaced("; ".join(self._found))
