"""What a person sees on a terminal of 80 columns, and in a pipe."""

import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit

import tasks
from halab.cli.audience import JsonAudience, RichAudience
from halab.cli.report import Report
from halab.cli.selection import Selection, instance_to_make
from halab.cli.status import StatusReport
from halab.conditions.checks import CheckResult, Outcome
from halab.instance.cluster import ClusterStatus, ResourceStatus
from halab.kit.audience import Said, progress
from halab.kit.errors import LabError
from halab.walk.lab import Checked, Typed
from halab.walk.walk import WalkEnds

CURSED = CheckResult("it is [red]there[/]", Outcome.FAILED, ":heart: [a-z]+", "[/] :smile:", (), 0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr("halab.cli.report.sys", SimpleNamespace(stdout=screen))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return screen


def test_a_terminal_gets_colours(terminal: Terminal) -> None:
    RichAudience(terminal).tell(Checked(CURSED))

    assert "\x1b[31mFAIL" in terminal.getvalue()


def test_a_terminal_gets_none_with_no_color(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    RichAudience(terminal).tell(Checked(CURSED))

    assert "\x1b[31m" not in terminal.getvalue()


def test_text_that_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    audience = RichAudience(sys.stdout)

    audience.tell(Checked(CURSED))
    audience.tell(Said("[bold]not[/] :smile: ocf:heartbeat:IPaddr2"))
    audience.tell(Typed("[root@node1 ~]# echo [green] :heart:\n"))

    out = capsys.readouterr().out
    assert "FAIL it is [red]there[/]" in out
    assert "expected: :heart: [a-z]+" in out
    assert "seen:     [/] :smile:" in out
    assert "[bold]not[/] :smile: ocf:heartbeat:IPaddr2\n" in out
    assert "[root@node1 ~]# echo [green] :heart:\n" in out


def test_long_lines_of_a_pipe_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    Report().say("word " * 100)

    assert capsys.readouterr().out.count("\n") == 1


def test_a_pipe_is_shown_no_spinner(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(RichAudience(sys.stdout), "Bringing up"):
        pass

    assert capsys.readouterr().out == ""


def test_with_json_nothing_else_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    audience = JsonAudience()

    audience.tell(Said("Going back."))
    audience.tell(Checked(CURSED))
    audience.tell(Typed("console\n"))
    audience.tell(WalkEnds())

    assert capsys.readouterr().out == "[]\n"


# a title, C1's CSI, a return, a backspace, DEL, text that runs to the left, a line over another one
HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\rb\x08c\x7f\u202ed\u2066\x1b[1A"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
RICHS_OWN = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.usefixtures("world")
def test_nothing_that_a_node_printed_controls_the_terminal(terminal: Terminal) -> None:
    instance = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))
    resource = ResourceStatus(HOSTILE, HOSTILE, HOSTILE, True, False, False, (HOSTILE, "[red]red[/]"))
    cluster = ClusterStatus(True, HOSTILE, True, {}, {}, {HOSTILE: resource})
    report, audience = Report(), RichAudience(terminal)

    report.status(
        StatusReport(instance, {"node1": "on", "node2": "off"}, {"node1": [], "node2": []}, [], cluster, None, ())
    )
    report.status(
        StatusReport(instance, {"node1": "on", "node2": "off"}, {"node1": [], "node2": []}, [], None, HOSTILE, ())
    )
    audience.tell(Checked(CheckResult(HOSTILE, Outcome.FAILED, HOSTILE, HOSTILE, (), 0)))
    audience.tell(Typed(f"{HOSTILE}\n\ttabs and lines stay\n"))
    audience.tell(Said(HOSTILE))
    report.problems([HOSTILE])

    shown = RICHS_OWN.sub("", terminal.getvalue())
    assert CONTROL.findall(shown) == []
    assert "[red]red[/]" in shown
    assert "tabs and lines stay\n" in shown
    assert shown.count("\u241b") > 10  # what is there in place of each escape


@pytest.mark.usefixtures("world")
def test_json_of_what_a_node_printed_is_json_and_controls_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    instance = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))

    Report(as_json=True).status(
        StatusReport(instance, {"node1": "on", "node2": "off"}, {"node1": [], "node2": []}, [], None, HOSTILE, ())
    )

    out = capsys.readouterr().out
    assert json.loads(out)["reason"] == HOSTILE
    assert CONTROL.findall(out) == []


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("kind", [LabError, ValueError])
def test_nothing_in_an_error_controls_the_terminal(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], debug: str
) -> None:
    monkeypatch.setenv("HALAB_DEBUG", debug)

    def fail() -> None:
        raise kind(HOSTILE)

    with pytest.raises(Exit) as raised:
        tasks._guarded(fail)()

    assert CONTROL.findall(raised.value.message) == []
    assert ("Traceback" in raised.value.message) == bool(debug)
    assert raised.value.code == 3


@pytest.mark.usefixtures("world")
def test_a_narrow_terminal_folds_tables_and_leaves_nothing_out(terminal: Terminal, tmp_path: Path) -> None:
    title = "z" * 100
    step = tmp_path / "labs" / "tiny" / "10_one.py"
    step.write_text(step.read_text().replace("Do one", title))
    instance = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))

    power = {"node1": "on", "node2": "off"}
    Report().status(StatusReport(instance, power, {"node1": [], "node2": []}, ["node2"], None, "no node answers", ()))

    lines = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert max(map(len, lines)) == 80
    assert "".join(lines).count("z") == 100
