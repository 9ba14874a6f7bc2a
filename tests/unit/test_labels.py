"""The labels of SELinux on a disk: what debugfs is told to write."""

import subprocess
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers.vagrant import boxes, labels
from halab.spec import distros

ROOT = "/\tsystem_u:object_r:root_t:s0\n"


def test_every_file_with_a_label_gets_it() -> None:
    told = labels.script(f"{ROOT}/bin\tsystem_u:object_r:bin_t:s0\n/proc\t<<none>>\n")

    assert told.splitlines() == [
        'ea_set "/" security.selinux system_u:object_r:root_t:s0',
        'ea_set "/bin" security.selinux system_u:object_r:bin_t:s0',
    ]


@pytest.mark.parametrize("listing", ["", "/bin\tsystem_u:object_r:bin_t:s0\n"])
def test_a_listing_without_the_root_is_no_listing(listing: str) -> None:
    with pytest.raises(LabError, match="no label for the root directory"):
        labels.script(listing)


@pytest.mark.parametrize("name", ["plain", "two words", 'a "quoted" name', "tab\there", "it's"])
def test_debugfs_writes_the_label_of_a_file_of_any_name(name: str, tmp_path: Path) -> None:
    disk, source, script = tmp_path / "disk", tmp_path / "root", tmp_path / "script"
    source.mkdir()
    (source / name).touch()
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", source, disk, "8M"], check=True)
    script.write_text(labels.script(f"{ROOT}/{name}\tsystem_u:object_r:bin_t:s0\n"))

    written = subprocess.run(["debugfs", "-w", "-f", script, disk], capture_output=True, text=True, check=True)

    label = f'ea_list "/{name.replace(chr(34), chr(34) * 2)}"'
    read = subprocess.run(["debugfs", "-R", label, disk], capture_output=True, text=True, check=True)
    assert len(written.stderr.splitlines()) == 1  # its version
    assert 'security.selinux (26) = "system_u:object_r:bin_t:s0"' in read.stdout


@pytest.mark.parametrize(("name", "has_it"), [("debian12", True), ("rocky9", False)])
def test_the_disk_of_a_machine_gets_the_policy_where_the_distro_names_one(name: str, has_it: bool) -> None:
    text = boxes.render(distros.load(name), "image", "key")

    assert ("selinux-policy-default" in text) == has_it
    assert ("semodule" in text) == has_it
