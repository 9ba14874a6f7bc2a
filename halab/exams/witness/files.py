"""What a node wrote over its image, in the places that decide which code runs, compared with the packages.

A node's own files are below overlayfs's upper directory, on the host. The node goes on writing there. So links are
never followed, and only regular files are opened.
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
# These are not looked into: nothing in them is run
QUIET = ("usr/share/man", "usr/share/doc", "usr/share/locale", "usr/share/info", "usr/lib/modules", "usr/lib/firmware")
LOADER = re.compile(r"etc/ld\.so\.(conf|conf\.d/.+)")
OWN_PLACES = re.compile(r"usr/(local/)?s?bin/(?P<name>[^/]+)")
LIBRARY = re.compile(r"usr/(local/)?lib\d*/(.*/)?([^/]*\.so(\.[^/]*)?|glibc-hwcaps)")
# Of the interpreters that the cluster's daemons are written in: modules, and what is loaded unasked
MODULE = re.compile(
    r"usr/(local/)?lib\d*/python[\d.]*/(?!.*__pycache__/).*\.(py|pyc|pth)"
    r"|(usr/(local/)?lib/ruby|usr/local/lib/site_ruby)/.*\.rb|etc/python[\d.]*/(sitecustomize\.py|.*\.pth)"
)
MISSED = re.compile(r"usr/(s?bin|lib\d*|libexec)/.*(?<!\.pyc)")
DEPTH = 32  # levels of directories: programs and libraries are less deep, and a node could nest them endlessly
READ = 1 << 20  # bytes of a configuration that are read

Known = dict[str, tuple[int, ...]]  # path -> inode, size and ctime of files that were right


class Files:
    """The files of one node. One that was right is not read again until its inode, size or ctime changes."""

    def __init__(self, upper: Path, lower: Path, reference: Reference) -> None:
        self._upper = upper
        self._lower = lower
        self._reference = reference
        self._right: Known = {}

    def look(self) -> dict[str, Judgement]:
        """Return what is wrong, by path."""
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
        """Yield everything that may decide what runs: path, status, and the open directory that contains it."""
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
        """Yield what an opaque directory hides of the image, as if the node had removed each of these."""
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
        # A file that no package has and each system makes for itself is a cache, unless it is a program or a module
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
            return True  # it is being replaced: the next look will tell
        try:
            if (content := _content_elsewhere(file)) is not None:
                return content == b""
            return self._reference.is_same(path, file)
        finally:
            os.close(file)

    def _extra(self, path: str, entry: os.stat_result, directory: int) -> Judgement | None:
        """Judge what no package has."""
        if own := OWN_PLACES.fullmatch(path):
            packaged = self._reference.programs.get(own["name"])
            if packaged and self._target(path, entry, directory) == packaged:
                return None  # it is the packaged program, by another path
            return Judgement(f"stands for /{packaged}, which is of a package") if packaged else None
        if stat.S_ISDIR(entry.st_mode):
            return None
        if LIBRARY.fullmatch(path):
            target = self._target(path, entry, directory)  # ldconfig(8) makes such links
            known = bool(target) and self._reference.has(target)
            return None if known else Judgement("is where libraries are loaded from, and of no package")
        if MODULE.fullmatch(path):
            return Judgement("is where modules are loaded from, and of no package")
        return self._unit(path, entry, directory)

    def _target(self, path: str, entry: os.stat_result, directory: int) -> str:
        """Return where a link leads. Return nothing for what is not a link."""
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
            return None  # a link is how a unit is enabled or masked
        name = path.rpartition("/")[2]
        if unit := units.unit_of(path):
            packaged = self._reference.text(f"{units.PACKAGED}/{unit}")
            line = units.runs_otherwise(_read(name, directory), packaged)
        else:
            line = units.loads(_read(name, directory)) if units.is_environment(path) else None
        return Judgement(f"starts daemons otherwise than their packages do: {line!r}") if line else None

    def _cache(self, text: str) -> Judgement | None:
        """Judge the loader's cache: the names of libraries in it (ld.so(8), /etc/ld.so.cache)."""
        libraries = (path for path in text.split("\0") if path.startswith("/") and ".so" in path)
        strange = next((path for path in libraries if not self._reference.has(path)), None)
        return Judgement(f"leads to {strange}, which is of no package") if strange else None

    def _alternative(self, target: str) -> Judgement | None:
        if target.startswith("/usr/share/") or self._reference.has(target):
            return None
        return Judgement(f"leads to {target or 'itself'}, which is of no package")

    def _missed(self, missing: list[str]) -> dict[str, Judgement]:
        """Return the programs that were removed. Removing a whole package is not an offence."""
        gone = set(missing)
        found = {}
        for path in missing:
            package = self._reference.owner(path) if MISSED.fullmatch(path) else None
            if package and not _are_gone(self._reference.files_of(package), gone):
                found[path] = Judgement("is missing", package)
        return found


def _are_gone(files: list[str], gone: set[str]) -> bool:
    """Return whether none of a package's programs is left. A removed directory is gone with all that was in it."""
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
    """Return whether it is a character device 0/0 (kernel, filesystems/overlayfs.rst)."""
    return stat.S_ISCHR(entry.st_mode) and not getattr(entry, "st_rdev", 0)


def _is_redirected(directory: int, name: str) -> bool:
    """Return whether a directory shows the content of another one of the image (overlayfs.rst, redirect_dir)."""
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
    """Return where the image has the content of a file of which only the owner or the mode was changed.

    Return b"" when it is at the same path (overlayfs.rst, metacopy), and None for a file with a content of its own.
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
    """Open a regular file for reading, and return it. Return None when it is something else by now."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _read(name: str, directory: int) -> str:
    """Return the text of a configuration, up to READ bytes."""
    file = _open(name, directory)
    if file is None:
        return ""
    with os.fdopen(file, "rb") as opened:
        return opened.read(READ).decode(errors="replace")
