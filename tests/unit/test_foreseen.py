"""What a doctor tells of a distro before it is made."""

import pytest

from halab.providers import foreseen, host, images, processor, verdicts
from halab.spec import distros


@pytest.fixture(autouse=True)
def _all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "available", lambda distro: processor.refusal(distro))
    monkeypatch.setattr(processor, "refusal", lambda distro: None)
    monkeypatch.setattr(images, "answers", lambda url: True)
    monkeypatch.setattr(host, "missing", lambda tools: ())


@pytest.mark.parametrize("provider", ["podman", "vagrant"])
def test_where_all_is_well_nothing_is_foreseen(provider: str) -> None:
    assert [foreseen.obstacles(distros.load(name), provider) for name in distros.names()] == [[]] * len(distros.names())


def test_a_registry_or_a_processor_that_is_missing_is_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "refusal", lambda distro: "it needs a processor of x86-64-v3")

    found = foreseen.obstacles(distros.load("rocky10"), "podman")

    assert found == ["rocky10 cannot be made: it needs a processor of x86-64-v3"]


def test_a_trial_that_failed_is_told_with_how_to_repeat_it() -> None:
    rocky = distros.load("rocky9")
    verdicts.keep(rocky, "podman", failure="rocky9 did not pass its trial")

    found = foreseen.obstacles(rocky, "podman")

    again = "rocky9 failed before, and `inv lab --distro rocky9 up` tries it again: rocky9 did not pass its trial"
    assert found == [again]
    assert foreseen.obstacles(rocky, "vagrant") == []


def test_a_box_that_is_not_there_and_what_machines_lack_are_foreseen_for_machines_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "answers", lambda url: False)
    monkeypatch.setattr(host, "missing", lambda tools: (host.MACHINE_TOOLS[0],))
    rocky = distros.load("rocky9")

    tool, box = foreseen.obstacles(rocky, "vagrant")

    assert tool.startswith("vagrant is missing, which makes virtual machines")
    assert f"its box {rocky.box_url} does not answer" in box
    assert foreseen.obstacles(rocky, "podman") == []
    assert len(foreseen.obstacles(distros.load("alma9"), "vagrant")) == 1
