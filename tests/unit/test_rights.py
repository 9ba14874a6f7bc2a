"""Whether this process may make nodes, and what is told, tested and skipped where it may not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from halab.kit.paths import ROOT
from halab.providers import rights

LESS = ("setpriv", "--bounding-set=-sys_admin,-net_admin", "--inh-caps=-sys_admin,-net_admin")
# Somebody who is not root, and may read all there is, so that the checkout may be anywhere
USER = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--bounding-set=-all,+dac_read_search",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=+dac_read_search",
)
ADVICE = "start the container with --privileged, or use a machine"


def status_of(tmp_path: Path, effective: str) -> Path:
    """Return a file as /proc/PID/status is (proc(5))."""
    file = tmp_path / "status"
    file.write_text(f"Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\nCapBnd:\t000001ffffffffff\n")
    return file


@pytest.mark.parametrize(
    ("effective", "lacking"),
    [
        ("000001ffffffffff", ""),
        ("000001ffffdfffff", "CAP_SYS_ADMIN"),
        ("000001ffffffefff", "CAP_NET_ADMIN"),
        ("00000000a80425fb", "CAP_SYS_ADMIN and CAP_NET_ADMIN"),  # what Docker leaves to root
    ],
)
def test_what_root_lacks_is_named_with_a_way_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effective: str, lacking: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)

    reason = rights.no_nodes_because(status=status_of(tmp_path, effective))

    assert (reason is None) == (lacking == "")
    assert not reason or (reason.startswith(f"root lacks {lacking} here, ") and reason.endswith(ADVICE))


def test_who_is_not_root_is_told_to_become_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    reason = rights.no_nodes_because(status=status_of(tmp_path, "0000000000000000"))

    assert reason
    assert "need root; become root" in reason


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that everybody may write to and reach."""
    place = tmp_path_factory.mktemp("anybody")
    place.chmod(0o777)
    return place


def without(who: tuple[str, ...], place: Path, *module: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python module of this checkout without some rights."""
    own = {"HOME": str(place), "XDG_STATE_HOME": f"{place}/state", "XDG_CACHE_HOME": f"{place}/cache"}
    argv = [*who, sys.executable, "-B", "-m", *module]
    return subprocess.run(argv, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False)


@pytest.mark.rights
@pytest.mark.parametrize(("who", "reason"), [(LESS, ADVICE), (USER, "become root and type the same again")])
def test_commands_and_tests_give_one_reason_why_there_can_be_no_nodes(
    place: Path, who: tuple[str, ...], reason: str
) -> None:
    select = ("lab", "--provider", "podman", "--distro", "debian12")
    doctor, up = (without(who, place, "invoke", *select, command) for command in ("doctor", "up"))
    tests = ("pytest", "-rs", "-p", "no:cacheprovider", f"--basetemp={place}/tests", "-m", "core", "tests/labs")
    skipped, strict = (without(who, place, *tests, *option) for option in ((), ("--no-skip",)))

    assert (doctor.returncode, up.returncode) == (3, 3)
    assert all(reason in said for said in (doctor.stdout, up.stderr)), (doctor, up)
    assert skipped.returncode == 0, skipped.stdout
    assert reason in skipped.stdout
    assert "passed" not in skipped.stdout
    assert strict.returncode == 1
