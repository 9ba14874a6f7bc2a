"""What is kept of a failure: cluster status, configuration and journals of every node, in one directory."""

from pathlib import Path

from halab.instance.instance import Instance
from halab.kit.errors import HalabError
from halab.kit.printable import printable

COMMANDS = {
    "crm_mon.xml": ("crm_mon", "--output-as=xml", "--inactive"),
    "pcs-status.txt": ("pcs", "status", "--full"),
    "cib.xml": ("cibadmin", "--query"),
    "journal.txt": ("journalctl", "--boot", "--no-pager", "--lines=500"),
    "addresses.txt": ("ip", "address", "show"),
}


def collect(instance: Instance, directory: Path) -> None:
    """Write each command's output to `directory`/NODE-NAME; what cannot be had is written as the reason."""
    directory.mkdir(parents=True, exist_ok=True)
    for node in instance.spec.nodes:
        for name, argv in COMMANDS.items():
            (directory / f"{node.name}-{name}").write_text(printable(_output(instance, node.name, argv)))


def _output(instance: Instance, node: str, argv: tuple[str, ...]) -> str:
    try:
        result = instance.provider.ask(node, argv, timeout=20)
    except HalabError as error:
        return f"{error}\n"
    return result.stdout + result.stderr
