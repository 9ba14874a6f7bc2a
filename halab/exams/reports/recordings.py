"""Recordings of terminals (asciicasts, docs.asciinema.org/manual/asciicast/v2), read for the player in the page."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from halab.kit.printable import printable

LONGEST_PAUSE = 2.0  # seconds; whoever watches need not wait as long as the learner thought


def playable(recording: Path) -> dict[str, Any] | None:
    """Return what player.js takes, or None when the file is not an asciicast. It ends where a recording breaks off.

    Only what was shown is kept: what was typed in may have been a password.
    """
    lines = recording.read_text(encoding="utf-8", errors="replace").split("\n")
    header = _parsed(lines[0]) if lines else None
    if not isinstance(header, dict) or header.get("version") != 2:
        return None
    title = header.get("title")
    return {
        "title": printable(title) if isinstance(title, str) else recording.stem,
        "columns": header.get("width"),
        "rows": header.get("height"),
        "events": list(_without_pauses(lines[1:])),
    }


def as_json(recordings: Sequence[dict[str, Any] | None]) -> str:
    """Return the recordings as JSON for a script element. Nothing in it can end the element."""
    return json.dumps(recordings).replace("<", "\\u003c")


def _without_pauses(lines: Sequence[str]) -> Iterator[tuple[float, str, str]]:
    before = at = 0.0
    for line in lines:
        match _parsed(line):
            case [int() | float() as seconds, "o" | "r" as kind, str(data)] if math.isfinite(seconds):
                at += min(max(seconds - before, 0.0), LONGEST_PAUSE)
                before = seconds
                yield round(at, 3), kind, data


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
