"""What a step types so that root of one machine is let in on another one."""

from halab.conditions.lab import Node


def let_in(node: Node, other: Node) -> None:
    """Let root of a node in on another machine, with the key that the node has."""
    key = node.type("cat ~/.ssh/id_ed25519.pub").strip()
    other.type("mkdir -p -m 700 ~/.ssh")
    other.type(f"echo '{key}' >> ~/.ssh/authorized_keys")
    node.type(f"ssh -o StrictHostKeyChecking=accept-new {other.name} hostname")
