"""Faults of what runs on a node, made by commands on it."""

from collections.abc import Callable

from halab.errors import LabError
from halab.faults import Fault, Scene

Act = Callable[[Scene], None]
HOG = "halab-hog"


def _sh(script: str, *, may_fail: bool = False) -> Act:
    """Run a shell script on the node; `{...}` in it stands for paths of the distro."""

    def act(scene: Scene) -> None:
        if scene.node.power() != "on" and may_fail:
            return
        result = scene.node.run("sh", "-c", script.format(config=scene.distro.paths.web_config), timeout=120)
        if not result.ok and not may_fail:
            raise LabError(f"{scene.node.name}: {result.last_line()}")

    return act


def _kill(process: str) -> Act:
    return _sh(f"pkill -KILL --exact {process[:15]}")  # all of a name that Linux keeps, see proc(5), comm


def _join_again(scene: Scene) -> None:
    """A node whose daemons died is fenced, where fencing is on, and then boots and joins by itself."""
    if scene.node.power() == "on":
        scene.node.wait_booted()
        scene.node.run("pcs", "cluster", "start", timeout=120)


BREAK_CONFIG = """\
test -e {config}.halab || cp --preserve {config} {config}.halab
echo 'this is no directive' > {config}
pkill -KILL --exact nginx"""
MEND_CONFIG = """\
test -e {config}.halab && mv {config}.halab {config}
for resource in $(crm_mon --output-as=xml | grep --only-matching 'resource id="[^"]*"' | cut -d '"' -f 2); do
    pcs resource cleanup $resource
done"""
# A container's /var is on the host's own disk, and a machine's may be large: so what fills up is a copy in memory
FULL = "/run/halab-full"
FILL = f"""\
mkdir -p {FULL} && mount -t tmpfs -o size=$(($(du -skx /var | cut -f 1) + 2048))k tmpfs {FULL} &&
cp --archive --one-file-system /var/. {FULL} && mount --bind {FULL} /var || exit
dd if=/dev/zero of=/var/full bs=1k 2>/dev/null
! (echo more > /var/more) 2>/dev/null"""
EMPTY = f"umount --lazy /var && umount --lazy {FULL}"
FAULTS = (
    Fault("kill-corosync", "corosync dies of SIGKILL", _kill("corosync"), _join_again),
    Fault("kill-pacemaker", "pacemakerd dies of SIGKILL; systemd starts it again", _kill("pacemakerd"), _join_again),
    Fault("kill-controld", "Pacemaker's controller dies of SIGKILL", _kill("pacemaker-controld"), _join_again),
    Fault("service-crash", "nginx dies of SIGKILL", _kill("nginx"), lambda scene: None),
    Fault(
        "service-hang",
        "nginx is stopped by SIGSTOP: it accepts connections, and never answers",
        _sh("pkill -STOP --exact nginx"),
        _sh("pkill -CONT --exact nginx", may_fail=True),
    ),
    Fault(
        "service-broken",
        "nginx dies, and its configuration is invalid, so it cannot be started",
        _sh(BREAK_CONFIG),
        _sh(MEND_CONFIG, may_fail=True),
    ),
    Fault(
        "firewall-closed",
        "the firewall has no opening for cluster traffic and HTTP any more, until it reloads",
        _sh("firewall-cmd --remove-service=high-availability --remove-service=http"),
        _sh("firewall-cmd --reload", may_fail=True),
    ),
    Fault(
        "disk-full",
        "the file system with /var has no room left",
        _sh(FILL),
        _sh(EMPTY, may_fail=True),
    ),
    Fault(
        "cpu-hog",
        "as many busy loops as the node has processors, and as many again",
        _sh(
            f"systemctl reset-failed {HOG} 2>/dev/null; systemd-run --quiet --collect --unit={HOG} "
            "sh -c 'for i in $(seq $(($(nproc) * 2))); do while :; do :; done & done; wait'"
        ),
        _sh(f"systemctl stop {HOG}", may_fail=True),
    ),
)
