"""Limits on what the kernel counts by user, and not by cgroup.

The roots of all containers are one user to it, so one node could use up what the others need. Here a container gets a
part of it, in its user namespace, or nothing where no node needs any.

What costs a node memory that is counted as its own, and has no such limit, is raised for all instead
(halab/providers/limits.py).
"""

import json
from pathlib import Path

from halab.kit.process import must

# user_namespaces(7), /proc/sys/user. Each user of a node may have as many; all that it has is the host root's as well.
USER_LIMITS = {
    "max_inotify_instances": 1024,  # a node with a running cluster has about 20
    "max_inotify_watches": 65_536,
    "max_fanotify_groups": 128,
    "max_fanotify_marks": 65_536,
    "max_cgroup_namespaces": 256,  # systemd makes namespaces for its units: a node has less than 10 of each kind
    "max_ipc_namespaces": 256,
    "max_mnt_namespaces": 256,
    "max_net_namespaces": 64,
    "max_pid_namespaces": 256,
    "max_time_namespaces": 64,
    "max_user_namespaces": 64,
    "max_uts_namespaces": 256,
}
PROFILES = ("/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json")  # podman's own, see podman-info(1)
# keyrings(7): 200 keys for all nodes together by default; systemd goes on without (systemd.exec(5), KeyringMode=)
NO_KEYRINGS = ("add_key", "keyctl", "request_key")
LOG = ("--log-driver=k8s-file", "--log-opt=max-size=1mb")  # of what a node writes to its console, on the host's disk


def podman_options(directory: Path) -> list[str]:
    """Return options for `podman create`. What they name a file for is written to `directory`."""
    options = []
    if own := _profile():
        profile = directory / "seccomp.json"
        profile.write_text(without_keyrings(own.read_text()))
        options.append(f"--security-opt=seccomp={profile}")
    return [*options, *LOG]


def without_keyrings(profile: str) -> str:
    """Return a seccomp profile that refuses calls which make or read keys, as if the kernel had none."""
    told = json.loads(profile)
    for rule in told["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in NO_KEYRINGS]
    refused = {"names": list(NO_KEYRINGS), "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "errno": "ENOSYS"}
    told["syscalls"] = [*(rule for rule in told["syscalls"] if rule["names"]), refused]
    return json.dumps(told)


def confine(pid: int) -> None:
    """Limit the user namespace of a process. Root in it cannot raise that again, as it has no CAP_SYS_RESOURCE."""
    wanted = [f"{name} {most}" for name, most in USER_LIMITS.items()]
    script = "cd /proc/sys/user; while read name most; do [ ! -e $name ] || echo $most > $name; done"
    must(["nsenter", f"--target={pid}", "--user", "sh", "-e", "-c", script], input="\n".join([*wanted, ""]))


def impossible() -> list[str]:
    """Return what cannot be limited on this host, and why, a sentence each."""
    if _profile():
        return []
    return [f"the keyrings of a node cannot be limited on this host: podman has no seccomp profile at {PROFILES[1]}"]


def _profile() -> Path | None:
    return next((Path(profile) for profile in PROFILES if Path(profile).exists()), None)
