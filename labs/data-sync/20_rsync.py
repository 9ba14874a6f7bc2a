"""Copy it every ten seconds: rsync over ssh, started by a timer

The simplest remedy: the active node copies its folder to the other one, again and again. rsync sends
only what is new; ssh carries it, with a key without a passphrase, as nobody is there to type one. A
systemd timer starts it every ten seconds, and, other than cron, never twice at the same time.

Which way? From the active node to the other one: the script asks who has the virtual IP. Without that
both push to each other, and a node that comes back after a failover overwrites the new with the old.
For the same reason no --delete: what the survivor does not have it would delete on the node that has
the only copy. --update leaves alone what is newer there.

What is lost in a power cut is what was written since the last copy: up to ten seconds, and the
client was told 201 for it. The measurement counts them. Is that acceptable? For pages that are
deployed once a day it is plenty; for orders it is not. That is not for the cluster to decide.

In practice also: a copy that fails is noticed by nobody (systemctl --failed; watch it), a file that
is being written is copied as it is, and a disk that fills up on one node fills on both.
"""

from halab.conditions import Lab, active, command, enabled, fencing, measured, online, served_by_owner
from halab.walk.ssh_keys import let_in

FOLDER = "/counter/"
SECONDS = 10
SCRIPT = "/usr/local/sbin/push-counter"
UNITS = "/etc/systemd/system/push-counter"


def perform(lab: Lab) -> None:
    one, two, _ = lab.nodes
    counter = lab.distro.paths.counter
    for node, other in ((one, two), (two, one)):
        node.type("test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        let_in(node, other)
        push = f"rsync --archive --update {counter}/ {other.name}:{counter}/"
        node.type(f"printf '%s\\n' '#!/bin/sh' 'ip address show | grep -q {lab.vip}/ || exit 0' '{push}' > {SCRIPT}")
        node.type(f"chmod 755 {SCRIPT}")
        node.type(f"printf '%s\\n' '[Service]' Type=oneshot ExecStart={SCRIPT} > {UNITS}.service")
        node.type(
            f"printf '%s\\n' '[Timer]' OnActiveSec=1 OnUnitActiveSec={SECONDS} AccuracySec=1 "
            f"'[Install]' WantedBy=timers.target > {UNITS}.timer"
        )
        node.type("systemctl daemon-reload")
        node.type("systemctl enable --now push-counter.timer")
    lab.where("virtual_ip").type("systemctl start push-counter.service")
    lab.measure("power-cut", writes=FOLDER)


def verify(lab: Lab) -> None:
    one, two, _ = lab.nodes
    lab.check("two nodes are online", online(one, two), within=120)
    lab.check("fencing is on", fencing(True))
    for node, other in ((one, two), (two, one)):
        lab.check(
            f"{node.name} reaches {other.name} by ssh, without a password",
            command(node, f"ssh -o BatchMode=yes -o ConnectTimeout=5 {other.name} true"),
            hint=(
                f"on {node.name}: ssh -v {other.name}",
                f"the public key of {node.name} belongs into ~/.ssh/authorized_keys of {other.name}",
            ),
        )
        lab.check(f"the timer runs on {node.name}", active(node, "push-counter.timer"))
        lab.check(f"the timer starts when {node.name} boots", enabled(node, "push-counter.timer"))
    lab.check(
        f"a power cut was measured in which not much more than {SECONDS} s of writes were lost",
        measured("power-cut", fencing=True, recovery_point=SECONDS + 3),
        hint=(
            "inv measure power-cut --writes /counter/ tells how many acknowledged writes were lost",
            "on the active node: systemctl list-timers; journalctl -u push-counter; does a new file arrive?",
        ),
    )
    lab.check("the service answers, from the node that has the address", served_by_owner("virtual_ip"), within=60)
