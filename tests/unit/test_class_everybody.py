"""`inv class do --all` and `inv class ssh`, in a process of their own, on stand-ins for Slurm's programs."""

import subprocess
import sys

import pexpect
import pytest

from halab.classroom import classes, jobs
from halab.kit.paths import ROOT
from tests.far_bench import CUT_OFF, Bench


def invoke(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)


@pytest.fixture
def class_of_two(bench: Bench) -> Bench:
    """Alice and Bob have seats in the class of ha-web; Eve waits."""
    (bench.place / "roster.csv").write_text("name\nAlice\nBob\nEve\n")
    settings = classes.Settings(lab="ha-web", exam=False, directory=str(bench.directory), memory=700)
    classes.keep(settings, bench.place / "roster.csv")
    for number, (name, state) in enumerate([("alice", "RUNNING"), ("bob", "RUNNING"), ("eve", "PENDING")], 11):
        cells = (str(number), name, state, "Resources", "m1", "0", "seat ha-web")
        widths = jobs.COLUMNS.values()
        with (bench.place / "all").open("a") as listed:
            listed.write("".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + "\n")
    bench.program(
        "squeue", f'#!/bin/bash\n[[ $* == *--name=* ]] && exec cat "{bench.place}/seats"\ncat "{bench.place}/all"\n'
    )
    return bench


def test_a_machine_alone_loads_nothing_of_classes() -> None:
    script = (
        "import sys, tasks\n"
        "from halab.cli import commands, exam_commands, travel_commands\n"
        "print(*(name for name in sys.modules if name.startswith(('halab.classroom', 'halab.site'))))"
    )

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert loaded.stdout == "\n"


def test_a_command_for_everybody_tells_whose_line_each_is(class_of_two: Bench) -> None:
    done = invoke("class", "do", "--all", "--", "read")

    assert sorted(done.stdout.splitlines()) == ["Alice: alice|read|", "Bob: bob|read|"]
    assert (done.returncode, done.stderr) == (0, "")


def test_the_worst_exit_status_of_all_is_told_with_those_who_have_it(class_of_two: Bench) -> None:
    done = invoke("class", "do", "--all", "--", "fail")

    assert done.returncode == 7
    assert done.stderr == "halab: not 0: Alice (7), Bob (7)\n"


def test_who_is_cut_off_is_told_among_all(class_of_two: Bench) -> None:
    class_of_two.program("srun", CUT_OFF)

    done = invoke("class", "do", "--all", "--", "check")

    assert done.returncode == 3
    assert "Alice: half of what was said\n" in done.stdout
    assert "\nAlice: what came of `check` for alice is not known" in done.stdout


def test_through_invoke_a_command_for_one_is_the_same(class_of_two: Bench) -> None:
    done = invoke("class", "do", "alice", "--lab", "ha-web", "--", "fail")

    assert (done.returncode, done.stdout) == (7, "alice|fail|")


def test_a_command_on_a_node_goes_the_same_way(class_of_two: Bench) -> None:
    done = invoke("class", "ssh", "alice", "node1", "--", "fail")

    assert (done.returncode, done.stdout) == (0, "alice|ssh|node1|--|fail|")


def test_a_terminal_is_the_learners_and_shows_no_trailer(class_of_two: Bench) -> None:
    class_of_two.program(
        "../checkout/inv", '#!/bin/bash\nread -rp "$HALAB_INSTANCE $*? " said\necho "$said!"\nexit 5\n'
    )
    argv = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "class", "ssh", "alice", "node1"]
    with pexpect.spawn(argv[0], argv[1:], timeout=30, encoding="utf-8") as shell:
        shell.expect_exact("alice ssh node1? ")
        shell.sendline("typed")
        shell.expect(pexpect.EOF)
        shell.wait()

    assert "typed!" in shell.before
    assert "\x1e" not in shell.before
    assert shell.exitstatus == 5
