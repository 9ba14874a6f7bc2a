"""halab as its users see it: the command line, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from halab.instance.instance import Instance, instances_dir
from halab.kit.errors import HalabError
from halab.kit.paths import ROOT, name_on_host
from halab.walk import evidence

CONSOLES = Path("/var/log/libvirt/qemu")  # what virtual machines print on their serial ports, and QEMU itself


class Cli:
    """`inv` on one instance. `enter` is put before the command, to run it in other namespaces."""

    def __init__(self, instance: str, *options: str, enter: Sequence[str] = ()) -> None:
        self.name = instance
        self._enter = enter
        self._select = ("lab", "--instance", instance, *options)

    def __call__(self, *arguments: str, expect: int = 0, timeout: float = 400) -> str:
        """Run `inv lab --instance ... ARGUMENTS`, and return its output. Fail unless its exit status is `expect`."""
        done = self._run(arguments, expect, timeout)
        return done.stdout + done.stderr

    def _run(self, arguments: tuple[str, ...], expect: int, timeout: float) -> subprocess.CompletedProcess[str]:
        argv = self.argv(*arguments)
        asked = f"inv {' '.join(arguments)}"
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode()
            raise AssertionError(f"{asked} took more than {timeout} s: {said}\n{self._logs()}") from None
        said = f"{asked}: {done.stdout[-4000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == expect, f"{said}\n{self._logs()}\n{self._evidence()}"
        return done

    def _logs(self) -> str:
        """Return the end of what was logged on the host: by Vagrant, and by the machines' consoles."""
        files = [*(instances_dir() / self.name).glob("*.log"), *CONSOLES.glob(f"halab-{self.name}-*.log")]
        return "\n".join(f"--- {file}\n{file.read_text(errors='replace')[-3000:]}" for file in sorted(files))

    def _evidence(self) -> str:
        """Return how each node sees its cluster, and what it logged last. Nobody can look afterwards."""
        with TemporaryDirectory() as directory:
            try:
                evidence.collect(self.instance(), Path(directory))
            except HalabError as error:
                return str(error)
            files = sorted(Path(directory).glob("*.txt"))
            return "\n".join(f"--- {file.name}\n{file.read_text()[-5000:]}" for file in files)

    def container(self, node: str) -> str:
        """Return the name of a node's container on the host, whether it exists or not."""
        return f"halab-{name_on_host(instances_dir() / self.name)}-{node}"

    def argv(self, *arguments: str) -> list[str]:
        return [*self._enter, sys.executable, "-m", "invoke", "--search-root", str(ROOT), *self._select, *arguments]

    def json(self, *arguments: str, expect: int = 0, timeout: float = 400) -> Any:
        return json.loads(self._run((*arguments, "--json"), expect, timeout).stdout)

    def instance(self) -> Instance:
        return Instance.open(self.name)


def addresses_of_host(enter: Sequence[str] = ()) -> str:
    """Return what `ip address` prints on a host: a line for each address."""
    return subprocess.run([*enter, "ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
