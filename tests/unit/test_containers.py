"""Removing a container of which something is mounted still."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from halab.kit.process import CommandResult
from halab.providers import Premises
from halab.providers.namespaces import Namespaces
from halab.providers.podman.containers import Containers
from halab.providers.podman.network import Network
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML, Programs

CONTAINER: dict[str, Any] = {"Id": "4d1714", "Names": ["halab-x-node1"]}
SHM = "/storage/overlay-containers/4d1714/userdata/shm"
OTHER = "/storage/overlay-containers/933186/userdata/shm"


class Host:
    """What is mounted, and a podman that removes nothing that is in its way."""

    def __init__(self) -> None:
        self.mounted = [SHM, OTHER, SHM]

    def unmount(self, argv: Sequence[str], given: str) -> None:
        self.mounted.reverse()
        self.mounted.remove(argv[-1])
        self.mounted.reverse()

    def podman(self, argv: Sequence[str], given: str) -> CommandResult | None:
        if SHM not in self.mounted:
            return None
        return CommandResult(tuple(argv), 125, "", f"unlinkat {SHM}: device or resource busy")

    def mounts(self) -> str:
        return "".join(f"shm {point} tmpfs rw 0 0\n" for point in self.mounted)


def test_what_podman_leaves_mounted_is_no_obstacle_and_only_that_is_unmounted(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, spec = Host(), LabSpec.model_validate(tomllib.loads(LAB_TOML))
    programs.stand_in("umount", host.unmount)
    programs.stand_in("podman", host.podman)
    monkeypatch.setattr(Namespaces, "mounts", lambda self: host.mounts())
    monkeypatch.setattr(Namespaces, "enter", lambda self, argv: list(argv))

    Containers(Premises("x", tmp_path, spec, "debian12"), Network(tmp_path, spec)).remove(CONTAINER)

    assert host.mounted == [OTHER]
