"""Bare nodes and a file. It takes a while to grade, as there is no cluster, for which it waits."""

from halab.conditions import Exam, Lab, command, online
from halab.kit.chance import Chance
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draw(random: Chance, spec: LabSpec) -> Draw:
    return spec, {}


def begin(lab: Lab, drawn: Drawn) -> None:
    """Bare nodes are what it begins with."""


def look(exam: Exam, drawn: Drawn) -> None:
    with exam.task("file"):
        exam.check("the file is there", command(exam.nodes[0], "ls /srv/done", "done"), points=1)
    with exam.task("cluster"):
        exam.check("both nodes are online", online(), points=1, within=30)


def shake(exam: Exam, drawn: Drawn) -> None:
    """Nothing is broken."""
