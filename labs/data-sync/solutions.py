"""What only seems to pass each step."""

from halab.conditions import Lab
from halab.proof import EVERY_CHECK, REFERENCE, Solution, out_of_service


def folder_only(lab: Lab) -> None:
    """nginx is not told of the folder, and nobody writes or measures."""
    for node in lab.nodes[:2]:
        node.type(lab.distro.commands.take_writes[0])
    out_of_service(lab)


def nothing_started(lab: Lab) -> None:
    """Keys that nobody lets in, timers that nobody starts, and a power cut that nobody measures."""
    for node in lab.nodes[:2]:
        node.type("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        node.type("printf '%s\\n' '[Service]' ExecStart=/bin/true > /etc/systemd/system/push-counter.service")
        node.type(
            "printf '%s\\n' '[Timer]' OnUnitActiveSec=10 '[Install]' WantedBy=timers.target "
            "> /etc/systemd/system/push-counter.timer"
        )
        node.type("systemctl daemon-reload")
    out_of_service(lab)


def by_systemd(lab: Lab) -> None:
    """lsyncd is left to systemd, on both nodes, where the timer goes on; and what is not at the source is deleted."""
    for node in lab.nodes[:2]:
        node.type(f"sed -i 's/delete = false, //' {lab.distro.paths.lsyncd_config}")
        node.type("systemctl enable lsyncd push-counter.timer")
    out_of_service(lab, "mirror")


def let_go(lab: Lab) -> None:
    """Neither cluster nor systemd mounts the share, and what was written is gone."""
    out_of_service(lab, "data")
    for node in lab.nodes[:2]:
        node.type("systemctl disable --now srv-share.mount")
    lab.nodes[2].type("find /srv/counter -type f -delete")


SOLUTIONS = {
    "differ": (Solution("a folder, and no more", folder_only, fails=EVERY_CHECK),),
    "rsync": (Solution("nothing started", nothing_started, fails=EVERY_CHECK),),
    "lsyncd": (Solution("by systemd", by_systemd, fails=EVERY_CHECK, after=REFERENCE),),
    "shared": (Solution("let go", let_go, fails=EVERY_CHECK, after=REFERENCE),),
}
