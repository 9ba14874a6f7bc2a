"""The trial of what nodes are made from, and the distro that does as well when one fails that nobody asked for."""

from datetime import datetime, timedelta
from typing import TextIO

import pytest

from halab.cli.selection import Selection, instance_to_make
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError
from halab.kit.paths import cache_dir, state_dir
from halab.providers import images, verdicts
from halab.providers.verdicts import Verdict
from halab.spec import distros, labs
from halab.spec.distros import Distro
from halab.walk import bringup, show, trial
from tests.fakes import FakeAudience, World
from tests.inv import Inv
from tests.unit.test_walk import Killed

FALLBACK = distros.load(images.FALLBACK)


class Trials:
    """Stands in for what is proven on the node of a trial."""

    def __init__(self) -> None:
        self.of: list[str] = []  # the distros that were tried
        self.fails: dict[str, BaseException] = {}

    def __call__(self, instance: Instance, distro: Distro, shown: TextIO) -> None:
        assert [node.name for node in instance.spec.nodes] == ["node1"]
        assert instance.directory == state_dir() / "trials" / distro.name
        self.of.append(distro.name)
        if distro.name in self.fails:
            raise self.fails[distro.name]


@pytest.fixture
def trials(world: World, monkeypatch: pytest.MonkeyPatch) -> Trials:
    """Trials of images that are made; nodes are those of the provider `fake`."""
    world.make_image = lambda distro: f"image of {distro}"
    trials = Trials()
    monkeypatch.setattr(trial, "_prove", trials)
    monkeypatch.setattr(images, "choose_default", lambda say: distros.load("rocky9"))
    return trials


def unasked(name: str = "tiny") -> Instance:
    return instance_to_make(Selection(lab="tiny", instance=name, provider="fake"))


def asked(distro: str = "debian12", name: str = "tiny") -> Instance:
    return instance_to_make(Selection(lab="tiny", instance=name, provider="fake", distro=distro))


def up(instance: Instance) -> list[str]:
    audience = FakeAudience()
    with instance.lock():
        bringup.up(instance, audience)
    return audience.said


def test_an_image_is_tried_once_and_said_so(trials: Trials) -> None:
    first = up(asked())

    second = up(asked(name="other"))

    assert trials.of == ["debian12"]
    log = cache_dir() / "debian12-trial.log"
    assert first == [
        f"debian12: trying that on one node, once; on a container it takes half a minute; the log is {log}"
    ]
    assert second == []
    assert not (state_dir() / "trials" / "debian12").exists()


