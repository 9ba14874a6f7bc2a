"""The instructor's board: a row for each instance of this machine, made of files only. No node is asked."""

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from halab.instance.event_log import NAME
from halab.instance.instance import instances_dir
from halab.instance.state import State, holder, read_state
from halab.kit.errors import LabError
from halab.web.guard import Guarded, GuardedSocket
from halab.web.lesson import asks_for_help, attempts, clock, steps
from halab.web.live import times_of
from halab.web.taught import steps_of

LOOK = 1.0  # seconds between two looks, while somebody looks at the board
CLOCK = 30.0  # seconds after which the time that is left is told again
END = 65_536  # bytes of the end of an event log in which what fails now is looked for
JUDGING = ("check", "next", "step", "solve", "walk", "hint", "reset", "grade", "finish", "measure")
WORKED = ("state.json", NAME, "worked-by-hand", "recordings")  # what changes as somebody works
Row = dict[str, Any]


class Rows:
    """The rows as they were last, each made anew only when its instance's files have changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Row]] = {}

    def look(self) -> list[Row]:
        """Return all rows. Blocks as reading files does, and seconds where a lab is read for the first time."""
        places = [place for place in sorted(instances_dir().glob("*")) if place.is_dir()]
        self._known = {place.name: self._row(place) for place in places}
        return [
            {**row, "holder": holder(instances_dir() / name), "time_left": _left(row)}
            for name, (_, row) in self._known.items()
        ]

    def _row(self, directory: Path) -> tuple[object, Row]:
        times = (times_of(directory), _worked_at(directory))
        known = self._known.get(directory.name)
        return known if known and known[0] == times else (times, row(directory))


def row(directory: Path) -> Row:
    """Return what the board tells of an instance, without what changes by itself."""
    found = {
        "instance": directory.name,
        "learner": directory.name,
        "asks_for_help": asks_for_help(directory),
        "last_activity": _worked_at(directory),
    }
    try:
        state = read_state(directory)
    except LabError as error:
        return {**_blank(), **found, "failing": str(error)}
    if state is None or state.removing:
        return {**_blank(), **found}
    return {**_blank(), **found, **_of(directory, state)}


def failing(log: bytes) -> str:
    """Return the first check that the last command which checked something found failed; nothing when all passed."""
    found, of = "", object()
    for line in log.splitlines():
        with suppress(ValueError, AttributeError):
            event = json.loads(line)
            if event.get("kind") == "command_begins" and event.get("command") in JUDGING:
                found, of = "", event.get("pid")
            elif event.get("kind") in ("checked", "marked") and event.get("pid") == of:
                found = found or (str(event.get("sentence", "")) if event.get("outcome") == "failed" else "")
    return found


def _of(directory: Path, state: State) -> Row:
    outline = steps_of(state.lab)
    graded = [one for one in attempts(directory) if one["verdict"] != "not graded"]
    last = graded[-1] if graded else {}
    return {
        "up": True,
        "lab": state.lab,
        "title": outline.title,
        "provider": state.provider,
        "steps": [{key: one[key] for key in ("name", "title", "outcome")} for one in steps(state, outline, None)],
        "failing": failing(_end(directory / NAME)),
        "faults": [fault.words for fault in state.faults],
        "attempts": [one["attempt"] for one in attempts(directory)],
        "measurements": list(state.measurements),
        "exam_clock": clock(state, outline),
        "points": last.get("points"),
        "of": last.get("of"),
        "verdict": last.get("verdict"),
    }


def _blank() -> Row:
    nothing: Row = dict.fromkeys(("points", "of", "verdict", "exam_clock"))
    none: Row = {key: [] for key in ("steps", "faults", "attempts", "measurements")}
    return {"up": False, "lab": "", "title": "", "provider": "", "failing": "", **none, **nothing}


def _left(one: Row) -> int | None:
    """Return the seconds that an exam has left; None for what is none, or is handed in."""
    clock = one["exam_clock"]
    return None if clock is None or clock["finished"] else max(0, round(clock["ends"] - time.time()))


def _worked_at(directory: Path) -> float:
    times = [0.0]
    for name in WORKED:
        with suppress(OSError):
            times.append((directory / name).stat().st_mtime)
    return max(times)


def _end(file: Path) -> bytes:
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - END))
            return log.read(END)
    except OSError:
        return b""


class Looking:
    """The rows for as long as somebody looks at the board: looked at once, however many look."""

    def __init__(self) -> None:
        self._rows = Rows()
        self._boards: set[Board] = set()
        self._task: asyncio.Task[None] | None = None
        self._told: list[Row] | None = None

    async def rows(self) -> list[Row]:
        return await asyncio.to_thread(self._rows.look)

    def join(self, board: "Board") -> None:
        self._boards.add(board)
        if self._told is not None:
            board.send({"kind": "board", "rows": self._told})
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, board: "Board") -> None:
        self._boards.discard(board)
        if not self._boards and self._task:
            self._task.cancel()
            self._task = self._told = None

    async def _run(self) -> None:
        at = 0.0
        while True:
            rows = await self.rows()
            if self._told is None or _lasting(rows) != _lasting(self._told) or time.monotonic() - at > CLOCK:
                self._told, at = rows, time.monotonic()
                for board in list(self._boards):
                    board.send({"kind": "board", "rows": rows})
            await asyncio.sleep(LOOK)


def _lasting(rows: list[Row]) -> list[Row]:
    return [{**one, "time_left": None} for one in rows]


class Board(GuardedSocket):
    needs = "instructor"

    def opened(self) -> None:
        self._looking: Looking = self.application.settings["looking"]
        self._looking.join(self)

    def closed(self) -> None:
        self._looking.leave(self)


class Instances(Guarded):
    needs = "instructor"

    async def get(self) -> None:
        looking: Looking = self.application.settings["looking"]
        self.give({"rows": await looking.rows()})
