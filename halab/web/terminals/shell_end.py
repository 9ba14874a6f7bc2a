"""Prints why a shell on a node has ended: `python -m halab.web.terminals.shell_end INSTANCE NODE BOOT`.

It is a program of its own, as what has the shell imports little, and the page's server may not run just then.
"""

import json
import sys

from halab.instance import shell_ends
from halab.instance.instance import Instance


def main(instance_name: str, node: str, boot: str) -> None:
    """Print JSON: `because`, and `power`, which is `off` if the node has lost it, also when it has it again by now."""
    instance = Instance.open(instance_name)
    ended = shell_ends.ended_by(instance, node, boot)
    because = f"{ended}: this shell ended with it." if ended else ""
    power = "off" if ended else instance.provider.power_states()[node]
    print(json.dumps({"because": because, "power": power}))


if __name__ == "__main__":
    main(*sys.argv[1:])
