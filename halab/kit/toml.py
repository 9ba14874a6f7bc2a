"""Reading of TOML files into frozen models. Messages name the file, the place and the likely typo."""

import difflib
import textwrap
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from halab.kit.errors import LabError
from halab.kit.files import read_small
from halab.kit.paths import short

SHOWN = 100  # characters of a wrong value that are told again
Model = TypeVar("Model", bound=BaseModel)
Place = tuple[int | str, ...]


def read(path: Path, model: type[Model]) -> Model:
    """Return the file's content as a model.

    Raises LabError with all problems of the file, one per line: `file: key: what is wrong with it`.
    """
    return check(load(path), path, model)


def load(path: Path) -> dict[str, Any]:
    """Return the file's content as plain data.

    Raises LabError when there is no such file, or when it is not valid TOML.
    """
    text = read_small(path)
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a number of thousands of digits is one, too
        raise LabError(f"{short(path)}: not valid TOML: {error}") from error
    except RecursionError:
        raise LabError(f"{short(path)}: not valid TOML: it is nested too deeply") from None


def check(content: dict[str, Any], path: Path, model: type[Model]) -> Model:
    """Return `content`, which was read from `path`, as a model. Raises LabError as `read` does."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise LabError("\n".join(f"{short(path)}: {problem}" for problem in _problems(error, model))) from error


def suggestion(wrong: str, known: Sequence[str]) -> str:
    """Return what to say after an unknown name: the nearest known name, or all known names when none is near."""
    near = difflib.get_close_matches(wrong, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(sorted(known))}"


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    details = error.errors(include_url=False)
    misspelt = {_meant(detail["loc"], model) for detail in details if detail["type"] == "extra_forbidden"}
    for detail in details:
        if detail["type"] == "missing" and detail["loc"] in misspelt:
            continue
        place = _dotted(detail["loc"])
        yield f"{place}: {_reason(detail, model)}" if place else _reason(detail, model)


def _reason(detail: ErrorDetails, model: type[BaseModel]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key, {suggestion(str(detail['loc'][-1]), _keys(detail['loc'], model))}"
        case "missing":
            return "missing"
        case "value_error":
            return str(detail["ctx"]["error"])
        case _:
            return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, not {_shown(detail['input'])}"


def _shown(value: object) -> str:
    try:
        return textwrap.shorten(repr(value), SHOWN, placeholder="...")
    except RecursionError:
        return "what is nested too deeply"


def _meant(place: Place, model: type[BaseModel]) -> Place:
    near = difflib.get_close_matches(str(place[-1]), _keys(place, model), n=1)
    return (*place[:-1], *near)


def _keys(place: Place, model: type[BaseModel]) -> list[str]:
    """Return the keys that are known at `place`: those of the innermost model on the way to it."""
    for part in place[:-1]:
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation such as `Network`, `tuple[NodeSpec, ...]` or `Network | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
