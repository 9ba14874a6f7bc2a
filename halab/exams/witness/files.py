"""What a node wrote over its image, in the places that decide which code is run, held against the packages.

A node's own files are below overlayfs's upper directory, on the host. The node writes there meanwhile, so links are
never followed, and nothing is opened that is no regular file.
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from halab.exams.witness import Judgement, units
from halab.exams.witness.reference import Reference, canonical

ROOTS = re.compile(r"usr|bin|sbin|lib\d*|etc")
ETC = re.compile(r"etc(/(ld\.so\.conf\.d|alternatives|python[\d.]*|systemd(/.*)?|environment\.d|default|sysconfig))?")
# Not looked into: nothing there is run
QUIET = ("usr/share/man", "usr/share/doc", "usr/share/locale", "usr/share/info", "usr/lib/modules", "usr/lib/firmware")
LOADER = re.compile(r"etc/ld\.so\.(conf|conf\.d/.+)")
OWN_PLACES = re.compile(r"usr/(local/)?s?bin/(?P<name>[^/]+)")
LIBRARY = re.compile(r"usr/(local/)?lib\d*/(.*/)?([^/]*\.so(\.[^/]*)?|glibc-hwcaps)")
# Of interpreters that the cluster's daemons are written in: modules, and what is loaded unasked
MODULE = re.compile(
    r"usr/(local/)?lib\d*/python[\d.]*/(?!.*__pycache__/).*\.(py|pyc|pth)"
    r"|(usr/(local/)?lib/ruby|usr/local/lib/site_ruby)/.*\.rb|etc/python[\d.]*/(sitecustomize\.py|.*\.pth)"
)
MISSED = re.compile(r"usr/(s?bin|lib\d*|libexec)/.*(?<!\.pyc)")
DEPTH = 32  # directories below each other: programs and libraries are not as deep, and what is could be endless
READ = 1 << 20  # bytes of a configuration at most

Known = dict[str, tuple[int, ...]]  # path -> inode, size and ctime of files that were seen to be right


class Files:
    """Those of one node. What was right is not read again until its inode, its size or its ctime is another one."""

    def __init__(self, upper: Path, lower: Path, reference: Reference) -> None:
        self._upper = upper
        self._lower = lower
        self._reference = reference
        self._right: Known = {}

    def look(self) -> dict[str, Judgement]:
        """By path, what is wrong with it."""
        found: dict[str, Judgement] = {}
        missing: list[str] = []
        top = os.open(self._upper, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for path, entry, directory in self._entries(top, ""):
                if _is_whiteout(entry):
                    missing.append(canonical(path))
                elif judgement := self._judge(path, entry, directory):
                    found[path] = judgement
        finally:
            os.close(top)
        return found | self._missed(missing)

    def _entries(self, directory: int, below: str) -> Iterator[tuple[str, os.stat_result, int]]:
        """All that may decide what is run, with the open directory that it is in."""
        for name in os.listdir(directory):
            path = f"{below}/{name}" if below else name
            if not below and not ROOTS.fullmatch(name):
                continue
            try:
                entry = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield path, entry, directory
            if stat.S_ISDIR(entry.st_mode) and _is_looked_into(path) and path.count("/") < DEPTH:
                try:
                    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                except OSError:  # it has just been replaced
                    continue
                try:
                    yield from self._hidden(path, inner)
                    yield from self._entries(inner, path)
                finally:
                    os.close(inner)

    def _hidden(self, path: str, directory: int) -> Iterator[tuple[str, os.stat_result, int]]:
        """What an opaque directory hides of the image, as if each had been removed."""
        try:
            opaque = os.getxattr(directory, "trusted.overlay.opaque") == b"y"
        except OSError:
            return
        there = set(os.listdir(directory)) if opaque else set()
        lower = self._lower / path
        for hidden in lower.iterdir() if opaque and lower.is_dir() else ():
            if hidden.name not in there:
                yield f"{path}/{hidden.name}", WHITEOUT, directory

    def _judge(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        signature = (entry.st_ino, entry.st_size, entry.st_ctime_ns)
        if self._right.get(path) == signature:
            return None
        judgement = self._etc(path, entry, directory) if path.startswith("etc/") else self._code(path, entry, directory)
        if judgement is None:
            self._right[path] = signature
        return judgement

    def _code(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        known = self._reference.find(path)
        if known is None:
            return self._extra(canonical(path), entry, directory)
        if self._reference.is_nodes_own(path, known) or self._is_same(path, known, entry, directory):
            return None
        owner = self._reference.owner(canonical(path))
        # What no package has, but each system makes for itself, is a cache, unless it is a program or a module
        if owner or path.endswith(".pyc") or not stat.S_ISREG(known.st_mode) or OWN_PLACES.fullmatch(canonical(path)):
            return Judgement("is not that of its package", owner)
        return None

    def _is_same(self, path: str, known: os.stat_result, entry: os.stat_result, directory: int) -> bool:
        if stat.S_IFMT(known.st_mode) != stat.S_IFMT(entry.st_mode):
            return False
        name = path.rpartition("/")[2]
        if stat.S_ISLNK(entry.st_mode):
            return os.readlink(name, dir_fd=directory) == self._reference.link(path)
        if not stat.S_ISREG(entry.st_mode):
            return not _is_redirected(directory, name)
        return entry.st_size == known.st_size and self._has_content(path, directory, name)

    def _has_content(self, path: str, directory: int, name: str) -> bool:
        file = _open(name, directory)
        if file is None:
            return True  # it is being replaced: the next look tells
        try:
            if (content := _content_elsewhere(file)) is not None:
                return content == b""
            return self._reference.is_same(path, file)
        finally:
            os.close(file)

    def _extra(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        """What no package has."""
        if own := OWN_PLACES.fullmatch(path):
            packaged = self._reference.programs.get(own["name"])
            if packaged and self._target(path, entry, directory) == packaged:
                return None  # by another path
            return Judgement(f"stands for /{packaged}, which is of a package") if packaged else None
        if stat.S_ISDIR(entry.st_mode):
            return None
        if LIBRARY.fullmatch(path):
            target = self._target(path, entry, directory)  # as ldconfig(8) makes links
            known = bool(target) and self._reference.has(target)
            return None if known else Judgement("is where libraries are loaded from, and of no package")
        if MODULE.fullmatch(path):
            return Judgement("is where modules are loaded from, and of no package")
        return self._unit(path, entry, directory)

    def _target(self, path: str, entry: os.stat_result, directory: int) -> str:
        """Where a link leads; nothing for what is none."""
        place, _, name = path.rpartition("/")
        if not stat.S_ISLNK(entry.st_mode):
            return ""
        return canonical(os.path.normpath(Path("/", place, os.readlink(name, dir_fd=directory))))

    def _etc(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        if stat.S_ISDIR(entry.st_mode):
            return None
        name = path.rpartition("/")[2]
        if path == "etc/ld.so.preload":
            return Judgement("loads a library into every program") if entry.st_size else None
        if path == "etc/ld.so.cache":
            return self._cache(_read(name, directory))
        if path.startswith("etc/alternatives/"):
            return self._alternative(os.readlink(name, dir_fd=directory) if stat.S_ISLNK(entry.st_mode) else "")
        if LOADER.fullmatch(path) or MODULE.fullmatch(path):
            known = self._reference.find(path)
            if known and self._is_same(path, known, entry, directory):
                return None
            if MODULE.fullmatch(path) or not known or _read(name, directory) != self._reference.text(path):
                return Judgement("says where code is loaded from, and is not as packages have it")
        return self._unit(path, entry, directory)

    def _unit(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        if not stat.S_ISREG(entry.st_mode):
            return None  # a link is how a unit is enabled, or masked
        name = path.rpartition("/")[2]
        if unit := units.unit_of(path):
            packaged = self._reference.text(f"{units.PACKAGED}/{unit}")
            line = units.runs_otherwise(_read(name, directory), packaged)
        else:
            line = units.loads(_read(name, directory)) if units.is_environment(path) else None
        return Judgement(f"starts daemons otherwise than their packages do: {line!r}") if line else None

    def _cache(self, text: str) -> Judgement | None:
        """The names of libraries that the loader was told of (ld.so(8), /etc/ld.so.cache)."""
        libraries = (path for path in text.split("\0") if path.startswith("/") and ".so" in path)
        strange = next((path for path in libraries if not self._reference.has(path)), None)
        return Judgement(f"leads to {strange}, which is of no package") if strange else None

    def _alternative(self, target: str) -> Judgement | None:
        if target.startswith("/usr/share/") or self._reference.has(target):
            return None
        return Judgement(f"leads to {target or 'itself'}, which is of no package")

    def _missed(self, missing: list[str]) -> dict[str, Judgement]:
        """Programs that were removed; to remove all of a package is no more than that."""
        gone = set(missing)
        found = {}
        for path in missing:
            package = self._reference.owner(path) if MISSED.fullmatch(path) else None
            if package and not _are_gone(self._reference.files_of(package), gone):
                found[path] = Judgement("is missing", package)
        return found


def _are_gone(files: list[str], gone: set[str]) -> bool:
    """Whether none of a package's programs is left; a directory that was removed is gone with all that was in it."""
    return all(
        path in gone or any(path.startswith(f"{other}/") for other in gone)
        for path in files
        if path.startswith(("usr/bin/", "usr/sbin/"))
    )


