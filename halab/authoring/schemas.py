"""JSON Schemas of lab.toml and exam.toml, for editors, and of a grade, all made from halab's own models."""

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
    """Of lab.toml: a sequel when it continues another lab, so that an editor knows which keys are missing."""
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
    """Write the files, and return which they are."""
    files = texts()
    for file, text in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return list(files)


def texts() -> dict[Path, str]:
    """Each schema's file, and what it has to say."""
    schemas = {"lab": lab(), "exam": exam(), "grade": grade()}
    return {FOLDER / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _of(*models: type[BaseModel]) -> dict[str, Any]:
    _, definitions = models_json_schema([(model, "validation") for model in models])
    return {"$schema": DIALECT, **definitions}
