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


def ulimit(kind: int, most: int) -> str:
    """For podman's `--ulimit`: raising one above the host's own needs CAP_SYS_RESOURCE, which a host may lack."""
    hard = resource.getrlimit(kind)[1]
    value = most if hard == resource.RLIM_INFINITY else min(hard, most)
    return f"{value}:{value}"
