"""What a distro's programs need of the processor that they run on: one of the levels of x86-64.

The levels and their features are in the x86-64 psABI, "Micro-Architecture Levels". The names of features are those of
/proc/cpuinfo.
"""

import platform
from pathlib import Path

from halab.spec.distros import Distro

LEVELS = {
    "x86-64-v2": {"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"},  # pni is SSE3
    "x86-64-v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},  # abm has LZCNT
}
# QEMU's models that have them where it emulates: AVX2 since QEMU 7.2
MODELS = {"x86-64-v2": "Nehalem", "x86-64-v3": "Haswell-noTSX"}


def refusal(distro: Distro, cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Return a sentence when this host's processor cannot run the programs of `distro`, as containers do.

    So does who makes the package pool of emulated machines.
    """
    if distro.processor is None or platform.machine() != "x86_64":
        return None
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "").split()
    below = list(LEVELS)[: list(LEVELS).index(distro.processor) + 1]
    if lacking := sorted(set().union(*(LEVELS[level] for level in below)) - set(flags)):
        return f"it needs a processor of {distro.processor}, and this host's lacks {', '.join(lacking)}"
    return None


def emulated(distro: Distro) -> str:
    """Return the model of a processor that QEMU emulates for the machines of `distro`."""
    return MODELS[distro.processor or "x86-64-v2"]
