"""Let the nodes trust each other

TODO
"""

from halab.conditions import authorized


def perform(lab):
    password = lab.credentials.hacluster
    for node in lab.nodes:
        node.type("passwd hacluster", answers={r"New password: ": password, r"Retype new password: ": password})
    names = " ".join(node.name for node in lab.nodes)
    lab.nodes[0].type(f"pcs host auth {names}", answers={r"Username: ": "hacluster", r"Password: ": password})


def verify(lab):
    lab.check("pcs on one node may drive every node", authorized(), within=10, hint="pcs host auth, as the user hacluster")