@pytest.mark.parametrize("change", ["image", "commands"])
def test_another_image_or_other_commands_are_tried_anew(
    trials: Trials, world: World, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(asked())
    if change == "image":
        world.make_image = lambda distro: "another image"
    else:
        distro = distros.load("debian12")
        commands = distro.commands.model_copy(update={"install_web": ("apt-get install -y nginx-light",)})
        monkeypatch.setattr(distros, "load", lambda name: distro.model_copy(update={"commands": commands}))

    up(asked(name="other"))

    assert trials.of == ["debian12", "debian12"]


def test_what_need_not_be_tried_is_not(trials: Trials, world: World) -> None:
    world.make_image = lambda distro: None

    said = up(asked())

    assert said == []
    assert trials.of == []


def test_a_distro_nobody_asked_for_gives_way_when_it_fails_its_trial(trials: Trials) -> None:
    trials.fails["rocky9"] = LabError("node1: expected `nginx -t` to succeed")
    instance = unasked()

    said = up(instance)

    log = cache_dir() / "rocky9-trial.log"
    sentence = f"rocky9 did not pass its trial: node1: expected `nginx -t` to succeed (the log is {log})"
    assert f"Using {FALLBACK.title} instead of Rocky Linux 9: {sentence}" in said
    assert trials.of == ["rocky9", images.FALLBACK]
    assert instance.state.distro == images.FALLBACK
    assert Instance.open("tiny").state.distro == images.FALLBACK


def test_a_distro_nobody_asked_for_gives_way_when_it_cannot_be_made(trials: Trials, world: World) -> None:
    def make(distro: str) -> str:
        if distro == "rocky9":
            raise LabError("rocky9: `podman pull` failed: 404")
        return "image"

    world.make_image = make

    said = up(unasked())

    assert f"Using {FALLBACK.title} instead of Rocky Linux 9: rocky9: `podman pull` failed: 404" in said
    assert trials.of == [images.FALLBACK]


def test_a_distro_that_was_asked_for_ends_the_command_with_the_same_sentence(trials: Trials, chosen: Inv) -> None:
    trials.fails["rocky9"] = LabError("node1: its unit firewalld.service failed as it booted")

    status = chosen("lab", "--distro", "rocky9", "--instance", "b", "--provider", "fake", "up")

    assert status == Exit.LAB_BROKEN
    assert "rocky9 did not pass its trial: node1: its unit firewalld.service failed" in chosen.err
    assert "Using" not in chosen.out
    assert trials.of == ["rocky9"]


def test_the_last_distro_ends_the_command(trials: Trials) -> None:
    trials.fails = {"rocky9": LabError("no"), images.FALLBACK: LabError("no room")}

    with pytest.raises(LabError, match=f"{images.FALLBACK} did not pass its trial: no room"):
        up(unasked())

    assert trials.of == ["rocky9", images.FALLBACK]


def test_what_failed_for_one_user_is_not_tried_for_the_next_one_who_did_not_ask(
    trials: Trials, capsys: pytest.CaptureFixture[str]
) -> None:
    trials.fails["rocky9"] = LabError("no")
    up(unasked())

    said = up(unasked("other"))

    assert said == []
    assert trials.of == ["rocky9", images.FALLBACK]
    out = capsys.readouterr().out
    assert f"using {FALLBACK.title} instead of Rocky Linux 9, which failed before: rocky9 did not pass" in out
    assert "to try it again: inv lab --distro rocky9 up" in out


def test_who_asks_for_what_failed_has_it_tried_again(trials: Trials) -> None:
    trials.fails["rocky9"] = LabError("no")
    up(unasked())
    trials.fails.clear()

    up(asked("rocky9", "other"))

    assert trials.of == ["rocky9", images.FALLBACK, "rocky9"]
    assert unasked("third").state.distro == "rocky9"


def test_a_failure_holds_for_a_day(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    rocky = distros.load("rocky9")
    verdicts.keep(rocky, "fake", failure="no")
    (file,) = (cache_dir() / "tried").iterdir()

    yesterday = datetime.now().astimezone() - timedelta(hours=25)
    file.write_text(Verdict(at=yesterday, failure="no").model_dump_json())

    assert unasked().state.distro == "rocky9"


def test_a_failure_on_one_provider_says_nothing_of_another(trials: Trials) -> None:
    verdicts.keep(distros.load("rocky9"), "vagrant", failure="no")

    assert unasked().state.distro == "rocky9"


def test_a_trial_that_was_killed_leaves_nothing_behind_once_it_is_done_again(trials: Trials, world: World) -> None:
    def kill(call: str) -> None:  # nothing can be cleaned up any more
        if call == "down":
            raise Killed

    trials.fails["debian12"] = Killed()
    world.before_call = kill
    with pytest.raises(Killed):
        up(asked())
    assert (state_dir() / "trials" / "debian12").exists()
    trials.fails.clear()
    world.before_call, world.calls = (lambda call: None), []

    up(asked())

    assert world.calls[:3] == ["down", "up", "down"]
    assert not (state_dir() / "trials").joinpath("debian12").exists()


def test_the_distros_of_a_lab_that_is_limited_to_some_are_fallen_back_to_in_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (labs.LABS / "tiny" / "lab.toml").write_text(
        (labs.LABS / "tiny" / "lab.toml").read_text() + '\n[needs]\ndistros = ["rocky10", "rocky9", "alma9"]\n'
    )
    monkeypatch.setattr(images, "available", lambda distro: "no" if distro.name == "rocky10" else None)

    state = unasked().state

    assert (state.distro, state.fallbacks) == ("rocky9", ("alma9",))


@pytest.mark.parametrize("name", distros.names())
def test_a_trial_types_what_the_step_install_of_ha_web_types(name: str) -> None:
    step = next(step for step in labs.load("ha-web").steps if step.name == "install")
    spec = labs.load("ha-web").spec
    recorded = [entry.text for entry in show.record(step, spec, name) if entry.kind == "command"]

    typed = [command for command, _ in trial.commands(distros.load(name), spec.credentials)]

    assert typed[1 : 1 + len(recorded)] == recorded
    assert "passwd hacluster" in typed
    assert typed[-1] == "nginx -t"


def test_only_who_did_not_ask_for_a_distro_has_fallbacks(trials: Trials) -> None:
    assert asked().state.fallbacks == ()
    assert unasked().state.fallbacks == (images.FALLBACK,)
