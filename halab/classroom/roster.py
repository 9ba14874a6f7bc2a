"""The roster of a class: CSV (RFC 4180) with a column `name` and any others, in UTF-8, a byte order mark or not."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from halab.classroom import naming
from halab.kit.errors import LabError
from halab.kit.files import read_small
from halab.kit.typed import shown

NAME = "name"
MOST_COLUMNS = 100
MOST_LEARNERS = 10_000  # Slurm's MaxJobCount is as many (slurm.conf(5))
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would calculate


@dataclass(frozen=True)
class Learner:
    """Somebody of a class. `about` has the other columns of the roster."""

    name: str
    instance: str
    about: dict[str, str]


def read(path: Path) -> list[Learner]:
    """Return the learners of a roster, in its order. Raises LabError, with the line, for what cannot be one."""
    rows = _rows(path, read_small(path))
    heading = [cell.strip() for cell in rows[0][1]] if rows else []
    if NAME not in heading:
        raise LabError(f"{path}, line 1: there is no column `{NAME}`")
    if len(heading) > MOST_COLUMNS:
        raise LabError(f"{path}, line 1: {len(heading)} columns, and {MOST_COLUMNS} are the most")
    if twice := next((title for title in heading if heading.count(title) > 1), None):
        raise LabError(f"{path}, line 1: there are two columns {shown(twice)}")
    learners: dict[str, Learner] = {}
    lines: dict[str, int] = {}
    for line, row in rows[1:]:
        learner = _learner(f"{path}, line {line}", heading, row)
        if learner.instance in learners:
            raise LabError(f"{path}, line {line}: {shown(learner.name)} is in line {lines[learner.instance]} already")
        learners[learner.instance], lines[learner.instance] = learner, line
    if not 0 < len(learners) <= MOST_LEARNERS:
        raise LabError(f"{path}: {len(learners)} learners, and a class has 1 to {MOST_LEARNERS}")
    return list(learners.values())


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return each row with the number of the line in which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, begins = [], 1
    try:
        for row in reader:
            rows.append((begins, row))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise LabError(f"{path}, line {begins}: {error}") from None
    return rows


def _learner(where: str, heading: list[str], row: list[str]) -> Learner:
    if not any(cell.strip() for cell in row):
        raise LabError(f"{where}: it is empty")
    if len(row) != len(heading):
        raise LabError(f"{where}: {len(row)} columns, and the first line has {len(heading)}")
    for title, cell in zip(heading, row, strict=True):
        if cell.startswith(FORMULA):
            raise LabError(f"{where}: {shown(title)} begins like a formula: {shown(cell)}")
    about = dict(zip(heading, map(str.strip, row), strict=True))
    name = about.pop(NAME)
    try:
        return Learner(name, naming.instance_of(name), about)
    except LabError as error:
        raise LabError(f"{where}: {error}") from None
