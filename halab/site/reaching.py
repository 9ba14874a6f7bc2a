"""How the head has something done on a machine: by ssh(1), which ssh_config(5) tells the way, or here on the head.

Only `inv site` does so. All else goes by way of Slurm.
"""

import shlex
from dataclasses import dataclass

from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.printable import printable
from halab.kit.process import CommandResult, NotDone, run
from halab.site import tree
from halab.site.facts import Facts

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5")
NO_SSH = 255  # ssh(1): the exit status for its own errors
ANSWERING = 30.0  # seconds
COPYING = 600.0
INSTALLING = 1800.0
# The new checkout takes the place of the old one when it is whole, with that one's .venv
TAKE = """set -e
new=$1.new old=$1.old
[ ! -e "$1" ] || [ -f "$1/halab/site/joining.py" ] || {
    echo "$1 is there, and is no halab" >&2
    cat >/dev/null
    exit 3
}
rm -rf "$new"
mkdir -p "$new"
tar --extract --gzip --directory "$new"
[ ! -d "$1/.venv" ] || mv "$1/.venv" "$new/.venv"
rm -rf "$old"
[ ! -e "$1" ] || mv "$1" "$old"
mv "$new" "$1"
rm -rf "$old"
"""


@dataclass(frozen=True)
class Way:
    """The way to a machine of a site, with halab in `directory` there."""

    machine: str
    is_here: bool
    directory: str

    def argv(self, *words: str) -> list[str]:
        return list(words) if self.is_here else [*SSH, f"root@{self.machine}", shlex.join(words)]

    def ask(self, *words: str, input: str = "", timeout: float = ANSWERING) -> CommandResult:
        """Run a program there. Raises LabError, with the machine's name, when the machine does not answer."""
        try:
            result = run(self.argv(*words), input=input, timeout=timeout)
        except NotDone:
            raise LabError(f"{self.machine} did not do `{words[0]}` within {timeout:g} s") from None
        if not self.is_here and result.rc == NO_SSH:
            raise LabError(f"{self.machine} does not answer: {_why(result)}")
        return result

    def assure_root(self) -> None:
        """Raise LabError when the machine does not answer, or does not have us for root."""
        result = self.ask("id", "-u")
        if result.stdout.strip() != "0":
            raise LabError(f"{self.machine}: a site needs root there; become root, or let root@{self.machine} in")

    def has_this_halab(self) -> bool:
        """Return whether the very checkout of the head is there, and can run."""
        result = self.ask(f"{self.directory}/.venv/bin/python", "-P", "-m", "halab.site.tree")
        return result.stdout.strip() == tree.digest(ROOT)

    def copy_halab(self) -> None:
        """Put the head's checkout there, and make its .venv. Raises LabError."""
        if not (self.is_here and self.directory == str(ROOT)):
            pack = shlex.join(("tar", "--create", "--gzip", f"--directory={ROOT}", "--null", "--files-from=-"))
            take = shlex.join(self.argv("sh", "-c", TAKE, "sh", self.directory))
            names = "".join(f"{name}\0" for name in tree.names(ROOT))
            copied = run(["bash", "-c", f"set -o pipefail; {pack} | {take}"], input=names, timeout=COPYING)
            if not copied.ok:
                raise LabError(f"{self.machine}: halab could not be copied there: {copied.cause()}")
        made = self.ask(f"{self.directory}/inv", "--version", timeout=INSTALLING)
        if not made.ok:
            raise LabError(f"{self.machine}: {made.cause()}")

    def do(self, what: str, given: str = "", *, timeout: float = ANSWERING) -> str:
        """Do something of `joining` there, and return the JSON that it prints. Raises LabError in a sentence."""
        module = (f"{self.directory}/.venv/bin/python", "-P", "-m", "halab.site.joining", what)
        result = self.ask(*module, input=given, timeout=timeout)
        if not result.ok:
            raise LabError(f"{self.machine}: {_why(result)}")
        return result.stdout

    def look(self) -> Facts:
        return Facts.model_validate_json(self.do("look"))


def _why(result: CommandResult) -> str:
    said = [line for line in result.stderr.splitlines() if line.strip()]
    return printable(said[-1].removeprefix("halab: ").strip()) if said else result.cause()
