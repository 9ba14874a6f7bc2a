"""The process behind one BMC: `python -m halab.instance.bmcd INSTANCE NODE`, on the instance's workstation."""

import os
import sys

from halab.instance.bmc import NodeBmc
from halab.instance.instance import Instance


def main(instance_name: str, node_name: str) -> None:
    # The mark is this process's own; what it starts (a node it powers on) must not be taken for a BMC.
    os.environ.pop("HALAB_MARK", None)
    instance = Instance.open(instance_name)
    spec = instance.spec
    node = next(node for node in spec.nodes if node.name == node_name)
    account = spec.credentials.model_copy(update={"bmc_password": instance.bmc_password(node_name)})
    NodeBmc(node, account, instance.provider, instance.bmc_log(node_name))
    NodeBmc.listen()


if __name__ == "__main__":
    main(*sys.argv[1:])
