"""`inv ssh-config`: how ssh, scp and what is built on them reach the nodes, as `vagrant ssh-config` says of machines.

The lab's networks are not the host's, so ssh talks with an sshd that is started for it on the node, through pipes. That
needs no network, no running sshd and nothing on the node's disk: the sshd is told the only key that it is to let in.
Run as a program, this is that ssh's ProxyCommand.
"""

import os
import shlex
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from halab.exams.draw import paper_of
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.kit.errors import HalabError, LabError
from halab.kit.files import write_atomically
from halab.kit.paths import ROOT, state_dir
from halab.providers import SYSTEM_PATH

OPTIONS = {
    "User": "root",
    "StrictHostKeyChecking": "no",  # there is no network between, and a node that is made anew has another key
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "PasswordAuthentication": "no",
    "IdentitiesOnly": "yes",
}
# Its own settings, whatever the node's sshd_config says; the key is told by echo(1), as a file would be the learner's
SERVE = """
mkdir -p /run/sshd
exec $(command -v sshd) -i -f /dev/null -o UsePAM=yes -o PermitRootLogin=yes -o PasswordAuthentication=no \
    -o KbdInteractiveAuthentication=no -o X11Forwarding=no -o "Subsystem=sftp internal-sftp" \
    -o AuthorizedKeysFile=none -o AuthorizedKeysCommandUser=root -o "AuthorizedKeysCommand=/bin/echo $1"
"""


def text(instance: Instance) -> str:
    """Return a `Host` for each node, by its name, and by the instance's and its own. Makes the key if there is none."""
    _refuse_recorded(instance)
    key = _key(instance)
    lines = [f"# The nodes of {instance.name}. To the workstation: inv ssh workstation"]
    for node in instance.spec.nodes:
        environment = [f"XDG_STATE_HOME={state_dir().parent}", f"PYTHONPATH={ROOT}"]
        proxy = ["env", *environment, sys.executable, "-m", "halab.cli.ssh_config", instance.name, node.name]
        lines.append(f"Host {node.name} {instance.name}-{node.name}")
        options = {
            "HostName": node.name,
            **OPTIONS,
            "IdentityFile": f'"{key}"'.replace("%", "%%"),
            "ProxyCommand": shlex.join(proxy).replace("%", "%%"),
        }
        lines += [f"  {option} {value}" for option, value in options.items()]
    return "\n".join(lines) + "\n"


def _key(instance: Instance) -> Path:
    """Return the file of the instance's own private key. It goes with the instance."""
    file = instance.directory / "ssh-key"
    if not file.exists():
        key = Ed25519PrivateKey.generate()
        write_atomically(file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return file


def _serve_argv(instance: Instance, node: str) -> list[str]:
    """Return the host's command that is an sshd on a node, on its standard input and output."""
    _refuse_recorded(instance)
    states = instance.provider.power_states()
    if node not in states or states[node] != "on":
        raise LabError(f"{node} is not reachable: it is {states.get(node, 'no node')}")
    key = load_ssh_private_key(_key(instance).read_bytes(), None).public_key()
    public = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return instance.provider.console_argv(
        node, ["sh", "-c", SERVE, "sh", public], {"PATH": SYSTEM_PATH}, terminal=False
    )


def _refuse_recorded(instance: Instance) -> None:
    if instance.state.sitting and paper_of(instance.folder).file.recording:
        raise LabError(f"the shells of {instance.folder.name} are recorded, so they are opened with: inv ssh NODE")


def main(name: str, node: str) -> None:
    """Become the ProxyCommand of a connection to a node."""
    try:
        instance = Instance.open(name)
        argv = _serve_argv(instance, node)
        by_hand.note(instance)
    except HalabError as error:
        print(f"halab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    os.environ["HALAB_MARK"] = by_hand.shell_mark(instance, node)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(*sys.argv[1:])
