"""How deadlines are stretched."""

import tomllib
from pathlib import Path

import pytest

from halab.cli.selection import Selection, instance_to_make
from halab.conditions.checks import CheckResult, Condition, Observation, Outcome
from halab.kit.errors import LabError
from halab.kit.pace import Pace, pace
from halab.providers import Premises
from halab.providers.vagrant.provider import Vagrant
from halab.providers.vagrant.vagrantfile import VAGRANTFILE
from halab.spec.models import LabSpec
from halab.walk import lab
from tests.fakes import LAB_TOML, World


def test_nodes_are_as_slow_as_their_provider_says() -> None:
    assert pace().factor == 1
    assert pace(10).factor == 10


def test_the_user_knows_better_how_slow_nodes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", "2.5")

    assert pace(10).factor == 2.5


@pytest.mark.parametrize("given", ["slow", "", "nan", "inf", "-1", "1e9"])
def test_a_timeout_factor_that_is_no_number_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", given)

    with pytest.raises(LabError, match=f"HALAB_TIMEOUT_FACTOR is '{given}', expected a number"):
        pace()


@pytest.mark.parametrize(("factor", "slowness"), [(10, 10), (0.1, 1)])
def test_a_hurry_does_not_shorten_how_long_a_program_may_hang(factor: float, slowness: float) -> None:
    assert Pace(factor).slowness == slowness


@pytest.mark.parametrize(("driver", "factor"), [("kvm", 1), ("qemu", 10)])
def test_emulated_machines_are_given_ten_times_as_long(tmp_path: Path, driver: str, factor: float) -> None:
    spec = LabSpec.model_validate(tomllib.loads(LAB_TOML))
    machines = Vagrant(Premises("here", tmp_path, spec, "debian12"))
    before = machines.pace

    (tmp_path / VAGRANTFILE).write_text(f'libvirt.driver = "{driver}"\n')

    assert before == Pace(1)
    assert machines.pace == Pace(factor)


def test_a_check_waits_longer_on_slow_nodes(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    given: list[float] = []

    def evaluate(sentence: str, *_: object, within: float, hints: tuple[str, ...]) -> CheckResult:
        given.append(within)
        return CheckResult(sentence, Outcome.PASSED, "", "", hints, 0)

    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", "10")
    monkeypatch.setattr(lab, "evaluate", evaluate)
    slow = lab.Lab(instance_to_make(Selection(lab="tiny", instance="here", provider="fake", distro="debian12")))

    slow.check("it is there", Condition("it to be there", lambda lab: Observation(True, "it is there")), within=6)

    assert given == [60]
