"""The measurements of an instance: measurements/<time>-<fault>/ with report.json and a picture of each run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halab.instance.instance import Instance
from halab.kit.audience import NOBODY, Audience, Event, Reported
from halab.kit.files import publish
from halab.measure.report import Measurement
from halab.measure.timeline import draw

REPORT = "report.json"


@dataclass(frozen=True)
class Measured(Event):
    """A measurement was made, and is kept in a directory."""

    kind = "measured"
    measurement: Measurement
    directory: Path

    def data(self) -> dict[str, Any]:
        found = self.measurement
        seconds = [run.seconds for run in found.runs]
        return {"fault": found.fault, "fencing": found.fencing, "seconds": seconds, "directory": self.directory}


def keep(instance: Instance, measurement: Measurement, audience: Audience = NOBODY) -> Path:
    """Write the report and its pictures, let the state remember them, and return their directory. Needs the lock."""
    directory = instance.directory / "measurements" / f"{measurement.at:%Y%m%d-%H%M%S}-{measurement.fault}"
    directory.mkdir(parents=True, exist_ok=True)
    for number, run in enumerate(measurement.runs, 1):
        draw(measurement, run, [directory / f"run-{number}.{suffix}" for suffix in ("svg", "png")])
    publish(directory / REPORT, measurement.model_dump_json(indent=2))
    instance.remember(instance.state.with_measurement(directory.name))
    audience.tell(Reported(directory))
    return directory


def everything(instance: Instance) -> list[Measurement]:
    """Return the measurements that count, oldest first. After a reset, those made after its checkpoint do not."""
    place = instance.directory / "measurements"
    return [
        Measurement.model_validate_json((place / name / REPORT).read_text()) for name in instance.state.measurements
    ]
