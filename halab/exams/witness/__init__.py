"""What the host sees of nodes that no program in them can change: is what runs there what its packages contain?

reference  the tools root of an image: what each package contains, and which package a file is of
files      what a node wrote over its image, in the places that decide what runs
units      what starts the cluster's daemons: unit files, environments
mounts     what is mounted over such places
daemons    the processes that the cluster is: their programs, their libraries
wire, ear  what nodes send to each other
look       all of it, together
watched    all of it, while nodes are graded

Nothing is run in a node for that, and nothing in it is stopped, so a node does not notice. Where it is in doubt, it
accuses nobody: own programs, units and agents, under names of their own, are nobody's business.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something on a node, a path or a process, that is not what its package contains, and how to put it back."""

    node: str
    what: str
    wrong: str
    remedy: str

    @property
    def sentence(self) -> str:
        return f"{self.what} of {self.node} {self.wrong}"

    @property
    def told(self) -> str:
        return f"{self.sentence}; put it back: {self.remedy}; or: inv reset --to start"


@dataclass(frozen=True)
class Judgement:
    """The same without the node: what one look at one file came to. `package` is what it should be of, if any is."""

    wrong: str
    package: str | None = None
