"""A command of inv goes to the machine on which a learner sits, and its output and exit status come back.

srun ends with 0 when its machine is cut off. So the far side prints a trailer after all else: characters that nobody
else knows, and the exit status. Without it nothing is believed.

`inv class do LEARNER -- WORDS` runs this file itself, without Invoke, and little is imported here: all that it takes
besides the command has to be unnoticed.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from halab.classroom import far, naming
from halab.kit.errors import Exit, HalabError, LabError
from halab.kit.printable import printable
from halab.site import columns, files

COLUMNS = {"JobID": 20, "State": 20, "NodeList": 80, "WorkDir": 200, "Reason": 60}  # of a seat, in squeue(1)
SILENT = ("Unable to contact slurm controller", "Socket timed out", "Connection refused", "Connection timed out")
ENDING = 2.0  # seconds for srun to end, once all has come; it may wait for a slurmd that was begun anew meanwhile
LONG = 1.0  # seconds after which Slurm's programs have waited for the head themselves
BUSY = "Requested nodes are busy"  # what srun says of a machine that the head has not heard of
AGAIN = 0.5  # seconds until the head is asked again
# $1: the nonce of this call; $2: the instance; $3: where halab is; then the words after inv. The trailer comes last
FAR = r"""
nonce=$1 HALAB_INSTANCE=$2
export HALAB_INSTANCE
cd "$3" || exit
shift 3
./inv "$@"
printf '\036%s %d\n' "$nonce" $?
"""
KEPT = ("TERM", "COLORTERM", "LANG", "NO_COLOR", far.STATE_HOME)  # settings that go along
FOR_EVER = float("inf")
Say = Callable[[str], object]
Show = Callable[[bytes], object]


class Trailer:
    """Tells a far command's output from the trailer, as it comes in pieces."""

    def __init__(self, nonce: str) -> None:
        self._mark = b"\x1e" + nonce.encode()
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is output for sure. What may be the trailer's beginning is held back until more is known."""
        self._held += data
        place = self._held.find(self._mark)
        if place < 0:
            most = min(len(self._mark) - 1, len(self._held))
            place = len(self._held) - next(n for n in range(most, -1, -1) if self._held.endswith(self._mark[:n]))
        output, self._held = self._held[:place], self._held[place:]
        return output

    @property
    def is_whole(self) -> bool:
        return self.end()[1] is not None

    def end(self) -> tuple[bytes, int | None]:
        """Return what was held back and is output after all, and the exit status; None without a whole trailer."""
        status = self._held.removeprefix(self._mark).strip()
        if self._held.startswith(self._mark) and self._held.endswith(b"\n") and status.isdigit():
            return b"", int(status)
        return (b"" if self._held.startswith(self._mark) else self._held), None


class Seat:
    """Where a learner sits, as Slurm says."""

    def __init__(self, learner: str, line: str) -> None:
        self.learner = learner
        self.job, self.state, self.machine, self.directory, self.reason = columns.cells(line, COLUMNS)


def environment() -> dict[str, str]:
    """Return this process's environment, in which Slurm's programs find the head. Raises LabError outside of a site."""
    return {**os.environ, "SLURM_CONF": str(files.conf())}


def use_site() -> None:
    """Have programs that this process runs find the head."""
    os.environ.update(environment())


def find(learner: str, say: Say) -> Seat:
    """Return where a learner sits, once the head answers. Raises LabError when there is no seat to run anything on."""
    argv = ["squeue", "--noheader", f"--name={naming.instance_named(learner)}", f"--Format={columns.asked(COLUMNS)}"]
    told, has_waited = _asked(argv, say)
    seats = [Seat(learner, line) for line in told.splitlines() if line.strip()]
    if not seats:
        raise LabError(f"{printable(learner)} has no seat; who has one tells: inv class status")
    seat = max(seats, key=lambda seat: (seat.state == "RUNNING", int(seat.job)))
    if seat.state == "PENDING":
        raise LabError(f"{learner} waits for a seat: {seat.reason}")
    if seat.state != "RUNNING":
        raise LabError(f"the seat of {learner} is {seat.state.lower()}; try again in some seconds")
    if has_waited:
        _until_machine_answers(seat)
    return seat


