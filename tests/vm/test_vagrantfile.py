"""The Vagrantfile as Vagrant itself judges it."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from halab.providers.vagrant.vagrantfile import Box, Names, render, render_script
from halab.spec import distros, labs

PUBLIC = Box("", None, "/pool.iso")
MADE_HERE = Box("halab/made", "file:///box/metadata.json", "/pool.iso", "/vmlinuz", "/initrd")
Case = tuple[str, str, int, str]  # lab, distro, count of nodes, driver


def cases() -> Iterator[Case]:
    """Each distro with the fewest and the most nodes and both drivers, and each other lab as it comes."""
    yield from product(["ha-web"], distros.fit_for(labs.load("ha-web").spec.needs), (1, 16), ("kvm", "qemu"))
    for lab in map(labs.load, labs.names()):
        if lab.name != "ha-web":
            yield lab.name, "debian12", len(lab.spec.nodes), "qemu"


def rendered(case: Case, script: Path) -> str:
    lab, name, nodes, driver = case
    distro = distros.load(name)
    box = Box(distro.box, distro.box_url or None, PUBLIC.pool) if distro.box else MADE_HERE
    return render(labs.load(lab).with_nodes(nodes).spec, Names("x"), distro, box, driver, script)


def validate(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "Vagrantfile").write_text(text)
    return subprocess.run(["vagrant", "validate"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> "dict[Case, subprocess.CompletedProcess[str]]":
    """How Vagrant judges each case.

    All are asked at once, and equal files only once, as Vagrant takes a second for each.
    """
    script = tmp_path_factory.mktemp("script") / "provision.sh"
    script.write_text(render_script(distros.load("rocky9"), "secret"))
    texts = {case: rendered(case, script) for case in cases()}
    folders = {text: tmp_path_factory.mktemp("case") for text in texts.values()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = dict(zip(folders, pool.map(validate, folders, folders.values()), strict=True))
    return {case: answers[text] for case, text in texts.items()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: "-".join(map(str, case)))
def test_vagrant_finds_no_fault_with_it(judged: "dict[Case, subprocess.CompletedProcess[str]]", case: Case) -> None:
    assert judged[case].returncode == 0, judged[case].stdout + judged[case].stderr


def test_vagrant_finds_fault_with_a_wrong_one(tmp_path: Path) -> None:
    text = render(labs.load("ha-web").spec, Names("x"), distros.load("debian12"), MADE_HERE, "qemu", tmp_path)

    assert validate(text.replace("libvirt.memory", "libvirt.memroy"), tmp_path).returncode != 0
