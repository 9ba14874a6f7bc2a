"""What is done on a machine of a site, on the machine: `python -m halab.site.joining WHAT`, with JSON on its input.

The head has it run, by ssh or here. Whatever is done may be done again, and after a kill.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from halab.kit.errors import Exit, HalabError, LabError
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.printable import printable
from halab.site import daemons, facts, files


class Given(Frozen):
    """What a machine is given. `key` is in hexadecimal; `others` are further files of its directory, as name: text."""

    site: str
    conf: str
    key: str
    is_head: bool
    epilog: str
    others: dict[str, str]


def prepare(given: str) -> str:
    """Install what is missing. Return what the machine says of itself."""
    facts.install(json.loads(given)["is_head"])
    return look("")


def look(given: str) -> str:
    return facts.here().model_dump_json()


def refuse_another(given: Given) -> None:
    """Raise LabError when this machine is in another site."""
    there = files.ON_MACHINE / daemons.KEY
    if there.is_file() and there.read_bytes().hex() != given.key:
        raise LabError(
            "it is in another site, as its munge key tells; end that there with `inv site down`, "
            f"or remove {files.ON_MACHINE}"
        )


def join(text: str) -> str:
    """Take the site's files, and start the daemons that do not run, or have an older slurm.conf."""
    given = Given.model_validate_json(text)
    refuse_another(given)
    for directory in (files.ON_MACHINE, files.RUN, files.KEPT):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)  # munged refuses what others may write to (munged(8))
    for name in ("state", "spool"):
        (files.KEPT / name).mkdir(exist_ok=True, mode=0o700)
    _write(daemons.KEY, bytes.fromhex(given.key), 0o400)
    _write(daemons.EPILOG, given.epilog.encode(), 0o755)
    for name, content in given.others.items():
        _write(name, content.encode(), 0o644)
    is_old = _write(daemons.CONF, given.conf.encode(), 0o644)
    daemons.MUNGED.start()
    for daemon in (*([daemons.SLURMCTLD] if given.is_head else []), daemons.SLURMD):
        if is_old:
            daemon.end()
        daemon.start()
    return "{}"


def _write(name: str, content: bytes, mode: int) -> bool:
    """Write a file, and return whether it is another one than before."""
    file = files.ON_MACHINE / name
    if file.is_file() and file.read_bytes() == content:
        return False
    write_atomically(file, content, mode)
    file.chmod(mode)
    return True


def leave(given: str) -> str:
    """End the site's daemons, and remove what they had."""
    for daemon in reversed(daemons.ALL):
        daemon.end()
    for directory in (files.RUN, files.KEPT, files.ON_MACHINE):
        remove(directory)
    return "{}"


def remove(directory: Path) -> None:
    """Remove a directory of the site's, and those above it that are empty then."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.parent.is_dir() and not any(directory.parent.iterdir()):
        directory.parent.rmdir()


WHAT: dict[str, Callable[[str], str]] = {"prepare": prepare, "look": look, "join": join, "leave": leave}


def main(what: str) -> int:
    try:
        print(WHAT[what](sys.stdin.read()))
    except HalabError as error:
        print(f"halab: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    return Exit.GOOD


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
