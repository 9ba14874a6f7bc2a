"""What the kernel allows container nodes: all of a host together, and each."""

import resource
from collections.abc import Callable
from pathlib import Path

from halab.kit.errors import LabError

# The kernel counts these for all nodes of a host together, as they are one user to it, or for the whole host: so one
# node could use up what the others need. The memory that they take is counted as the node's own, which is limited
# (providers/podman_limits.py): so they are raised beyond what the memory of all nodes is enough for.
PLENTY = 2**31 - 1  # the most that the kernel takes for some of these
LIMITS = {
    "fs.inotify.max_user_instances": PLENTY,  # inotify(7)
    "fs.inotify.max_user_watches": PLENTY,
    "fs.epoll.max_user_watches": PLENTY,  # epoll(7)
    "fs.pipe-user-pages-soft": PLENTY,  # pipe(7): beyond it a new pipe has one page; 0 is no limit
    "fs.file-max": PLENTY,  # proc_sys_fs(5)
    "fs.aio-max-nr": PLENTY,
    "kernel.pid_max": 2**22,  # proc_sys_kernel(5): the most there can be
}
UNLIMITED = {"fs.pipe-user-pages-soft": 0}

MOST = {
    "nofile": 1_048_576,
    "nproc": 32_768,
    "sigpending": 4096,  # of all that a user's processes have together, and all nodes are one user
    "msgqueue": 0,  # likewise: POSIX message queues, which nothing of a cluster uses
}
KINDS = {  # as podman-create(1) names them -> getrlimit(2)
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
    """Raise what the kernel allows all container nodes of a host together, where one of them could use it up.

    What this kernel does not limit is left out. Raises LabError when a limit may not be changed.
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
    """What each process of a node, or of an image's making, may have, by kind of limit, as SOFT:HARD (-1: no limit):
    of what MOST has what labs need, as far as the host allows it, and of all else what the host's own processes have.

    Raising a limit above the host's own needs CAP_SYS_RESOURCE, which a host may lack. Podman 5 asks for more by
    itself, and default_ulimits in containers.conf(5) may ask for more of any kind, so each is named.
    """
    return {name: _bound(kind, MOST.get(name)) for name, kind in KINDS.items()}


def ulimits() -> list[str]:
    """These as podman's options."""
    return [f"--ulimit={name}={bound}" for name, bound in bounds().items()]


def _bound(kind: int, most: int | None) -> str:
    soft, hard = resource.getrlimit(kind)
    if most is not None:
        soft = hard = most if hard == resource.RLIM_INFINITY else min(hard, most)
    return f"{soft}:{hard}"
