"""`inv copy`: files and directories between this host and a node or the workstation, with the node's own tar."""

import os
import posixpath
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.kit import trees
from halab.kit.audience import Audience, Said
from halab.kit.errors import LabError
from halab.kit.families import end_family, running
from halab.kit.printable import printable
from halab.kit.toml import suggestion
from halab.providers import SYSTEM_PATH, sandbox

HOME = "/root"  # where paths on a node begin that do not begin with /
END = "halab-end"
ENDING = 2.0  # seconds that a program may take to say why it ended
SAID_AT_MOST = 4096  # bytes of what a node's programs complain of
WARNING = 'time="'  # how podman begins what is no error
SHOWN = 5  # names of what was left out

# $1: the final name, or the directory to put it in; $2: what it is called there (nothing: it is merged into that
# directory). A program that reads the final name meanwhile finds all of the old or of the new
TAKE = """
set -e
final=$1
if [ -d "$final" ]; then
    final=${final%/}/$2
elif [ "$final" != "${final%/}" ]; then
    echo "there is no directory $final" >&2
    exit 1
fi
final=$(readlink -m -- "$final")
parent=$(dirname -- "$final")
[ -d "$parent" ] || { echo "there is no directory $parent" >&2; exit 1; }
[ -d "$final" ] && into=$final || into=$parent
[ -w "$into" ] || { echo "$into cannot be written to" >&2; exit 1; }
stage=$(mktemp -d -- "$into/.halab-copy.XXXXXXXX")
trap 'rm -rf -- "$stage"' EXIT
trap 'exit 1' HUP INT PIPE TERM
tar --extract --file=- --directory="$stage"
[ -e "$stage/halab-end" ] || exit 1
item=$stage/item
if [ ! -d "$item" ]; then
    [ ! -d "$final" ] || { echo "$final is a directory, and what would take its place is none" >&2; exit 1; }
    if [ -e "$final" ]; then
        chmod --reference="$final" -- "$item"
        chown --reference="$final" -- "$item"
        chcon --reference="$final" -- "$item" 2>/dev/null || :  # where SELinux is
    fi
    mv --force --no-target-directory -- "$item" "$final"
elif [ ! -e "$final" ]; then
    mv --no-target-directory -- "$item" "$final"
else
    [ -d "$final" ] || { echo "$final is there already, and is no directory" >&2; exit 1; }
    cd -- "$item"
    find . -type d -exec sh -ec 'for name; do mkdir -p -- "$0/$name"; done' "$final" {} +
    find . ! -type d -exec sh -ec 'for name; do mv -fT -- "$name" "$0/$name"; done' "$final" {} +
fi
"""
# $1: what is wanted. What has a size only when it is read, as in /proc, is read first. Exit status 1 of tar says that
# something was written to meanwhile
GIVE = """
[ -e "$1" ] || { echo "there is no $1" >&2; exit 2; }
real=$(readlink -f -- "$1") || exit 2
from=$real item=.
if [ ! -d "$real" ]; then
    from=$(dirname -- "$real") item=./$(basename -- "$real")
    if [ -f "$real" ] && [ ! -s "$real" ]; then
        from=$(mktemp -d) || exit 2
        trap 'rm -rf -- "$from"' EXIT
        cat -- "$real" >"$from/$item" || exit 2
    fi
fi
tar --create --file=- --format=gnu --hard-dereference --directory="$from" -- "$item"
status=$?
[ $status -le 1 ] || exit $status
"""


@dataclass(frozen=True)
class Place:
    """A path on a node or on the workstation, or (without `of`) on this host."""

    of: str
    path: str

    @property
    def name(self) -> str:
        """What the thing there is called; nothing when only what is in it is meant, as in `directory/.`."""
        if self.path.endswith("/.") or self.path == ".":
            return ""
        return posixpath.basename(posixpath.normpath(self.path if self.of else os.path.abspath(self.path)))  # noqa: PTH100


def place(instance: Instance, given: str) -> Place:
    """Return what NODE:PATH means; without a colon before the first slash it is a path on this host."""
    name, colon, path = given.partition(":")
    if not colon or "/" in name:
        return Place("", given)
    known = [*(node.name for node in instance.spec.nodes), Workstation.name]
    if name not in known:
        raise LabError(f'there is no node "{name}", {suggestion(name, known)}; ./{given} is a file of that name')
    if path.startswith("~/") or path == "~":
        path = path.removeprefix("~").lstrip("/")
    home = sandbox.HOME if name == Workstation.name else HOME
    return Place(name, posixpath.join(home, path) if path else home)


