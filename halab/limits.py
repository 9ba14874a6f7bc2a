"""What the kernel allows container nodes: all of a host together, and each."""

import resource
from collections.abc import Callable
from pathlib import Path

from halab.errors import LabError

LIMITS = {  # sysctl -> what a hundred nodes need, with room to spare; and what of
    "fs.inotify.max_user_instances": (4096, "inotify instances"),  # inotify(7)
    "kernel.keys.maxkeys": (4096, "keyrings"),  # keyrings(7)
    "kernel.keys.maxbytes": (400_000, "bytes of keyrings"),
}

MOST = {"nofile": 1_048_576, "nproc": 32_768}
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
    """Raise what the kernel allows all container nodes of a host together, where it is less than a classroom needs.

    They are one user to the kernel, and each systemd takes a dozen of each. Beyond the limit a node's systemd hangs as
    it boots, or ends at once, and says nothing. Raises LabError when the limits may not be changed.
    """
    for limit, (least, what) in LIMITS.items():
        file = sysctls / limit.replace(".", "/")
        now = int(file.read_text())
        if now >= least:
            continue
        say(f"raising {limit} from {now} to {least}, until the next boot: it limits the {what} of all nodes together")
        try:
            file.write_text(str(least))
        except OSError as error:
            raise LabError(
                f"{limit} is {now}, and may not be raised ({error.strerror}); try: sysctl -w {limit}={least}"
            ) from error


def bounds() -> dict[str, str]:
    """What each process of a node, or of an image's making, may have, by kind of limit, as SOFT:HARD (-1: no limit):
    of files and processes what labs need, as far as the host allows it, and of all else what the host's own processes
    have.

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
