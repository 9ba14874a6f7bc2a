"""Commands and terminals on virtual machines, over ssh on Vagrant's own network.

Opening a connection takes seconds where machines are emulated. So one connection to each machine is kept open, and
shared. It belongs to one start of the machine: its socket is named after libvirt's number of that start.
"""

import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from halab.kit.files import write_atomically
from halab.kit.process import end_daemons, find_daemons, start_daemon
from halab.providers import Followed

OPTIONS = {
    "User": "root",
    "BatchMode": "yes",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "IdentitiesOnly": "yes",
    "ConnectTimeout": "20",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "6",
    "ControlMaster": "no",
}
SSH = ("ssh",)
UNREACHABLE = 255  # exit status (ssh(1)); a command's own may be the same


class Shells:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._config = directory / "ssh.config"

    def know(self, machines: Mapping[str, Mapping[str, str]]) -> None:
        """Remember how each machine is reached. `machines` maps each name to options of ssh_config(5)."""
        lines = []
        for name, options in machines.items():
            lines.append(f"Host {name}")
            lines += [f"    {option} {value}" for option, value in {**options, **OPTIONS}.items()]
        write_atomically(self._config, "\n".join(lines) + "\n")

    def argv(self, machine: str, start: int, command: str, *, terminal: bool = False) -> list[str]:
        """Return the host's command that runs a shell command on a machine.

        `start` is libvirt's number of the present start.
        """
        socket = self._socket(machine, start)
        flags = ["-tt"] if terminal else ["-T"]
        return [*SSH, "-F", str(self._config), "-o", f"ControlPath={socket}", *flags, machine, "--", command]

    def keep_open(self, machine: str, start: int) -> None:
        """Open the connection that later commands share, unless it is open already. Does not wait for it."""
        mark = self._mark(machine)
        socket = self._socket(machine, start)
        wanted = f"{mark}/{start}"
        there = find_daemons(mark)
        if wanted in there.values():
            return
        if there:
            end_daemons(mark)
        socket.unlink(missing_ok=True)
        argv = [*SSH, "-F", str(self._config), "-o", "ControlMaster=yes", "-o", f"ControlPath={socket}", "-N", machine]
        start_daemon(argv, wanted)

    def hang_up(self, machine: str | None = None) -> None:
        """Close the connection to one machine, or to all."""
        end_daemons(self._mark(machine) if machine else f"{self._directory}/ssh")

    def _mark(self, machine: str) -> str:
        return f"{self._directory}/ssh/{machine}"

    def _socket(self, machine: str, start: int) -> Path:
        return self._directory / f"ssh-{machine}-{start}"


def quoted(argv: Sequence[str], env: Mapping[str, str] = {}) -> str:
    """Return a command as one line for the shell that sshd starts, which is the machine's own.

    That shell runs nothing else, and none of its functions in the program's place.
    """
    settings = [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    return " ".join([*settings, "exec", shlex.join(argv)])


def followed(argv: Sequence[str]) -> Followed:
    """Start the host's command of a program on a machine. The program ends when nobody reads what it prints.

    The machine's own sshd ends it, or the loss of its connection.
    """
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    assert process.stdout  # noqa: S101  # it was asked for
    threading.Thread(target=process.wait, daemon=True).start()
    return Followed(process.stdout, process.kill)
