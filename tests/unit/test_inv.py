"""The bootstrap in `inv`, unchanged, in the test's own checkout, on stub Pythons and package managers."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

INV = Path(__file__).parents[2] / "inv"
TOOLS = ("bash", "cat", "chmod", "cp", "env", "flock", "kill", "ln", "mkdir", "mv", "readlink", "rm", "sleep")

# A Python whose `-m venv DIR` puts itself there; its `-m pip` makes an invoke that prints its arguments.
# What it does is written to the log of the bench; $PIP runs in the midst of an installation.
PYTHON = """#!/bin/bash
case "$*" in
    -c*) exit 0 ;;
    -P*) echo "python $*" ;;
    "-m venv "*)
        echo venv >>"$BENCH/log"
        mkdir -p "$3/bin" "$3/lib/python3.11/site-packages"
        cp "$0" "$3/bin/python" ;;
    "-m pip install "*)
        echo pip >>"$BENCH/log"
        printf '#!/bin/bash\\necho "invoke $*"' >"${0%/*}/invoke"
        eval "$PIP"
        chmod +x "${0%/*}/invoke" ;;
esac
"""
NO_PYTHON = "#!/bin/bash\nexit 1\n"
NO_RIGHTS = "-dac_override,-dac_read_search"  # without them permissions hold for root, too (capabilities(7))
PLAIN_USER = (
    [str(shutil.which("setpriv")), f"--inh-caps={NO_RIGHTS}", f"--bounding-set={NO_RIGHTS}"]
    if os.geteuid() == 0
    else []
)


class Bench:
    """A checkout with `inv` and a lock in it, and the only directory of PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repo = directory / "checkout"
        self.bin = directory / "bin"
        self.lock = self.repo / "requirements.txt"
        self.repo.mkdir()
        self.bin.mkdir()
        shutil.copy(INV, self.repo)
        self.lock.write_text("invoke==3.0.3\n")
        for name in TOOLS:
            found = shutil.which(name)
            assert found, name
            (self.bin / name).symlink_to(found)

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, *args: str, pip: str = "", inv: str = "", path: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*PLAIN_USER, "/bin/bash", inv or str(self.repo / "inv"), *args],
            cwd=self.directory,
            env={"PATH": str(path or self.bin), "BENCH": str(self.directory), "PIP": pip},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *args: str, pip: str = "", inv: str = "", path: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*args, pip=pip, inv=inv, path=path)
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def log(self) -> list[str]:
        """Return what was done since the last look."""
        path = self.directory / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return lines


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.command("python3", PYTHON)
    return bench


def test_first_use_makes_the_virtualenv_and_runs_the_task(bench: Bench) -> None:
    result = bench.run("lab", "up")

    assert result.stdout == f"invoke --search-root {bench.repo} lab up\n"
    assert result.stderr.count("\n") == 1
    assert "making .venv" in result.stderr
    assert bench.log() == ["venv", "pip"]


def test_modules_of_the_checkout_can_be_imported_from_anywhere(bench: Bench) -> None:
    bench.run()

    pth = bench.repo / ".venv/lib/python3.11/site-packages/halab.pth"
    assert (pth.parent / pth.read_text().strip()).resolve() == bench.repo


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (("class", "do", "alice", "--", "check"), "python -P -m halab.classroom.forwarding alice -- check"),
        (("class", "do", "--all", "--", "check"), "invoke --search-root REPO class do --all -- check"),
        (("class", "do", "alice", "--"), "invoke --search-root REPO class do alice --"),
        (("class", "do", "alice"), "invoke --search-root REPO class do alice"),
        (("class", "status"), "invoke --search-root REPO class status"),
    ],
)
def test_a_command_for_one_learner_does_without_invoke(bench: Bench, words: tuple[str, ...], runs: str) -> None:
    assert bench.run(*words).stdout == runs.replace("REPO", str(bench.repo)) + "\n"


def test_later_uses_need_no_python_pip_or_tool_but_readlink(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    bench.log()
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "readlink").symlink_to(bench.bin / "readlink")

    result = bench.run("status", path=bare)

    assert result.stdout == f"invoke --search-root {bench.repo} status\n"
    assert result.stderr == ""
    assert bench.log() == []


def test_a_link_to_inv_runs_the_tasks_of_its_checkout(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "inv").symlink_to(bench.repo / "inv")

    result = bench.run("labs", inv="inv")

    assert result.stdout == f"invoke --search-root {bench.repo} labs\n"


