"""`inv class do`: what is believed of a far command. Stand-ins for Slurm's programs run it here, or lose it midway."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halab.classroom import forwarding
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from tests.far_bench import CUT_OFF, SRUN, Bench, line


def test_a_command_runs_on_the_learners_instance_with_its_words_as_they_were_typed(bench: Bench) -> None:
    assert bench.do("Ada Lovelace", "--", "ssh", "node1", "--", "a b", "") == (
        0,
        "ada_lovelace|ssh|node1|--|a b||",
        "",
    )
    assert "--name=ada_lovelace" in bench.asked


def test_exit_status_input_and_errors_arrive(bench: Bench) -> None:
    assert bench.do("alice", "--", "fail") == (7, "alice|fail|", "")
    assert bench.do("alice", "--", "read", input="typed\n") == (0, "alice|read|typed\n", "")
    assert bench.do("alice", "--", "complain") == (0, "alice|complain|", "complained\n")


def test_settings_of_the_terminal_go_along_and_no_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "vt100")
    monkeypatch.setenv("SECRET", "of the head")

    status, out, _ = bench.do("alice", "--", "settings")

    assert status == 0
    assert "\nTERM=vt100\n" in out
    assert "SECRET" not in out


def test_what_a_machine_does_that_is_cut_off_is_not_believed(bench: Bench) -> None:
    bench.program("srun", CUT_OFF)

    status, out, err = bench.do("alice", "--", "check")

    assert (status, out) == (3, "half of what was said\n")
    assert err.startswith("halab: what came of `check` for alice is not known: m1 was cut off before its end")


@pytest.mark.parametrize(
    ("seats", "sentence"),
    [
        ("", "alice has no seat"),
        (line("12", "PENDING", "", "/", "Resources"), "alice waits for a seat: Resources"),
        (line("12", "COMPLETING", "m1", "/", "None"), "the seat of alice is completing"),
    ],
)
def test_without_a_seat_a_sentence_says_why(bench: Bench, seats: str, sentence: str) -> None:
    bench.seats(seats)

    status, out, err = bench.do("alice", "--", "check")

    assert (status, out) == (3, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_a_command_waits_for_a_head_that_does_not_answer(bench: Bench) -> None:
    answers = (bench.place / "bin/squeue").read_text()
    bench.program(
        "squeue",
        "#!/bin/bash\n"
        f'if mkdir "{bench.place}/once" 2>/dev/null; then\n'
        "    echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2\n"
        "    exit 1\n"
        f"fi\n{answers.removeprefix('#!/bin/bash')}",
    )
    told = "srun: error: Unable to create step for job 12: Requested nodes are busy"
    once = f"mkdir {bench.place}/heard 2>/dev/null && echo '{told}' >&2 && exit 1"
    asked = f'case " $* " in *" --immediate=1 "*) {once} ;; esac'
    bench.program("srun", SRUN.replace("for word", f"{asked}\necho >>{bench.place}/steps\nfor word", 1))

    assert bench.do("alice", "--", "check") == (
        0,
        "alice|check|",
        "halab: the head does not answer; waiting for it\n",
    )
    assert (bench.place / "steps").read_text() == "\n\n"  # it waited until the head had heard of the machine, too


def test_nothing_is_waited_for_when_all_has_come(bench: Bench) -> None:
    bench.program("srun", SRUN.replace("exit 0", "exec sleep 60"))

    assert bench.do("alice", "--", "fail") == (7, "alice|fail|", "")


def test_what_else_slurm_complains_of_is_told(bench: Bench) -> None:
    bench.program("squeue", "#!/bin/bash\necho 'slurm_load_jobs error: Protocol\n authentication error' >&2\nexit 1\n")

    assert bench.do("alice", "--", "check") == (
        3,
        "",
        "halab: squeue failed with exit status 1: slurm_load_jobs error: Protocol authentication error\n",
    )


def test_ctrl_c_ends_the_far_command(bench: Bench) -> None:
    with bench.start("alice", "--", "wait", start_new_session=True) as child:
        while not (bench.directory / "began").exists():
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=20)

    assert child.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("printed", "output", "status"),
    [
        (b"said\n\x1eabc 7\n", b"said\n", 7),
        (b"\x1eabc 0\r\n", b"", 0),
        (b"\x1eab\x1e\x1eabc 130\n", b"\x1eab\x1e", 130),
        (b"said \x1eab", b"said \x1eab", None),
        (b"said \x1eabd 0\n", b"said \x1eabd 0\n", None),
        (b"said \x1eabc 0", b"said ", None),
        (b"said \x1eabc x\n", b"said ", None),
        (b"", b"", None),
    ],
)
def test_a_trailer_is_told_from_output_in_pieces_of_any_size(
    printed: bytes, output: bytes, status: int | None, size: int
) -> None:
    trailer = forwarding.Trailer("abc")

    shown = b"".join(trailer.feed(printed[place : place + size]) for place in range(0, len(printed), size))
    rest, ended = trailer.end()

    assert (shown + rest, ended) == (output, status)


def test_output_is_shown_as_it_comes() -> None:
    trailer = forwarding.Trailer("abc")

    assert trailer.feed(b"Go on? ") == b"Go on? "


def test_outside_of_a_site_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("halab.site.files.ON_MACHINE", tmp_path)

    with pytest.raises(LabError, match="in no site"):
        forwarding.find("alice", lambda sentence: None)


def test_little_is_imported_on_the_way() -> None:
    script = "import sys, halab.classroom.forwarding; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert {"pydantic", "jinja2", "rich", "invoke", "dataclasses", "halab.kit.process"}.isdisjoint(loaded.split())