def _is_looked_into(path: str) -> bool:
    if path.startswith("etc"):
        return ETC.fullmatch(path) is not None
    return path not in QUIET


WHITEOUT = os.stat_result((stat.S_IFCHR, *[0] * 9))


def _is_whiteout(entry: os.stat_result) -> bool:
    """A character device 0/0 (kernel, filesystems/overlayfs.rst)."""
    return stat.S_ISCHR(entry.st_mode) and not getattr(entry, "st_rdev", 0)


def _is_redirected(directory: int, name: str) -> bool:
    """Whether a directory shows what another one of the image has (overlayfs.rst, redirect_dir)."""
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    except OSError:
        return False
    try:
        os.getxattr(inner, "trusted.overlay.redirect")
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(inner)


def _content_elsewhere(file: int) -> bytes | None:
    """Of a file of which only the owner or the mode was changed: where the image has its content, and nothing when that
    is at the same path (overlayfs.rst, metacopy). None for a file that has a content of its own.
    """
    try:
        os.getxattr(file, "trusted.overlay.metacopy")
    except OSError:
        return None
    try:
        return os.getxattr(file, "trusted.overlay.redirect")
    except OSError:
        return b""


def _open(name: str, directory: int) -> int | None:
    """A regular file, for reading; None when it is something else by now."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _read(name: str, directory: int) -> str:
    """The text of a configuration, as far as it is looked at."""
    file = _open(name, directory)
    if file is None:
        return ""
    with os.fdopen(file, "rb") as opened:
        return opened.read(READ).decode(errors="replace")