def test_the_exit_status_is_that_of_the_task(bench: Bench) -> None:
    bench.run()
    (bench.repo / ".venv/bin/invoke").write_text("#!/bin/bash\nexit 4\n")

    assert bench.run("up").returncode == 4


def test_a_killed_install_is_made_anew(bench: Bench) -> None:
    killed = bench.run(pip='chmod +x "${0%/*}/invoke"; kill -9 0')
    bench.log()

    result = bench.run("up")

    assert killed.returncode == -signal.SIGKILL
    assert bench.log() == ["venv", "pip"]
    assert result.returncode == 0


def test_a_failed_install_shows_what_pip_said_and_is_not_taken_for_whole(bench: Bench) -> None:
    failed = bench.run(pip="echo no route to host; exit 1")
    bench.log()

    result = bench.run("up")

    assert failed.returncode == 3
    assert failed.stdout == ""
    assert "no route to host\ninv: the pinned packages could not be installed" in failed.stderr
    assert bench.log() == ["venv", "pip"]
    assert result.returncode == 0


def test_a_changed_lock_makes_the_virtualenv_anew(bench: Bench) -> None:
    bench.run()
    left = bench.repo / ".venv/left-over"
    left.touch()
    bench.lock.write_text("invoke==3.0.4\n")
    bench.log()

    bench.run()

    assert bench.log() == ["venv", "pip"]
    assert not left.exists()


def test_the_virtualenv_of_a_copied_checkout_is_made_anew(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    copy = tmp_path / "copy"
    shutil.copytree(bench.repo, copy)
    bench.log()

    bench.run(inv=str(copy / "inv"))

    assert bench.log() == ["venv", "pip"]


def test_a_virtualenv_whose_python_is_gone_is_made_anew(bench: Bench) -> None:
    bench.run()
    python = bench.repo / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/usr/bin/python0.9")
    bench.log()

    bench.run()

    assert bench.log() == ["venv", "pip"]


def test_two_first_uses_at_once_make_one_virtualenv(bench: Bench) -> None:
    both = [bench.start(task, pip="sleep 0.5") for task in ("up", "status")]

    outputs = [process.communicate(timeout=20)[0] for process in both]

    assert bench.log() == ["venv", "pip"]
    assert outputs == [f"invoke --search-root {bench.repo} {task}\n" for task in ("up", "status")]


def test_the_lock_is_given_back_before_the_task_runs(bench: Bench) -> None:
    task = f"#!/bin/bash\nflock -n {bench.repo} cat {bench.lock}"

    result = bench.run(pip=f'echo "{task}" >"${{0%/*}}/invoke"')

    assert result.stdout == bench.lock.read_text()


def test_a_python_that_cannot_make_virtualenvs_is_passed_over(bench: Bench) -> None:
    bench.command("python3.13", NO_PYTHON)

    result = bench.run()

    assert result.returncode == 0


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "apt-get update && apt-get install -y --no-install-recommends python3 python3-venv"),
        ("dnf", "dnf makecache && dnf install -y python3.12"),
    ],
)
def test_without_python_a_user_is_told_the_command_and_nothing_runs(bench: Bench, manager: str, command: str) -> None:
    bench.command("python3", NO_PYTHON)
    bench.command("id", "#!/bin/bash\necho 1000")
    bench.command(manager, '#!/bin/bash\n[[ $* == "-q list "* ]] || echo "$*" >>"$BENCH/log"')

    result = bench.run()

    assert result.returncode == 3
    assert result.stderr.endswith(f"is not here; as root, run: {command}\n")
    assert bench.log() == []


@pytest.mark.parametrize("manager", ["apt-get", "dnf"])
def test_without_python_root_gets_one_and_is_told_so(bench: Bench, manager: str) -> None:
    bench.command("python3", NO_PYTHON)
    bench.command("fetched", PYTHON)
    bench.command("id", "#!/bin/bash\necho 0")
    bench.command(manager, '#!/bin/bash\n[[ $1 != install ]] || mv "$BENCH/bin/fetched" "$BENCH/bin/python3.12"')

    result = bench.run("up")

    said = result.stderr.splitlines()
    assert f"so running: {manager} install -y" in said[0]
    assert result.stdout == f"invoke --search-root {bench.repo} up\n"


