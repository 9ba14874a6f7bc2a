"""Where halab keeps things: the checkout, the user's cache (images, pools) and the user's state (instances)."""

from pathlib import Path

from platformdirs import user_cache_path, user_state_path

ROOT = Path(__file__).resolve().parent.parent
LABS = ROOT / "labs"
PROVISION = ROOT / "provision"


def cache_dir() -> Path:
    """Things that can be made again; honours XDG_CACHE_HOME."""
    return user_cache_path("halab")


def state_dir() -> Path:
    """Instances and the selection; honours XDG_STATE_HOME."""
    return user_state_path("halab")
