"""Where halab keeps things: the checkout, the user's cache (images, pools) and the user's state (instances).

Others are imported where they are used: a command to a learner's machine does without them.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "labs"
PROVISION = ROOT / "provision"


def cache_dir() -> Path:
    """Return the directory for things that can be made again. It honours XDG_CACHE_HOME."""
    from platformdirs import user_cache_path

    return user_cache_path("halab")


def state_dir() -> Path:
    """Return the directory for instances and the selection. It honours XDG_STATE_HOME.

    Links are resolved, so it is the same path whichever way it is reached.
    """
    from platformdirs import user_state_path

    return user_state_path("halab").resolve()


def short(path: Path) -> Path:
    """Return a path as people are told of it: relative to the checkout, when it is in there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def name_on_host(instance: Path) -> str:
    """Return the name of an instance for places that all instances of a host share.

    It is the instance's own name and a hash of its directory: another user, or another XDG_STATE_HOME, may have an
    instance of the same name.
    """
    import hashlib

    return f"{instance.name}-{hashlib.sha256(str(instance).encode()).hexdigest()[:8]}"
