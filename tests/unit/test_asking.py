"""Asking a node with programs that are not its own."""

import json
import os
import resource
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from halab.conditions import Node, answers_http, command
from halab.conditions.checks import observe
from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult, PrintedTooMuch
from halab.providers.podman import inside, visit
from halab.providers.podman.asking import Asking, describe
from halab.providers.podman.inside import Running
from halab.walk.lab import Lab

CONFIG: dict[str, Any] = {  # of what podman makes, what matters here
    "process": {
        "capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_ADMIN"]},
        "rlimits": [
            {"type": "RLIMIT_NPROC", "soft": 10, "hard": 20},
            {"type": "RLIMIT_LOCKS", "soft": 2**64 - 1, "hard": 2**64 - 1},
        ],
    },
    "mounts": [{"destination": "/dev", "source": "tmpfs"}, {"destination": "/dev/shm", "source": "/its/shm"}],  # noqa: S108
    "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}},
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(inside, "_cgroup", lambda pid: "/libpod_parent/libpod-4711/init.scope")
    return Running("4711", os.getpid(), tmp_path / "config.json")


def test_a_program_is_given_what_the_nodes_own_are_given(node: Running) -> None:
    limiting = [Path("/memory/cgroup.procs")]

    lines = describe(CONFIG, node, Path("/tools"), limiting, Path("/filters")).splitlines()

    assert lines[:6] == [
        "identity 4711",
        f"pid {os.getpid()}",
        "cgroup /sys/fs/cgroup/libpod_parent/libpod-4711",
        "root /tools",
        "shm /its/shm",
        "filter /filters/4711/seccomp.bpf",
    ]
    assert "join /memory/cgroup.procs" in lines
    assert f"limit {resource.RLIMIT_NPROC} 10 20" in lines
    assert "limit 10 -1 -1" in lines  # RLIMIT_LOCKS (getrlimit(2)), which has no name in Python
    assert "set PATH=/usr/sbin:/usr/bin:/sbin:/bin" in lines


def test_all_capabilities_but_those_of_the_node_are_dropped_also_such_as_nobody_knows_yet(node: Running) -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())

    lines = describe(CONFIG, node, Path("/tools")).splitlines()

    dropped = {int(line.split()[1]) for line in lines if line.startswith("drop ")}
    assert dropped == set(range(last + 1)) - {0, 21}  # linux/capability.h: CAP_CHOWN, CAP_SYS_ADMIN


def asking(place: Path) -> Asking:
    return Asking(place / "asking", lambda: Path("/tools"), list, lambda name: [], Pace())


def test_nothing_can_be_asked_of_a_container_that_was_removed(node: Running, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="nothing could be asked on the node"):
        asking(tmp_path).ask("node1", node, ["true"], input=None, timeout=5)


class FakeVisitor:
    """Tells which description it was started with."""

    started: ClassVar[list[str]] = []
    left: ClassVar[list[str]] = []

    def __init__(self, description: Path, enter: object, pace: Pace) -> None:
        self.name = description.name
        self.started.append(self.name)

    def ask(self, argv: Sequence[str], *, input: str | None, timeout: float) -> CommandResult:
        if argv[0] == "vanish" and len(self.started) < int(argv[1]):
            raise ConnectionResetError("the visitor is gone")
        return CommandResult(tuple(argv), 0, "", "")

    def leave(self) -> None:
        self.left.append(self.name)


@pytest.fixture
def visitors(monkeypatch: pytest.MonkeyPatch) -> type[FakeVisitor]:
    monkeypatch.setattr("halab.providers.podman.asking.Visitor", FakeVisitor)
    monkeypatch.setattr(FakeVisitor, "started", [])
    monkeypatch.setattr(FakeVisitor, "left", [])
    return FakeVisitor


def ask(asking: Asking, node: Running, *argv: str) -> None:
    node.config.write_text(json.dumps(CONFIG))
    asking.ask("node1", node, argv or ("true",), input=None, timeout=5)


def test_a_node_is_visited_once_however_often_it_is_asked(
    node: Running, tmp_path: Path, visitors: type[FakeVisitor]
) -> None:
    visits = asking(tmp_path)

    ask(visits, node)
    ask(visits, node)

    assert (visitors.started, visitors.left) == ([f"4711-{os.getpid()}"], [])


def test_a_node_that_has_booted_since_is_visited_anew(
    node: Running, tmp_path: Path, visitors: type[FakeVisitor]
) -> None:
    visits = asking(tmp_path)
    ask(visits, node)

    ask(visits, replace(node, first_process=os.getppid()))

    assert visitors.started == [f"4711-{os.getpid()}", f"4711-{os.getppid()}"]
    assert visitors.left == [f"4711-{os.getpid()}"]


def test_a_visitor_that_was_ended_is_replaced(node: Running, tmp_path: Path, visitors: type[FakeVisitor]) -> None:
    ask(asking(tmp_path), node, "vanish", "2")

    assert len(visitors.started) == 2


def test_a_node_on_which_no_visitor_stays_is_told_of(
    node: Running, tmp_path: Path, visitors: type[FakeVisitor]
) -> None:
    with pytest.raises(LabError, match="nothing could be asked on the node: the visitor is gone"):
        ask(asking(tmp_path), node, "vanish", "9")


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), ("/no/such", 127), ("/etc", 126)])
def test_a_program_that_is_not_there_has_the_status_that_a_shell_gives_it(program: str, status: int) -> None:
    with pytest.raises(visit.NotRun) as raised:
        visit.execute([program], {"PATH": "/usr/bin:/bin"})

    assert raised.value.status == status


def test_a_condition_is_asked_with_programs_that_nobody_has_changed_unless_the_nodes_own_are_wanted() -> None:
    used = []

    def way(name: str) -> Any:
        return lambda *argv: used.append(name) or CommandResult(argv, 0, "", "")

    node = cast(Node, SimpleNamespace(name="node1", run=way("its own"), ask=way("those of the packages")))
    lab = cast(Lab, SimpleNamespace(node=lambda name: node))

    command(node, "pcs --version").look(lab)
    command(node, "pcs --version", own=True).look(lab)

    assert used == ["those of the packages", "its own"]


def too_much(*argv: str) -> CommandResult:
    raise PrintedTooMuch(f"`{argv[0]}` printed more than 16 MiB")


def test_a_node_that_prints_for_ever_fails_the_check_and_does_not_make_it_unknown() -> None:
    node = cast(Node, SimpleNamespace(name="node1", ask=too_much))
    workstation = SimpleNamespace(run=too_much)
    lab = cast(Lab, SimpleNamespace(node=lambda name: node, workstation=workstation))

    printed = observe(command(node, "cat /var/www/html/index.html"), lab)
    served = observe(answers_http("http://192.168.1.100/"), lab)

    assert [(seen.ok, seen.known) for seen in (printed, served)] == [(False, True)] * 2
    assert "16 MiB" in printed.seen
    assert "16 MiB" in served.seen