def test_without_python_and_package_manager_the_need_is_named(bench: Bench) -> None:
    bench.command("python3", NO_PYTHON)

    result = bench.run()

    assert result.returncode == 3
    assert "Python 3.11 or newer with venv and ensurepip is not here, nor apt-get or dnf" in result.stderr


def test_packages_that_bring_no_fit_python_end_in_one_sentence(bench: Bench) -> None:
    bench.command("python3", NO_PYTHON)
    bench.command("id", "#!/bin/bash\necho 0")
    bench.command("apt-get", "#!/bin/bash\n")

    result = bench.run()

    assert result.returncode == 3
    assert "the packages of this system do not give Python 3.11 or newer" in result.stderr


def test_a_checkout_that_may_not_be_written_to_is_told_in_one_sentence_and_left_alone(bench: Bench) -> None:
    left = bench.repo / ".venv/left-over"
    left.mkdir(parents=True)
    bench.repo.chmod(0o555)

    result = bench.run("status")

    bench.repo.chmod(0o755)
    assert result.returncode == 3
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert f".venv is missing or out of date, and you may not write to {bench.repo};" in result.stderr
    assert left.exists()
    assert bench.log() == []


def test_a_checkout_that_may_not_be_written_to_is_used_when_it_is_whole(bench: Bench) -> None:
    bench.run()
    bench.repo.chmod(0o555)

    result = bench.run("status")

    bench.repo.chmod(0o755)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_virtualenv_that_may_not_be_removed_is_told_in_one_sentence(bench: Bench) -> None:
    theirs = bench.repo / ".venv/lib"
    theirs.mkdir(parents=True)
    for number in range(50):
        (theirs / f"module{number}.py").touch()
    theirs.chmod(0o555)

    result = bench.run("status")

    theirs.chmod(0o755)
    assert result.returncode == 3
    assert result.stderr.count("\n") == 2  # with the one that says that it is made
    assert "you may not remove it (rm: " in result.stderr
    assert bench.log() == []


@pytest.mark.parametrize(
    "pip",
    [
        "echo 'ERROR: [Errno 28] No space left on device'; exit 1",
        'ln -s /dev/full "${0%/*/*}/made-from.new"',
        "echo '[Errno 122] Disk quota exceeded'; exit 1",
    ],
)
def test_a_full_disk_is_told_in_one_sentence_and_nothing_half_made_stays(bench: Bench, pip: str) -> None:
    failed = bench.run(pip=pip)

    assert failed.returncode == 3
    assert failed.stderr.count("\n") == 2
    assert "there is no room left" in failed.stderr
    assert not (bench.repo / ".venv").exists()
    assert bench.run("up").returncode == 0


def test_a_home_of_somebody_else_is_told_in_one_sentence(bench: Bench) -> None:
    bench.run()
    home = bench.directory / "home"
    home.mkdir(mode=0o600)

    result = subprocess.run(
        [*PLAIN_USER, "/bin/bash", str(bench.repo / "inv"), "status"],
        env={"PATH": str(bench.bin), "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert f"you may not enter {home}, which HOME says is yours" in result.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_what_is_closed_is_taken_by_no_file_of_the_task(bench: Bench, closed: str) -> None:
    bench.run()
    task = bench.repo / ".venv/bin/invoke"
    task.write_text('#!/bin/bash\nfor fd in 0 1 2; do readlink "/proc/$$/fd/$fd"; done >"$BENCH/fds"\n')
    script = f"{bench.repo}/inv status {closed}"

    subprocess.run(["/bin/bash", "-c", script], env={"PATH": str(bench.bin), "BENCH": str(bench.directory)}, check=True)

    assert (bench.directory / "fds").read_text().count("\n") == 3


def test_a_checkout_of_a_system_with_other_ends_of_lines_has_those_of_unix(tmp_path: Path) -> None:
    for name in (".gitattributes", "inv", "provision/tools.sh.j2", "halab/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(INV.parent / name, tmp_path / name)
    before = (tmp_path / "inv").read_bytes()

    def git(*argv: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), "-c", "core.autocrlf=true", *argv], check=True, capture_output=True)

    git("init")
    git("add", ".")
    for name in ("inv", "provision/tools.sh.j2", "halab/__init__.py"):
        (tmp_path / name).unlink()
    git("checkout", ".")

    assert (tmp_path / "inv").read_bytes() == before
    assert not [path for path in tmp_path.rglob("[a-z]*.[jp]*") if b"\r" in path.read_bytes()]
