"""The processors that a distro's programs need."""

import platform
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers import images, processor
from halab.spec import distros

HASWELL = (
    "fpu pse tsc msr cx8 cmov mmx fxsr sse sse2 syscall nx lm pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt"
    " aes xsave avx f16c rdrand hypervisor lahf_lm abm fsgsbase bmi1 avx2 smep bmi2 erms"
)
NEHALEM = (
    "fpu pse tsc msr cx8 cmov mmx fxsr sse sse2 syscall nx lm pni ssse3 cx16 sse4_1 sse4_2 popcnt hypervisor lahf_lm"
)
CORE_2 = "fpu pse tsc msr cx8 cmov mmx fxsr sse sse2 syscall nx lm pni ssse3 cx16 lahf_lm"


def of(tmp_path: Path, flags: str) -> Path:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nmodel name\t: some\nflags\t\t: {flags}\nbugs\t\t: some\n\n")
    return cpuinfo


@pytest.fixture(autouse=True)
def _x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.mark.parametrize(
    ("distro", "flags", "lacking"),
    [
        ("rocky10", HASWELL, None),
        ("rocky10", NEHALEM, "abm, avx, avx2, bmi1, bmi2, f16c, fma, movbe, xsave"),
        ("rocky10", HASWELL.replace(" sse4_2", ""), "sse4_2"),
        ("rocky9", NEHALEM, None),
        ("alma9", CORE_2, "popcnt, sse4_1, sse4_2"),
        ("debian12", CORE_2, None),
    ],
)
def test_a_host_is_refused_that_lacks_what_the_programs_need(
    tmp_path: Path, distro: str, flags: str, lacking: str | None
) -> None:
    needed = distros.load(distro)

    refusal = processor.refusal(needed, of(tmp_path, flags))

    expected = f"it needs a processor of {needed.processor}, and this host's lacks {lacking}" if lacking else None
    assert refusal == expected


def test_other_processors_than_x86_64_have_other_names_for_what_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    assert processor.refusal(distros.load("rocky10"), of(tmp_path, "fp asimd")) is None


def test_an_image_is_not_begun_where_its_programs_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "refusal", lambda distro: "it needs another processor")
    rocky = distros.load("rocky10")

    with pytest.raises(LabError, match="rocky10: it needs another processor"):
        images.ensure(rocky, print)

    assert images.available(rocky) == "it needs another processor"
