"""The tools root of an image (see halab.providers.tools_root), with which a node's files are compared."""

import os
import re
import stat
from functools import cached_property
from pathlib import Path

OWNERS = ".owners"  # a line for each file of each package: package, tab, path
NODES_OWN = "/proc/1/root/"  # where a link in the tools root leads that stands for a node's own files
MERGED = re.compile(r"^/?(?=(bin|sbin|lib\d*)/)")  # /bin is /usr/bin, and so on, in all distros that there are
PROGRAMS = ("usr/sbin", "usr/bin")
CHUNK = 1 << 20  # bytes


class Reference:
    """What the packages of an image contain. Paths are below the root, without a leading slash: usr/bin/env."""

    def __init__(self, tools: Path) -> None:
        self.tools = tools

    def find(self, path: str) -> os.stat_result | None:
        """Return the status of a file, or of a link itself. Return None when no package has it."""
        try:
            return os.lstat(self.tools / path)
        except OSError:
            return None

    def has(self, path: str) -> bool:
        return self.find(canonical(path)) is not None

    def link(self, path: str) -> str:
        return str((self.tools / path).readlink())

    def is_nodes_own(self, path: str, known: os.stat_result) -> bool:
        """Return whether each node has its own file there. The tools root has only a link to it then."""
        return stat.S_ISLNK(known.st_mode) and self.link(path).startswith(NODES_OWN)

    def text(self, path: str) -> str:
        """Return the text of a file. It is empty when no package has the file."""
        try:
            return (self.tools / path).read_text(errors="replace")
        except OSError:
            return ""

    def is_same(self, path: str, other: int) -> bool:
        """Return whether the file that is open as `other` has the content that its package has at `path`."""
        with (self.tools / path).open("rb") as mine, os.fdopen(os.dup(other), "rb") as its:
            its.seek(0)
            while True:
                chunk = mine.read(CHUNK)
                if chunk != its.read(CHUNK):
                    return False
                if not chunk:
                    return True

    def owner(self, path: str) -> str | None:
        """Return the package that a file belongs to, or None."""
        return self._owners.get(path)

    def files_of(self, package: str) -> list[str]:
        return [path for path, owner in self._owners.items() if owner == package]

    @cached_property
    def programs(self) -> dict[str, str]:
        """The packaged programs: name -> path."""
        return {file.name: f"{place}/{file.name}" for place in PROGRAMS for file in (self.tools / place).iterdir()}

    @cached_property
    def _owners(self) -> dict[str, str]:
        lines = (self.tools / OWNERS).read_text(errors="surrogateescape").split("\n")
        pairs = (line.split("\t", 1) for line in lines if "\t" in line)
        return {canonical(path): package for package, path in pairs}


def canonical(path: str) -> str:
    """Return a path as it is here: usr/bin/sh for /bin/sh."""
    return MERGED.sub("usr/", path).strip("/")
