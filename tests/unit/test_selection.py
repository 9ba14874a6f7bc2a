"""What `inv lab` selects and remembers, and what it refuses."""

from typing import Any

import pytest

from halab.cli.selection import Selection, instance_to_make, instance_to_remove, select
from halab.instance.instance import Instance, instances_dir
from halab.kit.errors import LabError
from halab.kit.paths import state_dir

pytestmark = pytest.mark.usefixtures("world")


def selecting(**given: Any) -> Selection:
    return select(**{"lab": None, "instance": None, "provider": None, "distro": None, "nodes": None, **given})


def make(name: str = "tiny", lab: str = "tiny", nodes: int | None = None) -> Instance:
    """Make an instance that exists, as `up` leaves it, and return it."""
    selection = Selection(lab=lab, instance=name, provider="fake", distro="debian12", nodes=nodes)
    instance = instance_to_make(selection)
    instance.remember(instance.state)
    return instance


def test_what_is_selected_is_remembered() -> None:
    selected = selecting(lab="tiny", instance="alice", provider="fake", distro="debian12", nodes=3)

    assert Selection.remembered() == selected
    assert selected.instance_name == "alice"


def test_nothing_given_changes_nothing() -> None:
    selected = selecting(lab="tiny", provider="fake", nodes=3)

    assert selecting() == selected


def test_one_thing_given_leaves_the_others() -> None:
    selecting(lab="tiny", instance="alice", provider="fake")

    selected = selecting(distro="debian12")

    assert selected == Selection(lab="tiny", instance="alice", provider="fake", distro="debian12")


def test_an_instance_is_called_like_its_lab_by_default() -> None:
    assert selecting(lab="tiny").instance_name == "tiny"


def test_another_instance_starts_from_the_defaults_and_keeps_the_lab() -> None:
    selecting(lab="tiny", instance="alice", provider="fake", distro="debian12", nodes=3)

    selected = selecting(instance="bob")

    assert selected == Selection(lab="tiny", instance="bob")


def test_another_lab_starts_from_the_defaults() -> None:
    selecting(lab="tiny", instance="alice", provider="fake", distro="debian12", nodes=3)

    selected = selecting(lab="other")

    assert selected == Selection(lab="other")


def test_another_instance_that_is_there_brings_its_lab() -> None:
    make("bob", lab="other")
    selecting(lab="tiny")

    selected = selecting(instance="bob")

    assert (selected.lab, selected.instance_name) == ("other", "bob")


@pytest.mark.parametrize("content", ["", "{", '{"lba": "tiny"}', "\xff"])
def test_a_spoilt_memory_is_forgotten(content: str) -> None:
    selecting(lab="tiny")
    (state_dir() / "selection.json").write_text(content, encoding="latin-1")

    assert Selection.remembered() == Selection()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"lab": "tinny"}, 'there is no lab "tinny", did you mean "tiny"?'),
        ({"provider": "fakke"}, 'there is no provider "fakke", did you mean "fake"?'),
        ({"distro": "debain12"}, 'distro "debain12" does not exist, did you mean "debian12"?'),
        ({"instance": "../alice"}, '"../alice" is no name for an instance'),
        ({"instance": "Alice"}, '"Alice" is no name for an instance'),
        ({"nodes": 17}, "cannot have 17 nodes"),
    ],
)
def test_what_does_not_exist_is_refused_and_not_remembered(given: dict[str, Any], reason: str) -> None:
    before = selecting(lab="tiny", provider="fake")

    with pytest.raises(LabError) as caught:
        selecting(**given)

    assert reason in str(caught.value)
    assert Selection.remembered() == before


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"nodes": 3}, "instance tiny is up with nodes 2, not 3; try: inv down"),
        ({"distro": "rocky9"}, "is up with distro debian12, not rocky9"),
        ({"provider": "podman"}, "is up with provider fake, not podman"),
    ],
)
def test_another_shape_than_what_is_there_is_refused(given: dict[str, Any], reason: str) -> None:
    make("tiny")
    before = selecting(lab="tiny")

    with pytest.raises(LabError) as caught:
        selecting(**given)

    assert reason in str(caught.value)
    assert Selection.remembered() == before


def test_another_lab_in_an_instance_that_is_there_is_refused() -> None:
    make("alice", lab="tiny")

    with pytest.raises(LabError, match="instance alice is up with lab tiny, not other"):
        selecting(lab="other", instance="alice")


def test_the_shape_that_is_there_may_be_named() -> None:
    make("tiny")

    selected = selecting(lab="tiny", nodes=2, distro="debian12", provider="fake")

    assert selected.nodes == 2


def test_an_instance_is_made_as_it_was_selected() -> None:
    selection = selecting(lab="tiny", instance="alice", provider="fake", distro="debian12", nodes=3)

    instance = instance_to_make(selection)

    assert (instance.name, instance.state.provider, instance.state.distro) == ("alice", "fake", "debian12")
    assert [node.name for node in instance.spec.nodes] == ["node1", "node2", "node3"]


def test_an_instance_that_is_there_keeps_its_state() -> None:
    made = make("alice", nodes=3)
    made.remember(made.state.with_step("one", "passed"))

    instance = instance_to_make(selecting(lab="tiny", instance="alice"))

    assert instance.state.outcome("one") == "passed"
    assert len(instance.spec.nodes) == 3


def test_there_is_nothing_to_remove_of_an_instance_that_was_never_made() -> None:
    assert instance_to_remove(selecting(lab="tiny", provider="fake", distro="debian12")) is None


def test_an_instance_with_a_spoilt_state_can_be_selected_and_removed() -> None:
    make("alice")
    (instances_dir() / "alice" / "state.json").write_text("{")
    selecting(lab="tiny", instance="bob")

    selected = selecting(instance="alice", provider="fake", distro="debian12")
    instance = instance_to_remove(selected)

    assert instance is not None
    assert instance.name == "alice"
