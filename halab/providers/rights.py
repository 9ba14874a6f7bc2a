"""What this process may do on its host: making nodes takes more than a container usually lets its root do."""

import os
from pathlib import Path

# What makes namespaces, mounts and networks: bits in /proc/PID/status (capabilities(7), linux/capability.h)
NEEDED = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}


def no_nodes_because(*, status: Path = Path("/proc/self/status")) -> str | None:
    """Return why this process may make no nodes, and what to do about it; None when it may."""
    if os.geteuid() != 0:
        return "networks of the instance's own need root; become root and type the same again"
    effective = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    lacking = [name for name, bit in NEEDED.items() if not int(effective, 16) >> bit & 1]
    if not lacking:
        return None
    return (
        f"root lacks {' and '.join(lacking)} here, as in a container, so it may make no namespaces and no networks; "
        "start the container with --privileged, or use a machine"
    )
