"""Checkpoints of containers: what each node wrote over its image, each file archived once, when it was changed.

`podman commit` copies all that a node ever wrote, which takes seconds once the packages are installed. Here a
checkpoint is a listing of the node's files, each with the checkpoint whose archive has its content. What has the
same inode, size and ctime as in the listing before was not touched since (ctime cannot be set by programs), so
neither saving nor restoring touches it.

    disks/<checkpoint>/<node>.tar     the files that were changed when this was saved
    disks/<checkpoint>/<node>.json    the listing: path -> [signature, checkpoint with the content]
    disks/<checkpoint>/about.json     the nodes that had power, and all checkpoints whose archives it needs
    disks/base                        the checkpoint that the nodes' files were last in accord with
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from halab.kit.errors import LabError
from halab.kit.files import remove_all, write_atomically
from halab.kit.parallel import for_each
from halab.kit.process import must
from halab.providers.podman import archives

# Hard links are archived as files: a name must be restorable without the other names of its inode. (overlayfs makes
# all its whiteouts hard links of one inode.)
TAR = ("tar", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--hard-dereference", "--no-recursion")
TIMEOUT = 600  # seconds for one archive
NAMES = "surrogateescape"  # file names are bytes, and need not be UTF-8
NOWHERE = " - - -"  # inode, size and ctime of what was exported: no file is like that
LARGEST = 64 * 2**20  # bytes of an exported listing, which is half a million files
MOST = 1 * 2**30  # bytes of a listing: some ten million files, of which a learner may make as many as there is room for

Listing = dict[str, str]  # path below the upper directory ("" for itself) -> signature: type, inode, size, ctime
Index = dict[str, tuple[str, str]]  # path -> signature, checkpoint whose archive has the content


class About(TypedDict):
    powered: list[str]
    sources: list[str]


class Disks:
    """`upper_dirs` tells for each node the directory with all that it wrote (overlayfs's upperdir)."""

    def __init__(self, directory: Path, upper_dirs: Callable[[], Mapping[str, str]]) -> None:
        self._directory = directory
        self._upper_dirs = upper_dirs

    def save(self, checkpoint: str, powered: set[str]) -> None:
        """Archive all nodes, which must not run meanwhile."""
        unfinished = self._directory / f".{checkpoint}"
        unfinished.mkdir(parents=True)
        base, nodes = self._base(), self._upper_dirs().items()
        with _whole_or_gone(unfinished):
            sources = for_each(nodes, lambda item: self._archive(*item, base, checkpoint, unfinished))
            about: About = {"powered": sorted(powered), "sources": sorted(set().union(*sources))}
            (unfinished / "about.json").write_text(json.dumps(about))
            unfinished.rename(self._directory / checkpoint)
        write_atomically(self._directory / "base", checkpoint)

    def restore(self, checkpoint: str) -> list[str]:
        """Put the files of all nodes, which must be off, back; return the nodes that are to be powered on.

        Compares with what is there, so it may be killed and done again.
        """
        powered = self._about(checkpoint)["powered"]
        for_each(self._upper_dirs().items(), lambda item: self._put_back(*item, checkpoint))
        write_atomically(self._directory / "base", checkpoint)
        return powered

    def export(self, checkpoint: str, directory: Path, beside: Sequence[str] = ()) -> None:
        """Copy a checkpoint to a directory that is made here, with all content that it has not in common with those
        `beside` it, which are exported too. Other ones' archives it needs no more.
        """
        directory.mkdir(parents=True)
        nodes = sorted(archive.stem for archive in (self._directory / checkpoint).glob("*.tar"))
        needed = for_each(nodes, lambda node: self._export(node, checkpoint, directory, beside))
        sources = sorted(set().union(*needed))
        about: About = {"powered": self._about(checkpoint)["powered"], "sources": sources}
        (directory / "about.json").write_text(json.dumps(about))

    def adopt(self, checkpoint: str, directory: Path) -> None:
        """Take over an exported checkpoint, under the name that it has there too. May be killed and done again."""
        unfinished = self._directory / f".{checkpoint}"
        shutil.rmtree(unfinished, ignore_errors=True)
        with _whole_or_gone(unfinished):
            shutil.copytree(directory, unfinished)
            unfinished.rename(self._directory / checkpoint)

    def keep_only(self, checkpoints: set[str]) -> None:
        """Remove all others, but for archives that these, or the base, still need."""
        wanted = {*checkpoints, *filter(None, [self._base()])}
        needed = {source for name in wanted for source in self._about(name)["sources"]}
        for entry in self._directory.glob("*/"):
            if entry.name not in wanted | needed:
                shutil.rmtree(entry)

    def forget(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _archive(self, node: str, upper: str, base: str | None, checkpoint: str, target: Path) -> set[str]:
        """Return the checkpoints whose archives this one needs."""
        before = self._index(base, node) if base else {}
        after: Index = {}
        for path, signature in _listing(upper).items():
            known = before.get(path)
            after[path] = known if known and known[0] == signature else (signature, checkpoint)
        changed = [path for path, (_, source) in after.items() if source == checkpoint]
        archive = target / f"{node}.tar"
        _tar(["--sparse", "--create", f"--file={archive}", f"--directory={upper}"], changed)
        (target / f"{node}.json").write_text(json.dumps(after))
        return {source for _, source in after.values()}

    def _export(self, node: str, checkpoint: str, directory: Path, beside: Sequence[str]) -> set[str]:
        """Return the exported checkpoints whose archives this one needs."""
        others = {name: self._index(name, node) for name in beside}
        exported: Index = {}
        own = defaultdict(set)  # paths, by the archive that they come from
        for path, (signature, source) in self._index(checkpoint, node).items():
            share = (name for name in beside if path in others[name] and others[name][path][1] == source)
            has = next(share, checkpoint)
            exported[path] = (f"{signature[0]}{NOWHERE}", has)
            if has == checkpoint:
                own[source].add(path)
        parts = [(self._directory / source / f"{node}.tar", paths) for source, paths in own.items()]
        archives.merge(directory / f"{node}.tar", parts)
        listing = json.dumps(exported)
        if len(listing) > LARGEST:
            raise LabError(f"{node} has {len(exported)} files, too many for another machine to take")
        (directory / f"{node}.json").write_text(listing)
        return {has for _, has in exported.values()}

    def _put_back(self, node: str, upper: str, checkpoint: str) -> None:
        index = self._index(checkpoint, node)
        remove, extract = differences(_listing(upper), {path: signature for path, (signature, _) in index.items()})
        for path in remove:
            remove_all(Path(upper, path))
        by_source = defaultdict(list)
        for path in extract:
            by_source[index[path][1]].append(path)
        for source, paths in by_source.items():
            archive = self._directory / source / f"{node}.tar"
            _tar(["--extract", f"--file={archive}", f"--directory={upper}"], paths)
        # What was put back has new inodes and times: list it as it is now, so that it is not changed the next time.
        now = _listing(upper)
        renewed = {path: (now.get(path, signature), source) for path, (signature, source) in index.items()}
        write_atomically(self._directory / checkpoint / f"{node}.json", json.dumps(renewed))

    def _base(self) -> str | None:
        try:
            return (self._directory / "base").read_text()
        except FileNotFoundError:
            return None

    def _about(self, checkpoint: str) -> About:
        about: About = json.loads(self._read(checkpoint, "about.json"))
        return about

    def _index(self, checkpoint: str, node: str) -> Index:
        index: Index = {
            path: (entry[0], entry[1]) for path, entry in json.loads(self._read(checkpoint, f"{node}.json")).items()
        }
        return index

    def _read(self, checkpoint: str, name: str) -> str:
        try:
            return (self._directory / checkpoint / name).read_text()
        except FileNotFoundError:
            raise LabError(f"{self._directory / checkpoint / name} is gone; try: inv down up") from None


def differences(there: Listing, wanted: Listing) -> tuple[list[str], list[str]]:
    """What to remove and what to extract, so that what is there becomes what is wanted.

    A directory that is still the same inode, or is the upper directory itself, whose inode is another one when the
    checkpoint was adopted, is extracted again for its owner and mode, but never removed.
    """
    remove: list[str] = []
    gone = ""  # the directory removed last, with a slash; all below it goes with it
    extract = [path for path in wanted if path not in there]
    for path in sorted(there, key=lambda path: path.split("/")):
        below = bool(gone) and path.startswith(gone)
        same = there[path] == wanted.get(path)
        if same and not below:
            continue
        if path in wanted:
            extract.append(path)
        stays = path == "" or (path in wanted and _same_directory(there[path], wanted[path]))
        if not below and not stays:
            remove.append(path)
            gone = f"{path}/"
    return remove, sorted(extract, key=lambda path: path.split("/"))


@contextmanager
def _whole_or_gone(folder: Path) -> Iterator[None]:
    """Remove a folder that could not be finished: on a full disk, it is in the way of what would free it."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _same_directory(first: str, second: str) -> bool:
    """Signatures begin with type and inode."""
    return first.startswith("d ") and first.split(" ")[:2] == second.split(" ")[:2]


def _listing(upper: str) -> Listing:
    """All but sockets, which are nothing without the process that listens."""
    find = ["find", upper, "!", "-type", "s", "-printf", r"%y %i %s %C@ %P\0"]
    found = must(find, timeout=TIMEOUT, errors=NAMES, most=MOST).stdout
    listing = {}
    for entry in found.split("\0")[:-1]:
        kind, inode, size, ctime, path = entry.split(" ", 4)
        # a directory's size tells only how its entries happened to be stored
        listing[path] = f"{kind} {inode} {'-' if kind == 'd' else size} {ctime}"
    return listing


def _tar(options: list[str], paths: list[str]) -> None:
    names = "".join(f"{path or '.'}\0" for path in paths)
    must([*TAR, *options, "--null", "--files-from=-"], input=names, timeout=TIMEOUT, errors=NAMES)
