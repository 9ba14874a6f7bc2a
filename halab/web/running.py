"""Commands that the page runs: each is `inv` of this checkout as a process of its own, which outlives the server.

So it holds the lock itself, has its own Ctrl-C and its own deadlines, and what comes of it is in the event log.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from halab.cli.selection import SETTING
from halab.kit.paths import ROOT
from halab.kit.process import find_daemons
from halab.web.access import directory


class Running:
    """The commands that were begun on the page, by this server or by one before it."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, instance: str, words: list[str]) -> int:
        """Run `inv` with these words on an instance, and return its process id. No shell looks at the words.

        What it prints is kept until the next one: of one that fails before it acts, the event log says nothing.
        """
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        printed = Path(f"{_mark(instance)}.log")
        printed.parent.mkdir(exist_ok=True)
        with printed.open("wb") as output:
            child = subprocess.Popen(
                [str(ROOT / "inv"), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env={**env, SETTING: instance, "HALAB_MARK": _mark(instance), "TERM": "dumb"},
            )
        self._children[instance] = child
        return child.pid

    def of(self, instance: str) -> int | None:
        """Return the process that was begun on the page and still runs; None when there is none."""
        child = self._children.get(instance)
        if child and child.poll() is None:
            return child.pid
        self._children.pop(instance, None)
        return next((pid for pid in find_daemons(_mark(instance)) if _is_inv(pid)), None)

    def interrupt(self, instance: str) -> bool:
        """Send the command what Ctrl-C sends, with all that it runs; return whether there was one."""
        pid = self.of(instance)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGINT)
        return True


def _mark(instance: str) -> str:
    return f"{directory()}/actions/{instance}"


def _is_inv(pid: int) -> bool:
    """Return whether a process is the command itself, and not what it has begun, such as a node."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return os.getsid(pid) == pid and str(ROOT).encode() in words and b"--search-root" in words
    except OSError:
        return False
