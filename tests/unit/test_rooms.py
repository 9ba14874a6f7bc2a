"""Rooms of the package import only from those below them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import halab

HALAB = Path(str(halab.__file__)).parent
UPWARDS = [
    "kit",
    "spec",
    "providers",
    "site",
    "instance",
    "faults",
    "measure",
    "conditions",
    "walk",
    "exams",
    "proof",
    "authoring",
    "classroom",
    "cli",
    "web",
]


def imported(file: Path) -> Iterator[str]:
    """Yield the rooms that a file imports from."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("halab."))
        elif isinstance(node, ast.ImportFrom) and node.module == "halab":
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("halab."):
            yield str(node.module).split(".")[1]


def test_no_room_imports_from_one_above_it() -> None:
    files = [file for room in UPWARDS for file in (HALAB / room).rglob("*.py")]

    up = [
        f"{file.relative_to(HALAB)} imports from {room}"
        for file in files
        for room in imported(file)
        if UPWARDS.index(room) > UPWARDS.index(file.relative_to(HALAB).parts[0])
    ]

    assert len(files) > 100
    assert up == []


def test_there_is_nothing_beside_the_rooms_and_each_says_what_is_in_it() -> None:
    found = {path.name for path in HALAB.iterdir() if path.name not in ("__init__.py", "__pycache__")}
    silent = [room for room in UPWARDS if not ast.get_docstring(ast.parse((HALAB / room / "__init__.py").read_text()))]

    assert found == set(UPWARDS)
    assert silent == []
