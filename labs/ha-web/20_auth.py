"""Let the nodes trust each other

TODO
"""

from halab.conditions import command


def perform(lab):
    password = lab.credentials.hacluster
    for node in lab.nodes:
        node.type("passwd hacluster", answers={r"New password: ": password, r"Retype new password: ": password})
    names = " ".join(node.name for node in lab.nodes)
    lab.nodes[0].type(f"pcs host auth {names}", answers={r"Username: ": "hacluster", r"Password: ": password})


def verify(lab):
    for node in lab.nodes:
        lab.check(
            f"{node.name} is authorized to drive every node",
            command(node, "pcs pcsd status --all 2>/dev/null || pcs pcsd status " + " ".join(n.name for n in lab.nodes)),
            within=10,
        )