def copy(instance: Instance, source: str, destination: str, audience: Audience) -> None:
    """Copy a file, or a directory with all that is in it. Raises LabError when it is not there as a whole then."""
    from_, to = place(instance, source), place(instance, destination)
    if not from_.of and not to.of:
        raise LabError("neither is on a node; say for example node1:/etc/hosts")
    try:
        if not from_.of:
            _send(instance, Path(from_.path), to, from_.name)
        elif not to.of:
            _fetch(instance, from_, to.path, audience)
        else:
            with tempfile.TemporaryDirectory(prefix="halab-copy-") as between:
                _fetch(instance, from_, f"{between}/item", audience)
                _send(instance, Path(between) / "item", to, from_.name)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise LabError(f"{source} could not be copied: {error.strerror or error}{where}") from error


def _send(instance: Instance, item: Path, to: Place, name: str) -> None:
    if not item.exists():
        raise LabError(f"there is no {item}")
    with _program(instance, to, TAKE, name, reads=True) as pipe:
        trees.send(item.resolve(), pipe, "item", END)


def _fetch(instance: Instance, from_: Place, path: str, audience: Audience) -> None:
    final = Path(path)
    if final.is_dir():
        final = final / from_.name
    elif path.endswith("/"):
        raise LabError(f"there is no directory {path}")
    if not final.parent.is_dir():
        raise LabError(f"there is no directory {final.parent}")
    with tempfile.TemporaryDirectory(prefix=".halab-copy-", dir=final if final.is_dir() else final.parent) as stage:
        item = Path(stage) / "item"
        with _program(instance, from_, GIVE) as pipe:
            left_out = trees.receive(pipe, item)
        trees.put(item, final)
    if left_out:
        names = ", ".join(map(printable, left_out[:SHOWN])) + (" ..." if len(left_out) > SHOWN else "")
        audience.tell(Said(f"Left out, as they are no files, or links to what is outside: {names}"))


@contextmanager
def _program(instance: Instance, at: Place, script: str, *arguments: str, reads: bool = False) -> Iterator[IO[bytes]]:
    """Run a script at a place, and yield the pipe that it reads or writes.

    Raises LabError unless it ends well: with what it said first, which tells the cause, or else with what was wrong
    with what it wrote.
    """
    child = subprocess.Popen(
        _argv(instance, at.of, ["sh", "-c", script, "sh", at.path, *arguments]),
        stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if reads else subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    pipe, complaints = child.stdin or child.stdout, child.stderr
    assert pipe is not None  # noqa: S101  # they were asked for
    assert complaints is not None  # noqa: S101
    with child, running(child.pid), _first_said(complaints) as said:
        try:
            wrong = None
            try:
                yield pipe
            except (BrokenPipeError, LabError) as error:
                wrong = error
            with suppress(BrokenPipeError):
                pipe.close()
            status = child.wait(ENDING if wrong else None)
        except subprocess.TimeoutExpired:
            end_family(child.pid)
            status = child.wait()
        except BaseException as error:
            end_family(child.pid, asking=isinstance(error, KeyboardInterrupt))
            with suppress(BrokenPipeError):
                pipe.close()
            raise
    lines = printable(said.decode(errors="replace")).strip().splitlines()
    if status and (causes := [line for line in lines if not line.startswith(WARNING)]):
        raise LabError(f"{at.of}: {causes[0]}")
    if status or wrong:
        raise LabError(f"not all went through between here and {at.of}: {wrong or f'exit status {status}'}")


@contextmanager
def _first_said(stream: IO[bytes]) -> Iterator[bytearray]:
    """Keep the beginning of what is read from a stream, which is complete after the `with`."""
    said = bytearray()

    def listen() -> None:
        while chunk := os.read(stream.fileno(), SAID_AT_MOST):
            said.extend(chunk[: SAID_AT_MOST - len(said)])

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        yield said
    finally:
        listening.join()


def _argv(instance: Instance, name: str, argv: Sequence[str]) -> list[str]:
    if name == Workstation.name:
        return instance.provider.learner_argv(argv, {"LC_ALL": "C"})
    if (state := instance.provider.power_states()[name]) != "on":
        raise LabError(f"{name} is not reachable: it is {state}")
    return instance.provider.console_argv(name, argv, {"PATH": SYSTEM_PATH, "LC_ALL": "C"}, terminal=False)