def argv(seat: Seat, words: Sequence[str], nonce: str, *, terminal: bool = False, listens: bool = True) -> list[str]:
    """Return the srun that runs `inv WORDS` on a learner's instance: on a terminal, or with this standard input."""
    told = {name: os.environ[name] for name in KEPT if os.environ.get(name)}
    how = ["--quit-on-interrupt", *(["--pty"] if terminal else [] if listens else ["--input=none"])]
    of = ("bash", nonce, naming.instance_named(seat.learner), seat.directory)
    return [*_step(seat), *how, *far.argv(told, "bash", "-c", FAR, *of, *words)]


def _step(seat: Seat) -> list[str]:
    """Return the srun that runs a command beside a seat, which is still to follow."""
    return [
        *("srun", f"--jobid={seat.job}", "--overlap", "--nodes=1", "--ntasks=1", "--mem=0", "--mpi=none", "--quiet"),
        *("--export=NONE", f"--chdir={seat.directory}"),
    ]


def run(seat: Seat, words: Sequence[str], show: Show, *, listens: bool = True, with_errors: bool = False) -> int:
    """Run `inv WORDS` on a learner's instance, show its output as it comes, and return its exit status.

    Raises LabError when its end is not known.
    """
    nonce = new_nonce()
    trailer = Trailer(nonce)
    with subprocess.Popen(
        argv(seat, words, nonce, listens=listens),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if with_errors else None,
        env=environment(),
    ) as child:
        assert child.stdout  # noqa: S101  # it was asked for
        try:
            while data := _read(child.stdout.fileno(), ENDING if trailer.is_whole else None):
                if known := trailer.feed(data):
                    show(known)
        except BaseException:
            child.send_signal(signal.SIGINT)
            raise
        child.kill()  # where it has not ended by itself: nothing more is to come
    rest, status = trailer.end()
    if rest:
        show(rest)
    return believed(seat, words, status)


def _read(file: int, within: float | None) -> bytes:
    """Return what comes next; nothing at the end, or after so many seconds."""
    ready = select.select([file], [], [], within)[0]
    return os.read(file, 65_536) if ready else b""


def new_nonce() -> str:
    return os.urandom(16).hex()


def believed(seat: Seat, words: Sequence[str], status: int | None) -> int:
    """Return the exit status of a far command. Raises LabError when there is none."""
    if status is None:
        what = f"`{' '.join(words)}` for {seat.learner}"
        raise LabError(
            f"what came of {what} is not known: {seat.machine} was cut off before its end; see: inv class status"
        )
    return status


def _asked(argv: Sequence[str], say: Say) -> tuple[str, bool]:
    """Return what a program of Slurm prints, once the head answers, and whether that had to be waited for.

    Raises LabError when something else is wrong.
    """
    began = time.monotonic()
    done = _ask(argv)
    has_waited = time.monotonic() - began > LONG
    if _is_silent(done):
        from halab.kit.wait import wait  # only who has to wait loads it

        say("the head does not answer; waiting for it")
        done = wait(lambda: _ask(argv), lambda done: not _is_silent(done), within=FOR_EVER, successes=1, interval=AGAIN)
        has_waited = True
    if done.returncode:
        raise LabError(f"{argv[0]} failed with exit status {done.returncode}: {' '.join(done.stderr.split())}")
    return done.stdout, has_waited


def _until_machine_answers(seat: Seat) -> None:
    """Wait until the head, which was begun anew, has heard of a seat's machine.

    Before, srun would be told that it is busy, and try again only after a minute.
    """
    from halab.kit.wait import wait

    probe = [*_step(seat), "--immediate=1", "/bin/true"]
    wait(lambda: _ask(probe).stderr, lambda said: BUSY not in said, within=FOR_EVER, successes=1, interval=AGAIN)


def _ask(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(argv, capture_output=True, text=True, errors="replace", env=environment(), check=False)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed; `inv site up` installs Slurm") from None


def _is_silent(done: "subprocess.CompletedProcess[str]") -> bool:
    return done.returncode != 0 and any(words in done.stderr for words in SILENT)


def show(data: bytes) -> None:
    """Write to standard output."""
    while data:
        data = data[os.write(1, data) :]


def _say(sentence: str) -> None:
    print(f"halab: {printable(sentence)}", file=sys.stderr, flush=True)


def main(learner: str, words: Sequence[str]) -> int:
    """Do `inv class do LEARNER -- WORDS`, and return its exit status."""
    try:
        return run(find(learner, _say), words, show)
    except HalabError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted; what was under way there is put right by the next command")
        return Exit.INTERRUPTED


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end as other programs do when nobody reads what is printed
    sys.exit(main(sys.argv[1], sys.argv[3:]))
