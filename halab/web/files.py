"""Files of an instance that a browser may have: measurements, reports of attempts, and recordings of terminals.

What a learner typed is in some of them, so a browser shows each as if from a site of its own, and runs nothing.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

from halab.exams.reports import recordings
from halab.instance.instance import instances_dir
from halab.web.guard import Guarded, Refused
from halab.web.pages import send_file

SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; sandbox"
# By the folder: what all who reach the instance may have, and what the instructor may have besides
FOLDERS = {
    "measurements": (r"report\.json|run-[0-9]+\.(svg|png)", ""),
    "attempts": (r"report\.html|outage-[0-9]+-[a-z-]+\.svg", r"\w[\w.+-]*\.(json|xml|html|svg|cast|csv)"),
}


class Kept(Guarded):
    """A file of one measurement, or of one attempt at an exam."""

    async def get(self, name: str, folder: str, one: str, file: str) -> None:
        everybody, instructors = FOLDERS[folder]
        allowed = everybody if self.who.role == "learner" else f"{everybody}|{instructors}"
        if not re.fullmatch(allowed, file):
            raise Refused(404, "there is nothing here")
        self.set_header("Content-Security-Policy", SANDBOX)
        await send_file(self, instances_dir() / name / folder / one, file)


class Recordings(Guarded):
    """The names of an instance's recordings, for the instructor."""

    needs = "instructor"

    async def get(self, name: str) -> None:
        self.give({"recordings": await asyncio.to_thread(_recordings, name)})


class Recording(Guarded):
    """A recording of a terminal, for the instructor: the asciicast, or, with .json at its end, what player.js takes."""

    needs = "instructor"

    async def get(self, name: str, file: str, form: str = "") -> None:
        folder = instances_dir() / name / "recordings"
        if form:
            self.give(await asyncio.to_thread(_playable, folder / file))
            return
        self.set_header("Content-Security-Policy", SANDBOX)
        await send_file(self, folder, file)


def _playable(file: Path) -> dict[str, Any]:
    """Return what player.js takes. Raises 404 for what is no recording."""
    found = recordings.playable(file) if file.is_file() and not file.is_symlink() else None
    if found is None:
        raise Refused(404, "there is no such recording")
    return found


def _recordings(name: str) -> list[dict[str, object]]:
    found = []
    for file in sorted((instances_dir() / name / "recordings").glob("*.cast")):
        there = file.stat()
        found.append({"name": file.name, "at": there.st_mtime, "bytes": there.st_size})
    return found
