"""Checkpoints of containers: what each node wrote over its image, as GNU tar's incremental archives.

`podman commit` copies everything a node wrote each time, and after the packages are installed that takes seconds.
GNU tar's listed-incremental archives (its manual, section 5.2) take only what changed since the checkpoint before:
they compare every file's mtime and ctime with the snapshot file that the last archive left.

    disks/<checkpoint>/<node>.tar     what changed since the parent
    disks/<checkpoint>/<node>.snar    the snapshot file to compare the next archive with
    disks/<checkpoint>/about.json     the parent, or null; the nodes that had power
    disks/base                        the checkpoint that the living nodes go back to, if it is known
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from halab.errors import LabError
from halab.files import write_atomically
from halab.parallel import for_each
from halab.process import must

TAR = ("tar", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*")


class About(TypedDict):
    parent: str | None
    powered: list[str]


class Disks:
    """`upper_dirs` tells for each node how to find the directory with all that it wrote (overlayfs's upperdir)."""

    def __init__(self, directory: Path, upper_dirs: Mapping[str, Callable[[str], str]]) -> None:
        self._directory = directory
        self._upper_dirs = upper_dirs

    def save(self, checkpoint: str, powered: set[str]) -> None:
        """Archive all nodes, which must not run meanwhile."""
        base = self._base()
        unfinished = self._directory / f".{checkpoint}"
        unfinished.mkdir(parents=True)
        for_each(self._upper_dirs, lambda node: self._archive(node, base, unfinished))
        about: About = {"parent": base, "powered": sorted(powered)}
        (unfinished / "about.json").write_text(json.dumps(about))
        unfinished.rename(self._directory / checkpoint)
        write_atomically(self._directory / "base", checkpoint)

    def restore(self, checkpoint: str) -> list[str]:
        """Put the files of all nodes, which must be off, back; return the nodes that are to be powered on."""
        chain = list(self._chain(checkpoint))[::-1]
        (self._directory / "base").unlink(missing_ok=True)
        for_each(self._upper_dirs, lambda node: self._extract(node, chain))
        write_atomically(self._directory / "base", checkpoint)
        return self._about(checkpoint)["powered"]

    def keep_only(self, checkpoints: set[str]) -> None:
        base = self._base()
        wanted = {link for name in {*checkpoints, *([base] if base else [])} for link in self._chain(name)}
        for entry in self._directory.glob("*/"):
            if entry.name not in wanted:
                shutil.rmtree(entry)

    def _archive(self, node: str, base: str | None, target: Path) -> None:
        snapshot = target / f"{node}.snar"
        if base:
            shutil.copyfile(self._directory / base / snapshot.name, snapshot)
        self._tar_to(node, target / f"{node}.tar", snapshot)

    def _tar_to(self, node: str, archive: Path, snapshot: Path) -> None:
        upper = self._upper_dirs[node](node)
        listed = f"--listed-incremental={snapshot}"
        must([*TAR, "--sparse", listed, "--create", f"--file={archive}", f"--directory={upper}", "."], timeout=600)

    def _extract(self, node: str, chain: list[str]) -> None:
        upper = Path(self._upper_dirs[node](node))
        _empty(upper)
        for checkpoint in chain:
            archive = self._directory / checkpoint / f"{node}.tar"
            must(
                [*TAR, "--listed-incremental=/dev/null", "--extract", f"--file={archive}", f"--directory={upper}"],
                timeout=600,
            )
        # The files are new, so the next archive would hold them all again: take their present state for the base.
        snapshot = self._directory / chain[-1] / f"{node}.snar"
        renewed = snapshot.with_suffix(".new")
        renewed.unlink(missing_ok=True)
        self._tar_to(node, Path("/dev/null"), renewed)
        renewed.replace(snapshot)

    def _base(self) -> str | None:
        try:
            return (self._directory / "base").read_text()
        except FileNotFoundError:
            return None

    def _chain(self, checkpoint: str) -> Iterator[str]:
        """The checkpoint, its parent, and so on to the one that stands on the bare image."""
        link: str | None = checkpoint
        while link:
            yield link
            link = self._about(link)["parent"]

    def _about(self, checkpoint: str) -> About:
        try:
            about: About = json.loads((self._directory / checkpoint / "about.json").read_text())
        except FileNotFoundError:
            raise LabError(f"the saved state {checkpoint} is gone from {self._directory}; try: inv down up") from None
        return about


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
