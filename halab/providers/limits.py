"""What the kernel allows container nodes: all nodes of a host together, and each node."""

import resource
from collections.abc import Callable
from pathlib import Path

from halab.kit.errors import LabError

# The kernel counts these for all nodes of a host together, as they are one user to it, or for the whole host. So one
# node could use up what the others need. The memory behind them is counted as the node's own, which is limited
# (providers/podman/cgroups.py). So these limits are raised beyond what the memory of all nodes suffices for.
PLENTY = 2**31 - 1  # the most that the kernel accepts for some of these
LIMITS = {
    "fs.inotify.max_user_instances": PLENTY,  # inotify(7)
    "fs.inotify.max_user_watches": PLENTY,
    "fs.epoll.max_user_watches": PLENTY,  # epoll(7)
    "fs.pipe-user-pages-soft": PLENTY,  # pipe(7): beyond it a new pipe has one page; 0 means no limit
    "fs.file-max": PLENTY,  # proc_sys_fs(5)
    "fs.aio-max-nr": PLENTY,
    "kernel.pid_max": 2**22,  # proc_sys_kernel(5): the highest value
}
UNLIMITED = {"fs.pipe-user-pages-soft": 0}

MOST = {
    "nofile": 1_048_576,
    "nproc": 32_768,
    "sigpending": 4096,  # for all processes of a user together, and all nodes are one user
    "msgqueue": 0,  # likewise: POSIX message queues, which nothing in a cluster uses
    # No kernel since 2.4 heeds this (setrlimit(2)). Slurm gives each job what it asks for, so it is what the smallest
    # asks for: a job of another may start a node then, or visit it
    "rss": 2**20,
}
KINDS = {  # name in podman-create(1) -> limit of getrlimit(2)
    "core": resource.RLIMIT_CORE,
    "cpu": resource.RLIMIT_CPU,
    "data": resource.RLIMIT_DATA,
    "fsize": resource.RLIMIT_FSIZE,
    "locks": 10,  # RLIMIT_LOCKS, which Python does not name
    "memlock": resource.RLIMIT_MEMLOCK,
    "msgqueue": resource.RLIMIT_MSGQUEUE,
    "nice": resource.RLIMIT_NICE,
    "nofile": resource.RLIMIT_NOFILE,
    "nproc": resource.RLIMIT_NPROC,
    "rss": resource.RLIMIT_RSS,
    "rtprio": resource.RLIMIT_RTPRIO,
    "rttime": resource.RLIMIT_RTTIME,
    "sigpending": resource.RLIMIT_SIGPENDING,
    "stack": resource.RLIMIT_STACK,
}


def raise_limits(say: Callable[[str], None], sysctls: Path = Path("/proc/sys")) -> None:
    """Raise the limits that all container nodes of a host share, so that no node can use them up.

    A limit that this kernel does not have is left out. Raises LabError when a limit may not be changed.
    """
    raised = []
    for limit, least in LIMITS.items():
        file = sysctls / limit.replace(".", "/")
        if not file.exists() or (now := int(file.read_text())) >= least or now == UNLIMITED.get(limit):
            continue
        try:
            file.write_text(str(least))
        except OSError as error:
            raise LabError(
                f"{limit} is {now}, and may not be raised ({error.strerror}); try: sysctl -w {limit}={least}"
            ) from error
        raised.append(f"{limit} (was {now})")
    if raised:
        say(f"raised until the next boot, as all nodes share it, and each has a limit of its own: {', '.join(raised)}")


def bounds() -> dict[str, str]:
    """Return, by kind of limit, what each process of a node, or of making an image, may have: SOFT:HARD (-1: no limit).

    Kinds in MOST get what labs need, as far as the host allows it. All others get what the host's own processes have:
    raising a limit above that needs CAP_SYS_RESOURCE, which a host may lack. Every kind is named, because Podman 5 asks
    for more by itself, and default_ulimits in containers.conf(5) may do so for any kind.
    """
    return {name: _bound(kind, MOST.get(name)) for name, kind in KINDS.items()}


def ulimits() -> list[str]:
    """Return the bounds as options of podman."""
    return [f"--ulimit={name}={bound}" for name, bound in bounds().items()]


def _bound(kind: int, most: int | None) -> str:
    soft, hard = resource.getrlimit(kind)
    if most is not None:
        soft = hard = most if hard == resource.RLIM_INFINITY else min(hard, most)
    return f"{soft}:{hard}"
