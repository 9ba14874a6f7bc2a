"""What people do on the nodes by hand: which shells are open, and whether somebody may have worked there."""

from datetime import datetime
from pathlib import Path

from halab.instance.instance import Instance
from halab.kit.process import find_daemons

TICK = 0.01  # seconds; a file has the time of the kernel's last tick, which is that much before now, or less


def shell_mark(instance: Instance, node: str) -> str:
    """Return the mark by which a shell on a node is found (see process.start_daemon)."""
    return f"{instance.directory}/shell/{node}"


def open_shells(instance: Instance) -> list[str]:
    """Return the nodes on which a shell of `inv ssh`, or of the page, is still open."""
    marks = set(find_daemons(f"{instance.directory}/shell").values())
    return [node.name for node in instance.spec.nodes if shell_mark(instance, node.name) in marks]


def note(instance: Instance) -> None:
    """Remember that somebody may have worked on the nodes just now. Needs no lock."""
    noted(instance).touch()


def forget(instance: Instance) -> None:
    """Forget that somebody worked by hand, as that work is saved or gone. Needs the lock."""
    noted(instance).unlink(missing_ok=True)


def may_have_worked(instance: Instance, since: datetime | None = None) -> bool:
    """Return whether somebody may have worked on the nodes since they were saved or put back, or since a later time."""
    if open_shells(instance):
        return True
    try:
        at = noted(instance).stat().st_mtime
    except FileNotFoundError:
        return False
    return since is None or at > since.timestamp() - TICK


def noted(instance: Instance) -> Path:
    """Return the file whose time is when somebody may have worked last."""
    return instance.directory / "worked-by-hand"
