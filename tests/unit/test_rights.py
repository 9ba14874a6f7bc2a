"""Whether this process may make nodes, and what is told, tested and skipped where it may not."""

from pathlib import Path

import pytest

from halab.providers import rights
from tests.without import LESS, USER, pytest_without, without

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


@pytest.mark.rights
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("who", "reason"), [(LESS, ADVICE), (USER, "become root and type the same again")])
def test_commands_and_tests_give_one_reason_why_there_can_be_no_nodes(who: tuple[str, ...], reason: str) -> None:
    select = ("lab", "--provider", "podman", "--distro", "debian12")
    doctor, up = (without(who, "invoke", *select, command) for command in ("doctor", "up"))
    tests = ("-m", "core", "tests/labs/test_fidelity.py")
    skipped, strict = (pytest_without(who, *tests, *option) for option in ((), ("--no-skip",)))

    assert (doctor.returncode, up.returncode) == (3, 3)
    assert all(reason in said for said in (doctor.stdout, up.stderr)), (doctor, up)
    assert skipped.returncode == 0, skipped.stdout
    assert reason in skipped.stdout
    assert "passed" not in skipped.stdout
    assert strict.returncode == 1
