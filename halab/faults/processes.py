"""Faults of the processes and files on a node, made by commands that run there."""

from collections.abc import Callable

from halab.faults import Fault, NothingToBreak, Scene, is_running
from halab.instance.nodes import Node
from halab.kit.errors import LabError

Act = Callable[[Scene], None]
HOG = "halab-hog"


def _break(script: str) -> Act:
    """Return an `inject` that runs a shell script on the node.

    `{config}` in the script stands for the path of the web server's configuration.
    """

    def act(scene: Scene) -> None:
        result = scene.node.run(*_sh(scene, script), timeout=120)
        if not result.ok:
            raise LabError(f"{scene.node.name}: {result.cause()}")

    return act


def _of(process: str, script: str) -> Act:
    """Return an `inject` that runs a script about a process. It says where the process runs, if not on the node."""
    name = process[:15]  # Linux keeps only 15 characters of a name: proc(5), comm

    def act(scene: Scene) -> None:
        nodes = [Node(spec, scene.instance.provider, lambda text: None) for spec in scene.instance.spec.nodes]
        if not scene.node.run("pgrep", "--exact", name).ok:
            powered = [node for node in nodes if node.power() == "on"]
            places = [node.name for node in powered if node.run("pgrep", "--exact", name).ok]
            elsewhere = f"; it runs on {', '.join(places)}" if places else ", nor on any other node"
            raise NothingToBreak(f"{process} does not run on {scene.node.name}{elsewhere}")
        _break(script.replace("PROCESS", name))(scene)

    return act


def _mend(script: str, *, lasting: bool = False) -> Act:
    """Return a `heal` that runs a shell script, which may fail, on a node that has power.

    The node may be fenced meanwhile: the script then runs once more after the boot. A `lasting` fault is on the node's
    disk and outlives its power.
    """

    def act(scene: Scene) -> None:
        if not is_running(scene):
            if lasting:
                raise LabError(f"{scene.node.name} has no power; try: inv bmc {scene.node.name} on, and inv heal")
            return
        try:
            scene.node.run(*_sh(scene, script), timeout=120)
        except LabError:
            scene.node.wait_booted()
            scene.node.run(*_sh(scene, script), timeout=120)

    return act


def _sh(scene: Scene, script: str) -> tuple[str, ...]:
    return ("sh", "-c", script.format(config=scene.distro.paths.web_config))


def _kill(process: str) -> Act:
    return _of(process, "pkill -KILL --exact PROCESS")


def _join_again(scene: Scene) -> None:
    """Start the cluster on the node again. Where fencing is on, the node is fenced, boots, and joins by itself."""
    if is_running(scene):
        scene.node.wait_booted()
        _mend("pcs cluster start")(scene)


BREAK_CONFIG = """\
test -e {config}.halab || {{ cp --preserve {config} {config}.new && mv {config}.new {config}.halab; }} || exit
echo 'this is no directive' > {config}
pkill -KILL --exact PROCESS"""
MEND_CONFIG = """\
test -e {config}.halab && mv {config}.halab {config}
for resource in $(crm_mon --output-as=xml | grep --only-matching 'resource id="[^"]*"' | cut -d '"' -f 2); do
    pcs resource cleanup $resource
done"""
# A container's /var is on the host's own disk, and a machine's may be large. So a copy of it in memory is what fills
# up.
FULL = "/run/halab-full"
FILL = f"""\
mkdir -p {FULL} && mount -t tmpfs tmpfs {FULL} && cp --archive --one-file-system /var/. {FULL} || exit
used=$(df --output=used --block-size=1K {FULL} | tail --lines=1)
mount -t tmpfs -o remount,size=$((used + 2048))k tmpfs {FULL} && mount --bind {FULL} /var || exit
dd if=/dev/zero of=/var/full bs=1k 2>/dev/null
if (echo more > /var/more) 2>/dev/null; then echo "/var has room left" >&2; exit 1; fi"""
# Both mounts, either one, or none may be there.
EMPTY = f"""\
[ "$(stat --file-system --format=%T /var)" != tmpfs ] || umount --lazy /var
! mountpoint --quiet {FULL} || umount --lazy {FULL}"""
FAULTS = (
    Fault("kill-corosync", "corosync dies of SIGKILL", _kill("corosync"), _join_again),
    Fault("kill-pacemaker", "pacemakerd dies of SIGKILL; systemd starts it again", _kill("pacemakerd"), _join_again),
    Fault("kill-controld", "Pacemaker's controller dies of SIGKILL", _kill("pacemaker-controld"), _join_again),
    Fault("service-crash", "nginx dies of SIGKILL", _kill("nginx"), lambda scene: None),
    Fault(
        "service-hang",
        "nginx is stopped by SIGSTOP: it accepts connections, and never answers",
        _of("nginx", "pkill -STOP --exact PROCESS"),
        _mend("pkill -CONT --exact nginx"),
    ),
    Fault(
        "service-broken",
        "nginx dies, and its configuration is invalid, so it cannot be started",
        _of("nginx", BREAK_CONFIG),
        _mend(MEND_CONFIG, lasting=True),
    ),
    Fault(
        "firewall-closed",
        "the firewall has no opening for cluster traffic and HTTP any more, until it reloads",
        _break("firewall-cmd --remove-service=high-availability --remove-service=http"),
        _mend("firewall-cmd --reload"),
    ),
    Fault(
        "disk-full",
        "the file system with /var has no room left",
        _break(FILL),
        _mend(EMPTY),
    ),
    Fault(
        "cpu-hog",
        "as many busy loops as the node has processors, and as many again",
        _break(
            f"systemctl reset-failed {HOG} 2>/dev/null; systemd-run --quiet --collect --unit={HOG} "
            "sh -c 'for i in $(seq $(($(nproc) * 2))); do while :; do :; done & done; wait'"
        ),
        _mend(f"systemctl stop {HOG}"),
    ),
)
