"""Where halab keeps things: the checkout, the user's cache (images, pools) and the user's state (instances)."""

import hashlib
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "labs"
PROVISION = ROOT / "provision"


def cache_dir() -> Path:
    """Things that can be made again; honours XDG_CACHE_HOME."""
    return user_cache_path("halab")


def state_dir() -> Path:
    """Instances and the selection; honours XDG_STATE_HOME. It is one directory by whatever links it is reached."""
    return user_state_path("halab").resolve()


def short(path: Path) -> Path:
    """A path as people are told of it: within the checkout, when it is there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def name_on_host(instance: Path) -> str:
    """What the instance in a directory is called where all instances of a host meet: its own name, and which state
    directory it is in, as another user, or another XDG_STATE_HOME, may have one of the same name.
    """
    return f"{instance.name}-{hashlib.sha256(str(instance).encode()).hexdigest()[:8]}"
