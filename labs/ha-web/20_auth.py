"""Let the nodes trust each other

From here on you type on one node and pcs does the work on all of them. For that, pcsd on
every node must know that it is you who asks. The package has made a user for this,
hacluster, with no password that would work: so give it one, the same on every node.
Then `pcs host auth` logs in to each node once with that password and keeps a token, which
is all that later commands need (/var/lib/pcsd/known-hosts). Both commands ask at a prompt;
a password on the command line would stay in the shell's history.

Look for a line "nodeN: Authorized" for each node, its own name included.

What goes wrong in practice:

    "Unable to authenticate"   the password is not the same on all nodes, or was never set
    "Unable to communicate"    pcsd does not run there, or its firewall keeps 2224/tcp shut
    "Unable to resolve"        the name is neither in /etc/hosts nor in the DNS

A cluster should not need the DNS to find its own members: the nodes of this lab know each
other from /etc/hosts. Look there, too, for the trap of a node's own name standing beside
127.0.0.1 or 127.0.1.1: pcs gives names to Corosync, which then talks to itself.

hacluster can do to a cluster whatever root can. In production its password belongs in the
same safe as root's. See pcs(8), "host auth".
"""

from halab.conditions import Lab, authorized


def perform(lab: Lab) -> None:
    password = lab.credentials.hacluster
    for node in lab.nodes:
        node.type("passwd hacluster", answers={r"New password: ": password, r"Retype new password: ": password})
    names = " ".join(node.name for node in lab.nodes)
    lab.nodes[0].type(f"pcs host auth {names}", answers={r"Username: ": "hacluster", r"Password: ": password})


def verify(lab: Lab) -> None:
    names = " ".join(node.name for node in lab.nodes)
    lab.check(
        "pcs on one node may drive every node",
        authorized(),
        hint=(
            f"on {lab.nodes[0].name}: pcs pcsd status {names}",
            "hacluster needs the same password on every node: passwd hacluster, on each",
            f"on {lab.nodes[0].name}: pcs host auth {names}, as the user hacluster",
        ),
    )
