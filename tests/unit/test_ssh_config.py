"""`inv ssh-config`, and the program that it names as ProxyCommand."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from halab.cli import ssh_config
from halab.cli.selection import Selection
from halab.instance.instance import Instance
from halab.kit.errors import Exit, LabError
from tests.fakes import World, instance_up
from tests.inv import Inv
from tests.unit.test_exams import begin_exam, write_exam


def options(text: str, host: str) -> dict[str, str]:
    """Return what a configuration says of a host (ssh_config(5))."""
    block = text.partition(f"Host {host}")[2].partition("Host ")[0]
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in block.splitlines()[1:]}


def test_each_node_is_a_host_by_its_name_and_with_the_name_of_the_instance(instance: Instance, inv: Inv) -> None:
    inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12")

    assert inv("lab", "--instance", "tiny", "ssh-config") == Exit.GOOD

    assert inv.out.startswith("# The nodes of tiny.")
    assert [line for line in inv.out.splitlines() if line.startswith("Host")] == [
        "Host node1 tiny-node1",
        "Host node2 tiny-node2",
    ]
    assert options(inv.out, "node2")["User"] == "root"


def test_the_key_is_made_once_and_is_nobody_elses(instance: Instance) -> None:
    first, second = ssh_config.text(instance), ssh_config.text(instance)

    key = Path(options(first, "node1")["IdentityFile"].strip('"'))
    assert first == second
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent == instance.directory


def test_the_sshd_of_a_node_lets_that_key_in_and_no_password(instance: Instance) -> None:
    ssh_config.text(instance)
    key = load_ssh_private_key((instance.directory / "ssh-key").read_bytes(), None).public_key()

    argv = ssh_config._serve_argv(instance, "node1")

    assert argv[-1] == key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert "PasswordAuthentication=no" in argv[-3]


def test_the_proxy_command_stands_spaces_and_percent_signs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "my 100% state"))
    text = ssh_config.text(instance_up())

    command = options(text, "node1")["ProxyCommand"].replace("%%", "%")
    done = subprocess.run(["sh", "-c", f"exec {command}"], capture_output=True, text=True, timeout=50, check=False)

    assert "/my 100%% state/" in options(text, "node1")["IdentityFile"]
    assert done.returncode == Exit.LAB_BROKEN
    assert done.stderr.startswith('halab: there is no provider "fake"')  # which is this process's only


@pytest.mark.parametrize(("node", "said"), [("node1", "it is off"), ("node7", "it is no node")])
def test_a_node_that_cannot_answer_is_told(instance: Instance, world: World, node: str, said: str) -> None:
    world.power["node1"] = "off"

    with pytest.raises(LabError, match=said):
        ssh_config._serve_argv(instance, node)


def test_the_shells_of_an_exam_that_is_recorded_are_opened_otherwise(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inv: Inv
) -> None:
    Selection(lab="test", instance="alice").remember()
    monkeypatch.setattr("halab.exams.reports.write_all", lambda attempt: [])
    begin_exam(write_exam(tmp_path / "labs"))

    assert inv("ssh-config") == Exit.LAB_BROKEN

    assert "are recorded, so they are opened with: inv ssh NODE" in inv.err
