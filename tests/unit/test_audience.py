"""Who watches a command: what is printed of faults and measurements, and who is asked before something is lost."""

import io
import json
import sys
from typing import Any

import pytest

from halab.cli.audience import JsonAudience, RichAudience
from halab.faults.registry import Healed, Injected
from halab.instance.instance import Instance
from halab.instance.state import InjectedFault, State
from halab.kit.audience import NOBODY, Audience, Begins, Ends, Said, must_go_on, progress
from halab.kit.errors import NothingChecked
from halab.measure.probing import Samples
from halab.spec import labs
from halab.walk.lab import Lab, Typed
from tests.fakes import FakeAudience, World

FAULT = InjectedFault(name="power-cut", node="node1")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_faults_are_told_in_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    audience = RichAudience(sys.stdout)

    audience.tell(Injected(FAULT))
    audience.tell(Healed((FAULT,)))

    injected, healed = capsys.readouterr().out.splitlines()
    assert injected.startswith("Injected power-cut on node1: ")
    assert injected.endswith(". To undo it: inv heal")
    assert healed == "Healed power-cut on node1."


@pytest.mark.parametrize("event", [Injected(FAULT), Healed((FAULT,))])
def test_faults_are_a_json_document(event: Any, capsys: pytest.CaptureFixture[str]) -> None:
    JsonAudience().tell(event)

    assert json.loads(capsys.readouterr().out) == [FAULT.model_dump()]


@pytest.mark.parametrize(("answer", "goes_on"), [("y\n", True), ("Yes\n", True), ("n\n", False), ("", False)])
def test_a_terminal_is_asked_and_json_goes_on(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stdout", Terminal())

    assert RichAudience(sys.stdout).go_on("all is lost") is goes_on
    assert JsonAudience().go_on("all is lost")
    assert NOBODY.go_on("all is lost")


def test_a_pipe_is_told_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert RichAudience(sys.stdout).go_on("all is lost")
    assert JsonAudience().go_on("all is lost")

    told = capsys.readouterr()
    assert (told.out, told.err) == ("all is lost\n", "all is lost\n")


def test_nothing_is_done_when_the_answer_is_no() -> None:
    with pytest.raises(NothingChecked, match="nothing was done, as you do not want to go on"):
        must_go_on(FakeAudience(goes_on=False), "all is lost")


def test_what_takes_a_while_ends_also_when_it_fails() -> None:
    audience = FakeAudience()

    with pytest.raises(KeyboardInterrupt), progress(audience, "Healing"):
        raise KeyboardInterrupt

    assert audience.events == [Begins("Healing"), Ends("Healing")]


def test_a_step_that_measures_types_it_and_its_samples_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(instance: Instance, *arguments: object, audience: Audience, **options: object) -> None:
        audience.tell(Samples((), (), ()))
        audience.tell(Said("Run 1 of 1: no outage."))

    monkeypatch.setattr("halab.walk.lab.run.measure", measure)
    monkeypatch.setattr("halab.walk.lab.records.keep", lambda instance, measurement, audience: None)
    state = State(lab="tiny", provider="fake", distro="debian12", spec=labs.load("tiny").spec)
    audience = FakeAudience()

    Lab(Instance("tiny", state), audience).measure("power-cut")

    assert audience.events == [
        Typed("$ inv measure power-cut\n"),
        Samples((), (), ()),
        Typed("Run 1 of 1: no outage.\n"),
    ]
