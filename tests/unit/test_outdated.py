"""What is typed in labs and advised in hints is nothing that pcs 0.12 warns of, on whichever distro a lab is proven."""

import re

import pytest

from halab.kit.paths import LABS, ROOT

# What pcs 0.12.0.2 calls deprecated, in its code
WARNED_OF = {
    "resource create: --group, --before, --after": r"--(group|before|after)\b",
    "resource or stonith: --wait": r"pcs (resource|stonith) [^\n;]*--wait",
    "constraint location remove": r"constraint location (remove|delete)\b",
    "a score that is only a number": r"colocation add [^\n]* with [^\n]* [-+]?(INFINITY|\d+)\b",
    "--force where --yes is meant": r"pcs (stonith confirm|stonith sbd device setup|cluster destroy)\b[^\n]*--force",
    "property: --defaults": r"pcs property [^\n]*--defaults",
}
TYPED = [
    *LABS.rglob("*.py"),
    *LABS.rglob("*.md"),
    *(ROOT / "halab").rglob("*.py"),
    *(ROOT / "provision").rglob("*.j2"),
    *(ROOT / "provision").rglob("*.toml"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "bench").iterdir(),
    ROOT / "README.md",
]


def outdated(text: str) -> list[str]:
    return [what for what, pattern in WARNED_OF.items() if re.search(pattern, text)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pcs resource create ip ocf:heartbeat:IPaddr2 --group service", list(WARNED_OF)[:1]),
        ("pcs resource move virtual_ip node2 --wait=60", list(WARNED_OF)[1:2]),
        ("pcs constraint location remove location-virtual_ip-node1-50", list(WARNED_OF)[2:3]),
        ("pcs constraint colocation add webserver with virtual_ip INFINITY", list(WARNED_OF)[3:4]),
        ("pcs stonith confirm node2 --force", list(WARNED_OF)[4:5]),
        ("pcs property config --defaults", list(WARNED_OF)[5:]),
        ("pcs constraint colocation add webserver with virtual_ip score=INFINITY", []),
        ("pcs cluster start --all --wait=60; inv measure partition --groups node1/node2", []),
    ],
)
def test_what_pcs_warns_of_is_recognized(line: str, found: list[str]) -> None:
    assert outdated(line) == found


def test_nothing_is_typed_or_advised_that_pcs_warns_of() -> None:
    found = {str(path.relative_to(ROOT)): outdated(path.read_text()) for path in TYPED if path.is_file()}

    assert {path: what for path, what in found.items() if what} == {}
    assert len(found) > 100
