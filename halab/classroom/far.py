"""What a process has of settings that is run by way of Slurm: root's, and nothing else of the one that asks for it.

Little is imported here, as each forwarded command waits for it.
"""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STATE_HOME = "XDG_STATE_HOME"  # instances are in the same place on each machine of a site


def argv(settings: dict[str, str], *words: str) -> list[str]:
    """Return the command that runs a program with these settings and root's."""
    own = {
        "PATH": PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **{name: value for name, value in settings.items() if value},
    }
    return ["/usr/bin/env", "--ignore-environment", *(f"{name}={value}" for name, value in own.items()), *words]


def module(directory: str, name: str, *words: str) -> list[str]:
    """Return the command that runs a module of the halab in a directory."""
    return [f"{directory}/.venv/bin/python", "-P", "-m", f"halab.classroom.{name}", *words]
