"""Listening to what nodes send to each other, while something else is done."""

import subprocess
import sys
import threading
from collections.abc import Iterable

from halab.exams.witness.wire import PAUSE
from halab.instance.instance import Instance
from halab.kit.errors import LabError

PATIENCE = 20.0  # seconds: with a token of 14 s Corosync sends something every four seconds


class Ear:
    """Listens to all nodes of an instance, from the moment it is made, while other things are done."""

    def __init__(self, instance: Instance) -> None:
        self._names = {str(address): node.name for node in instance.spec.nodes for address in (node.lan, node.mgmt)}
        argv = [sys.executable, "-m", "halab.exams.witness.wire", str(PATIENCE), *self._names]
        self._listening = subprocess.Popen(
            instance.provider.bridge_argv(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._heard: set[str] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def silent(self, nodes: Iterable[str]) -> list[str]:
        """Return those of the nodes that send nothing.

        Wait until all were heard, but not longer than 20 s after the ear was made. Raises LabError when it could not
        listen: then no node counts as silent.
        """
        wanted = set(nodes)
        while wanted - self._heard and self._reader.is_alive():
            self._reader.join(PAUSE)
        if wanted - self._heard and self._listening.wait() != 0:
            raise LabError(f"nobody could listen to the nodes: it ended with {self._listening.returncode}; try: inv up")
        return sorted(wanted - self._heard)

    def close(self) -> None:
        self._listening.terminate()
        self._listening.wait()
        self._reader.join()
        if self._listening.stdout:
            self._listening.stdout.close()

    def _read(self) -> None:
        assert self._listening.stdout  # noqa: S101  # it was asked for
        for line in self._listening.stdout:
            self._heard.add(self._names[line.strip()])
