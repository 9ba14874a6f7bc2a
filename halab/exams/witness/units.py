"""What decides how systemd starts the cluster's daemons: their units, and their environment."""

import re

DAEMONS = ("corosync", "pacemaker", "pcsd", "sbd", "corosync-qdevice", "corosync-qnetd", "firewalld", "dbus")
PLACES = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
PACKAGED = "usr/lib/systemd/system"
_UNIT = re.compile(rf"({'|'.join(PLACES)})/(?P<unit>({'|'.join(DAEMONS)})\.service)(\.d/[^/]+\.conf)?")
_ALL_UNITS = re.compile(rf"({'|'.join(PLACES)})/service\.d/[^/]+\.conf")
_ENVIRONMENT = re.compile(
    rf"etc/environment|etc/environment\.d/[^/]+|etc/(default|sysconfig)/({'|'.join(DAEMONS)})"
    r"|etc/systemd/system\.conf(\.d/[^/]+\.conf)?"
)
# Settings that say what the daemon is, or what it finds at which path (systemd.service(5), systemd.exec(5)). Commands
# that run before it, such as a `sleep` until the network is there, are of no concern
_RUNS = re.compile(
    r"^\s*((ExecStart|RootDirectory|RootImage|BindPaths|BindReadOnlyPaths|MountImages|ExtensionImages"
    r"|ExtensionDirectories|TemporaryFileSystem)\s*=.*\S)\s*$",
    re.MULTILINE,
)
# Variables that bring other code into a program (ld.so(8), python(1))
LOADED = re.compile(r"\b(LD_PRELOAD|LD_AUDIT|LD_LIBRARY_PATH|PYTHONPATH|PYTHONHOME|PYTHONSTARTUP|RUBYOPT|RUBYLIB)=")


def unit_of(path: str) -> str | None:
    """Return the unit that a file is about: one of the cluster's daemons, or `service` for all units.

    Return None for other files.
    """
    if found := _UNIT.fullmatch(path):
        return found["unit"]
    return "service" if _ALL_UNITS.fullmatch(path) else None


def is_environment(path: str) -> bool:
    return _ENVIRONMENT.fullmatch(path) is not None


def runs_otherwise(text: str, packaged: str) -> str | None:
    """Return the first setting of a unit, or of a drop-in, that runs what its package does not, or None."""
    as_packaged = {_setting(line) for line, _ in _RUNS.findall(packaged)}
    return next((line.strip() for line, _ in _RUNS.findall(text) if _setting(line) not in as_packaged), loads(text))


def loads(text: str) -> str | None:
    """Return the first line that would load other code into programs, or None."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if LOADED.search(line) and not line.startswith(("#", ";"))), None)


def _setting(line: str) -> str:
    name, _, value = line.partition("=")
    return f"{name.strip()}={value.strip()}"
