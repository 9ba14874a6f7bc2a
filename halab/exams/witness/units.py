"""What decides how systemd starts the cluster's daemons: their units, and what is in their environment."""

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
# Settings that say what the daemon is, or what it finds where (systemd.service(5), systemd.exec(5)). What is run before
# it, a `sleep` until the network is there, for example, is nobody's business
_RUNS = re.compile(
    r"^\s*((ExecStart|RootDirectory|RootImage|BindPaths|BindReadOnlyPaths|MountImages|ExtensionImages"
    r"|ExtensionDirectories|TemporaryFileSystem)\s*=.*\S)\s*$",
    re.MULTILINE,
)
# Variables that bring other code into a program (ld.so(8), python(1))
LOADED = re.compile(r"\b(LD_PRELOAD|LD_AUDIT|LD_LIBRARY_PATH|PYTHONPATH|PYTHONHOME|PYTHONSTARTUP|RUBYOPT|RUBYLIB)=")


def unit_of(path: str) -> str | None:
    """The unit that a file is about: one of the cluster's daemons, or `service` for all of them; None otherwise."""
    if found := _UNIT.fullmatch(path):
        return found["unit"]
    return "service" if _ALL_UNITS.fullmatch(path) else None


def is_environment(path: str) -> bool:
    return _ENVIRONMENT.fullmatch(path) is not None


def runs_otherwise(text: str, packaged: str) -> str | None:
    """The first setting of a unit, or of a part of one, by which something is run that its package does not say."""
    as_packaged = {_setting(line) for line, _ in _RUNS.findall(packaged)}
    return next((line.strip() for line, _ in _RUNS.findall(text) if _setting(line) not in as_packaged), loads(text))


def loads(text: str) -> str | None:
    """The first line by which other code would be loaded into programs."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if LOADED.search(line) and not line.startswith(("#", ";"))), None)


def _setting(line: str) -> str:
    name, _, value = line.partition("=")
    return f"{name.strip()}={value.strip()}"
