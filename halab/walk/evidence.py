"""What is kept of a failure: cluster status, configuration and journals of every node, in one directory."""

from itertools import product
from pathlib import Path

from halab.instance.instance import Instance
from halab.kit.errors import HalabError
from halab.kit.parallel import for_each
from halab.kit.printable import printable

COMMANDS = {
    "crm_mon.xml": ("crm_mon", "--output-as=xml", "--inactive"),
    "pcs-status.txt": ("pcs", "status", "--full", "--request-timeout=3"),
    "cib.xml": ("cibadmin", "--query"),
    "journal.txt": ("journalctl", "--no-pager", "--lines=500"),
    "addresses.txt": ("ip", "address", "show"),
}


def collect(instance: Instance, directory: Path) -> None:
    """Write each command's output to `directory`/NODE-NAME; what cannot be had is written as the reason."""
    directory.mkdir(parents=True, exist_ok=True)

    def write(wanted: tuple[str, str]) -> None:
        node, name = wanted
        (directory / f"{node}-{name}").write_text(printable(_output(instance, node, COMMANDS[name])))

    for_each(product([node.name for node in instance.spec.nodes], COMMANDS), write)


def _output(instance: Instance, node: str, argv: tuple[str, ...]) -> str:
    try:
        result = instance.provider.ask(node, argv, timeout=10)
    except HalabError as error:
        return f"{error}\n"
    return result.stdout + result.stderr
