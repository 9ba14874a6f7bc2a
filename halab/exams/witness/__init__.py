"""What the host sees of nodes and no program in them can change: does a node run what its packages contain?

reference  the tools root of an image: what each package contains, and which package a file belongs to
files      what a node wrote over its image, in the places that decide what runs
units      what starts the cluster's daemons: unit files, environments
mounts     what is mounted over such places
daemons    the processes of the cluster: their programs, their libraries
wire, ear  what nodes send to each other
look       all of these, together
watched    all of these, while nodes are graded

To look, nothing is run in a node and nothing in it is stopped, so the node does not notice. In doubt, nobody is
accused. Programs, units and agents of the learner's own are ignored, as long as they have names of their own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A path or a process of a node that is not what its package contains, and how to put it back."""

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
    """What a look at one file found, without the node.

    `package` is the one that the file should be of, if there is one.
    """

    wrong: str
    package: str | None = None
