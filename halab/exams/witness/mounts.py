"""What is mounted over the places that decide what runs, as the kernel reports it in /proc/PID/mountinfo (proc(5))."""

import re
from dataclasses import dataclass

from halab.exams.witness import Judgement

PLACES = re.compile(
    r"/usr(/local)?|(/usr(/local)?)?/(s?bin|lib\d*|libexec)(/.*)?|/usr/share/(fence|pcsd|pacemaker)(/.*)?"
    r"|/etc(/(ld\.so\..*|alternatives.*|python.*|systemd(/system.*)?))?"
)
QUIET = re.compile(r"/usr/lib/(modules|firmware)(/.*)?")
COVERED_BY_SYSTEMD = "/systemd/inaccessible/"  # systemd.exec(5), InaccessiblePaths: there is nothing there


@dataclass(frozen=True)
class Mount:
    device: str
    root: str  # the part of the file system that is mounted
    point: str


def parse(text: str) -> list[Mount]:
    fields = (line.split(" ") for line in text.splitlines())
    return [Mount(found[2], _plain(found[3]), _plain(found[4])) for found in fields if len(found) > 4]


def covering(mounts: list[Mount]) -> dict[str, Judgement]:
    """Return, by path, the mounts that cover programs or libraries with something else.

    A path that is mounted over itself, as systemd does to make it read-only, covers nothing.
    """
    roots = {(mount.device, mount.root) for mount in mounts if mount.point == "/"}
    found = {}
    for mount in mounts:
        itself = any(mount.device == device and mount.root == _below(root, mount.point) for device, root in roots)
        if itself or not PLACES.fullmatch(mount.point) or QUIET.fullmatch(mount.point):
            continue
        if COVERED_BY_SYSTEMD not in mount.root:
            found[mount.point.lstrip("/")] = Judgement("is covered by something that is mounted over it")
    return found


def _below(root: str, point: str) -> str:
    return root.rstrip("/") + point


def _plain(path: str) -> str:
    """Return a path of /proc in plain text: there, spaces and the like are octal (proc(5))."""
    return re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), path)
