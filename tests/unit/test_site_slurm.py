"""Questions to Slurm find their slurm.conf by themselves, and what goes wrong is one sentence."""

from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.site import files, slurm


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(files, "ON_MACHINE", tmp_path / "etc")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/slurm.conf").touch()
    return tmp_path


def test_a_machine_finds_its_conf_and_a_head_without_one_its_own(machine: Path) -> None:
    files.on_head().mkdir(parents=True)
    (files.on_head() / "slurm.conf").touch()

    assert files.conf() == machine / "etc/slurm.conf"
    (machine / "etc/slurm.conf").unlink()
    assert files.conf() == files.on_head() / "slurm.conf"


def test_outside_of_a_site_a_sentence_says_so(machine: Path) -> None:
    (machine / "etc/slurm.conf").unlink()

    with pytest.raises(LabError, match="in no site; `inv site up` makes one"):
        slurm.ask(["squeue"])


def test_the_conf_reaches_the_program(machine: Path) -> None:
    assert slurm.ask(["sh", "-c", "echo $SLURM_CONF"]) == f"{machine}/etc/slurm.conf\n"


def test_failures_are_told(machine: Path) -> None:
    with pytest.raises(LabError, match="status 1: slurm_load_jobs error"):
        slurm.ask(["sh", "-c", "echo slurm_load_jobs error >&2; exit 1"])
    with pytest.raises(LabError, match="the head does not answer `sleep` within"):
        slurm.ask(["sleep", "9"], timeout=0.2)
    with pytest.raises(LabError, match="no-such-program is not installed"):
        slurm.ask(["no-such-program"])
