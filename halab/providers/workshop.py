"""Where images are made: by one maker at a time, in a folder that starts empty and is removed at the end, with a log.

A product gets its real name when it is complete. Anything else is the leftover of a maker that was killed, and the next
maker removes it.
"""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.paths import cache_dir
from halab.kit.process import run
from halab.providers import limits
from halab.providers.volumes import volume

Say = Callable[[str], None]


class Workshop:
    """A place to run tools that make something. The tools inherit its lock.

    So the lock lasts until the last tool ends, even when halab is killed. (filelock's locks are not inherited.)
    """

    def __init__(self, name: str, lock: int, say: Say) -> None:
        self.folder = cache_dir() / "building" / name
        self.log = cache_dir() / f"{name}.log"
        self._name = name
        self._lock = lock
        self._say = say

    def say(self, text: str) -> None:
        self._say(f"{self._name}: {text}")

    def run(self, *argv: str) -> None:
        """Run a tool, with its output in the log. Raises LabError with the reason that the tool gave."""
        with self.log.open("a+") as log:
            log.write(f"$ {shlex.join(argv)}\n")
            log.flush()
            begin = log.tell()
            environment = {**os.environ, "TMPDIR": str(self.folder)}
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=[self._lock],
                umask=0o022,  # what is made is for nodes, whose users are others
                check=False,
            )
            log.seek(begin)
            if done.returncode:
                reason = _reason(log.read()) or f"exit status {done.returncode}"
                raise LabError(f"{self._name}: `{argv[0]} {argv[1]}` failed: {reason} (the log is {self.log})")

    def build(self, containerfile: Path, tag: str, context: Path, *options: str) -> None:
        """Make an image with podman. Raises LabError as `run` does."""
        build = ["podman", "build", "--isolation=chroot", "--network=host", "--squash-all", "--pull=never"]
        self.run(*build, *limits.ulimits(), *options, f"--file={containerfile}", f"--tag={tag}", str(context))

    def run_inside(self, reference: str, script: str, pool: Path, place: Path) -> None:
        """Run a shell script in an image that nothing is kept of. It sees the pool, and puts what it makes into
        `place`, a directory of this folder that it finds below the root by its name. Raises LabError as `run` does.
        """
        file, containerfile = self.folder / f"{place.name}.sh", self.folder / f"Containerfile.{place.name}"
        file.write_text(script)
        containerfile.write_text(f"FROM {reference}\nRUN sh /script.sh\n")
        tag = f"localhost/halab/{place.name}:{pool.name}"
        volumes = [
            volume(place, f"/{place.name}"),
            volume(file, "/script.sh", read_only=True),
            volume(pool, "/srv/pool", read_only=True),
        ]
        try:
            self.build(containerfile, tag, self.folder, *volumes)
        finally:
            run(["podman", "rmi", tag])


@contextmanager
def workshop(name: str, say: Say) -> Iterator[Workshop]:
    """Enter the workshop of that name, once nobody else is in it."""
    path = cache_dir() / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: waiting for another command that makes it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        shop = Workshop(name, file.fileno(), say)
        shutil.rmtree(shop.folder, ignore_errors=True)
        shop.folder.mkdir(parents=True)
        try:
            yield shop
        finally:
            shutil.rmtree(shop.folder, ignore_errors=True)


def _reason(output: str) -> str:
    """Return the last error that a tool printed, or its last line.

    Podman's own lines only repeat the command that it ran, and dnf ends with advice. npm prints codes before its
    sentence, and advice after it.
    """
    if sentences := re.findall(r"^npm error (?!code |syscall |errno )(.+)", output, re.MULTILINE):
        return str(sentences[0])
    own = r"^(?:E|Error): (?!building at STEP).+"
    no_reason = re.compile(r"Error: building at STEP|subprocess exited with status|\(try to add '")
    lines = [line.strip() for line in output.strip().splitlines() if not no_reason.match(line)]
    return (re.findall(own, output, re.MULTILINE) or lines or output.strip().splitlines() or [""])[-1]
