"""Files go whole between a machine and the head, or are known not to. srun and sbcast are stand-ins that do it here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from halab.classroom import classes, home, receiving, shipping
from halab.classroom.classes import Settings
from halab.instance.instance import Instance
from halab.instance.seat import Epoch, Seat, write_seat
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.wait import wait
from halab.site import files
from halab.walk import parcels

# It runs halab's module here, whatever Python a machine would have. The file `said` has how many bytes get through
SRUN = """#!/bin/bash
while [[ $1 != -m ]]; do shift; done
export SLURM_JOB_ID=5 PATH="{bin}:$PATH" PYTHONPATH={root} XDG_STATE_HOME={state}
run() {{ "{python}" -P "$@" "$SLURM_JOB_ID"; }}
[[ $(cat {bin}/said) == all ]] || exec dd bs=1 count="$(cat {bin}/said)" status=none < <(run "$@")
run "$@"
exit 0
"""
# --force --jobid=JOB FILE PLACE. The file `sent` has what gets through
SBCAST = """#!/bin/bash
echo "$2" >>{bin}/jobs
case $(cat {bin}/sent) in
    all) cp "$3" "$4" ;;
    half) head --bytes=64 "$3" >"$4" ;;
    nothing) echo "sbcast: error: Unable to connect" >&2; exit 1 ;;
    death) kill -KILL $PPID ;;
esac
"""


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-ins, on a head and a machine which are both here; the class of `tiny`."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, text in (("srun", SRUN), ("sbcast", SBCAST)):
        told = {"bin": bin, "root": ROOT, "state": os.environ["XDG_STATE_HOME"], "python": sys.executable}
        (bin / name).write_text(text.format(**told))
        (bin / name).chmod(0o755)
    (bin / "said").write_text("all")
    (bin / "sent").write_text("all")
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    files.on_head().mkdir(parents=True)
    (files.on_head() / "slurm.conf").touch()
    (tmp_path / "roster.csv").write_text("name\nalice\n")
    classes.keep(Settings(lab="tiny", exam=False, directory="/opt/halab", memory=700), tmp_path / "roster.csv")
    return bin


def is_all_that_is_kept() -> bool:
    return sorted(path.name for path in classes.place("tiny").iterdir()) == ["class.json", "roster.csv"]


def test_a_checkpoint_comes_home_and_is_given_back(bin: Path, instance: Instance) -> None:
    write_seat(instance.directory, Seat(learner="Alice", job=7))

    assert shipping.ship("tiny", instance.name)

    kept = classes.checkpoint_of("tiny", instance.name)
    about = parcels.about(kept)
    assert about.seat
    assert (about.seat.epoch, about.checkpoint) == (Epoch(7), "start")
    assert home.fetch("tiny", instance.name, 7, bin / "back")
    assert (bin / "back").read_bytes() == kept.read_bytes()
    assert (bin / "jobs").read_text() == "--jobid=5\n--jobid=7\n"  # the head's job, then the seat's
    assert list(classes.place("tiny").glob(".arriving.*")) == []
    assert [path for path in (files.on_head().parent / "seats").iterdir() if path.is_dir()] == []


def test_where_nothing_came_home_there_is_nothing_to_fetch(bin: Path) -> None:
    assert not home.fetch("tiny", "alice", 7, bin / "back")

    assert not (bin / "back").exists()


@pytest.mark.parametrize("sent", ["half", "nothing"])
def test_a_file_that_is_cut_off_is_not_believed(bin: Path, sent: str) -> None:
    kept = classes.checkpoint_of("tiny", "alice")
    (bin / "file").write_bytes(bytes(1000))
    (bin / "sent").write_text(sent)

    with pytest.raises(LabError, match=r"did not arrive whole|Unable to connect") as refused:
        home.send("checkpoint", "tiny", "alice", bin / "file")
    assert not isinstance(refused.value, home.Refused)  # it is sent again
    assert is_all_that_is_kept()
    kept.parent.mkdir()
    kept.write_bytes(bytes(1000))
    with pytest.raises(LabError, match="the checkpoint of alice did not come from the head: "):
        home.fetch("tiny", "alice", 7, bin / "back")


@pytest.mark.parametrize("said", ["0", "1", "7"])
def test_a_head_that_is_cut_off_is_not_believed(bin: Path, said: str) -> None:
    (bin / "file").write_bytes(b"file")
    (bin / "said").write_text(said)

    with pytest.raises(LabError, match="the checkpoint of alice did not come from the head: "):
        home.fetch("tiny", "alice", 7, bin / "back")
    with pytest.raises(LabError):
        home.send("attempts", "tiny", "alice", bin / "file")


@pytest.mark.parametrize(("of_class", "instance"), [("other", "alice"), ("tiny", "../alice")])
def test_what_the_head_does_not_want_is_refused_for_good(bin: Path, of_class: str, instance: str) -> None:
    (bin / "file").write_bytes(b"no checkpoint")

    with pytest.raises(home.Refused, match="there is no class of"):
        home.send("checkpoint", of_class, instance, bin / "file")
    with pytest.raises(home.Refused, match="is no exported checkpoint"):
        home.send("checkpoint", "tiny", "alice", bin / "file")


def test_nothing_is_left_on_the_head_where_who_sends_is_killed(bin: Path) -> None:
    (bin / "file").write_bytes(b"file")
    (bin / "sent").write_text("death")
    send = "import sys, pathlib; from halab.classroom import home; home.send(*sys.argv[1:4], pathlib.Path(sys.argv[4]))"

    argv = [sys.executable, "-c", send, "attempts", "tiny", "alice", bin / "file"]
    done = subprocess.run(argv, check=False, cwd=ROOT)

    assert done.returncode == -9
    wait(is_all_that_is_kept, bool, within=20, successes=1, interval=0.1)


def test_what_is_left_of_one_that_was_killed_on_the_head_is_removed_by_the_next(bin: Path) -> None:
    killed = subprocess.Popen(["sleep", "60"])
    left = classes.place("tiny") / f".arriving.x.{killed.pid}"
    left.mkdir()
    (left / "file").touch()

    with pytest.raises(receiving.NotWhole):
        receiving.put("attempts", "tiny", "alice", "", lambda file: None)
    assert left.exists()  # it may still be at work
    killed.kill()
    killed.wait()
    with pytest.raises(receiving.NotWhole):
        receiving.put("attempts", "tiny", "alice", "", lambda file: None)
    assert not left.exists()
