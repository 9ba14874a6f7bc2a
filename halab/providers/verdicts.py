"""What came of trying what a distro's nodes are made from, kept so that it is tried once.

<cache>/tried/<distro>-<digest of its recipe>-<provider>.json
"""

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.paths import cache_dir
from halab.providers.images import Recipe
from halab.spec.distros import Distro

FAILURE_HOLDS = timedelta(days=1)  # a package source that fails today may be mended tomorrow


class Verdict(Frozen):
    """`tried` names what was tried, and how. `failure` says why that failed, or why there was nothing to try."""

    at: datetime
    tried: str = ""
    failure: str = ""


def passed(distro: Distro, provider: str, tried: str) -> bool:
    """Return whether it has passed this very trial."""
    known = _read(distro, provider)
    return bool(known and known.tried == tried and not known.failure)


def failure(distro: Distro, provider: str) -> str | None:
    """Return why the distro failed within the last day, in a sentence; None when it did not."""
    known = _read(distro, provider)
    if known is None or datetime.now().astimezone() - known.at > FAILURE_HOLDS:
        return None
    return known.failure or None


def keep(distro: Distro, provider: str, *, tried: str = "", failure: str = "") -> None:
    """Keep a verdict in place of the one before."""
    verdict = Verdict(at=datetime.now().astimezone(), tried=tried, failure=failure)
    write_atomically(_file(distro, provider), verdict.model_dump_json())


def _read(distro: Distro, provider: str) -> Verdict | None:
    try:
        return Verdict.model_validate_json(_file(distro, provider).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _file(distro: Distro, provider: str) -> Path:
    return cache_dir() / "tried" / f"{distro.name}-{Recipe(distro).digest}-{provider}.json"
