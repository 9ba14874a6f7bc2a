"""The checkout, as it goes to other machines: what is in it, and a digest that is the same where it is the same.

What can be made again stays behind. Labs that git does not know yet go along.
"""

import hashlib
import os
import sys
from pathlib import Path

from halab.kit.paths import ROOT

LEFT_BEHIND = ("__pycache__", "node_modules")  # and what begins with a dot


def names(root: Path = ROOT) -> list[str]:
    """Return the files and links of a checkout, sorted."""
    found = []
    for directory, below, files in os.walk(root):
        below[:] = [name for name in below if name not in LEFT_BEHIND and not name.startswith(".")]
        links = [name for name in below if Path(directory, name).is_symlink()]
        found += [os.path.relpath(Path(directory, name), root) for name in (*files, *links) if not name.startswith(".")]
    return sorted(found)


def digest(root: Path = ROOT) -> str:
    """Return a digest of the names and contents of a checkout's files, and of which can be run."""
    all_of_it = hashlib.sha256()
    for name in names(root):
        path = root / name
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        kind = "link" if path.is_symlink() else "program" if path.stat().st_mode & 0o100 else "file"
        all_of_it.update(f"{kind} {len(content)} ".encode() + os.fsencode(name) + b"\0" + content)
    return all_of_it.hexdigest()[:16]


if __name__ == "__main__":
    sys.stdout.write(digest() + "\n")
