"""JSON Schemas of lab.toml and exam.toml, for editors, and of a grade. All are made from halab's own models."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from halab.exams.grade import Grade
from halab.kit.paths import ROOT
from halab.spec.models import LabSpec, Sequel
from halab.spec.paper import ExamFile

FOLDER = ROOT / "docs" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def lab() -> dict[str, Any]:
    """Return the schema of lab.toml.

    A file that continues another lab is a sequel, so that editors know which keys it needs.
    """
    schema = _of(LabSpec, Sequel)
    return {
        **schema,
        "title": "lab.toml",
        "if": {"required": ["continues"]},
        "then": {"$ref": "#/$defs/Sequel"},
        "else": {"$ref": "#/$defs/LabSpec"},
    }


def exam() -> dict[str, Any]:
    return {**_of(ExamFile), "title": "exam.toml", "$ref": "#/$defs/ExamFile"}


def grade() -> dict[str, Any]:
    return {"$schema": DIALECT, **Grade.model_json_schema(mode="serialization")}


def write() -> list[Path]:
    """Write the files of all schemas, and return their paths."""
    files = texts()
    for file, text in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return list(files)


def texts() -> dict[Path, str]:
    """Return the text of each schema, by its file."""
    schemas = {"lab": lab(), "exam": exam(), "grade": grade()}
    return {FOLDER / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _of(*models: type[BaseModel]) -> dict[str, Any]:
    _, definitions = models_json_schema([(model, "validation") for model in models])
    return {"$schema": DIALECT, **definitions}
