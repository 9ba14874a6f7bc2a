"""The Vagrantfile as Vagrant itself judges it."""

import subprocess
from pathlib import Path

import pytest

from halab import distros, labs
from halab.labs import LabFolder
from halab.vagrantfile import Box, Names, render, render_script

LABS = [labs.load(name) for name in labs.names()]
PUBLIC = Box("", None, "/pool.iso")
MADE_HERE = Box("halab/made", "file:///box/metadata.json", "/pool.iso", "/vmlinuz", "/initrd")


def counts(lab: LabFolder) -> tuple[int, ...]:
    return lab.spec.needs.nodes or (1, 2, 3, 16)


@pytest.mark.parametrize("name", distros.names())
@pytest.mark.parametrize(("lab", "nodes"), [(lab.name, nodes) for lab in LABS for nodes in counts(lab)])
@pytest.mark.parametrize("driver", ["kvm", "qemu"])
def test_vagrant_finds_no_fault_with_it(lab: str, name: str, nodes: int, driver: str, tmp_path: Path) -> None:
    distro = distros.load(name)
    box = Box(distro.box, None, PUBLIC.pool) if distro.box else MADE_HERE
    script = tmp_path / "provision.sh"
    script.write_text(render_script(distro, "secret") if distro.box else "")
    text = render(labs.load(lab).with_nodes(nodes).spec, Names(lab), distro, box, driver, script)
    (tmp_path / "Vagrantfile").write_text(text)

    judged = subprocess.run(["vagrant", "validate"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_vagrant_finds_fault_with_a_wrong_one(tmp_path: Path) -> None:
    text = render(labs.load("ha-web").spec, Names("x"), distros.load("debian12"), MADE_HERE, "qemu", tmp_path)
    (tmp_path / "Vagrantfile").write_text(text.replace("libvirt.memory", "libvirt.memroy"))

    judged = subprocess.run(["vagrant", "validate"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert judged.returncode != 0
