"""Reading steps without running them: those of every lab, for every distro, with two and with three nodes."""

import re
import shlex

import pytest

from halab.spec import distros, labs
from halab.spec.labs import LabFolder
from halab.walk.show import Entry, record

LABS = [labs.load(name) for name in labs.names()]
STEPS = [(lab, step.name) for lab in LABS for step in lab.steps]


def recorded(lab: LabFolder, step: str, distro: str, nodes: int = 2) -> list[Entry]:
    shaped = lab.with_nodes(nodes)
    return record(shaped.step(step), shaped.spec, distro)


def commands(entries: list[Entry]) -> list[str]:
    return [entry.text for entry in entries if entry.kind == "command"]


@pytest.mark.parametrize("distro", distros.names())
@pytest.mark.parametrize(
    ("lab", "step", "nodes"),
    [
        pytest.param(lab, step, nodes, id=f"{lab.name}-{step}-{nodes}")
        for lab, step in STEPS
        for nodes in lab.spec.needs.nodes or (2, 3)
    ],
)
def test_every_step_can_be_read(lab: LabFolder, step: str, distro: str, nodes: int) -> None:
    entries = recorded(lab, step, distro, nodes)

    assert commands(entries)
    assert [entry for entry in entries if entry.kind == "check"]
    assert not [entry for entry in entries if "Recorded" in entry.text or "IPv4Address(" in entry.text]


@pytest.mark.parametrize(("lab", "step"), STEPS, ids=[f"{lab.name}-{step}" for lab, step in STEPS])
def test_every_step_has_a_title_of_one_line(lab: LabFolder, step: str) -> None:
    title = lab.step(step).title

    assert 0 < len(title) <= 80
    assert not title.endswith(".")


@pytest.mark.parametrize(("distro", "manager"), [("debian12", ("apt-get ", "apt ")), ("rocky9", ("dnf ", "yum "))])
def test_software_is_installed_with_the_distros_own_commands(distro: str, manager: tuple[str, ...]) -> None:
    lab = labs.load("ha-web")

    typed = commands(recorded(lab, "install", distro))

    assert any(command.startswith(manager) for command in typed)
    assert {*distros.load(distro).commands.install_cluster} <= {*typed}


def test_other_distros_commands_are_not_shown() -> None:
    lab = labs.load("ha-web")

    typed = commands(recorded(lab, "install", "rocky9"))

    assert not [command for command in typed if "apt-get" in command]


def test_commands_hold_the_labs_own_addresses() -> None:
    lab = labs.load("ha-web")

    typed = commands(recorded(lab, "vip", "debian12"))

    assert [command for command in typed if "ocf:heartbeat:IPaddr2" in command and f"ip={lab.spec.vip}" in command]


def test_each_node_gets_its_fencing_device() -> None:
    lab = labs.load("ha-web")

    typed = commands(recorded(lab, "stonith", "debian12", nodes=3))

    for node in lab.with_nodes(3).spec.nodes:
        assert [command for command in typed if "fence_ipmilan" in command and f"={node.bmc} " in command]


def test_answers_at_prompts_are_told() -> None:
    lab = labs.load("ha-web")

    entries = recorded(lab, "auth", "debian12")

    assert lab.spec.credentials.hacluster in [answer for entry in entries for answer in entry.answers]


def test_entries_tell_where_a_command_is_typed() -> None:
    lab = labs.load("ha-web")

    entries = recorded(lab, "setup", "debian12")

    assert {entry.where for entry in entries if entry.kind == "command"} <= {"node1", "node2", "every node"}


AWKWARD = {"hacluster": "f$n c&e 'x'", "bmc_user": "a;b", "bmc_password": 'p"$(w)`r*'}


@pytest.mark.parametrize(("lab", "step"), STEPS, ids=[f"{lab.name}-{step}" for lab, step in STEPS])
def test_what_a_step_types_is_quoted_for_the_shell_that_it_is_typed_into(lab: LabFolder, step: str) -> None:
    awkward = lab.spec.credentials.model_copy(update=AWKWARD)
    spec = lab.spec.model_copy(update={"credentials": awkward})

    plain, quoted = (commands(record(lab.step(step), each, "debian12")) for each in (lab.spec, spec))

    assert [shlex.split(command) for command in quoted] == [
        [awkwardly(word, lab) for word in shlex.split(command)] for command in plain
    ]


def awkwardly(word: str, lab: LabFolder) -> str:
    for key, value in dict(lab.spec.credentials).items():
        word = word.replace(value, AWKWARD[key])
    return word


def test_a_plain_password_is_typed_as_a_person_types_it() -> None:
    typed = commands(recorded(labs.load("ha-web"), "stonith", "debian12"))

    assert any(" username=admin password=fence-me lanplus=1 " in command for command in typed)


def test_no_solution_types_a_password_that_is_not_quoted() -> None:
    raw = re.compile(r"\{(?:lab\.credentials|account)\.\w+\}|\{password\}")
    quoting = re.compile(r"quote\(f?[^()]*\)")
    files = [file for lab in LABS for file in lab.path.glob("*.py")]

    assert [file.name for file in files if raw.search(quoting.sub("", file.read_text()))] == []
