"""A machine of a site that is this one: stand-ins for squeue and srun run a far command here, or lose it midway."""

import subprocess
import sys
from pathlib import Path

WIDTHS = (20, 20, 80, 200, 60)
# It does what follows its options, somewhere, and ends with 0 whatever comes of it
SRUN = """#!/bin/bash
for word; do
    case $word in
        --input=none) exec </dev/null ;;
        /*) break ;;
    esac
    shift
done
cd /
"$@"
exit 0
"""
CUT_OFF = """#!/bin/bash
echo half of what was said
exit 0
"""
INV = """#!/bin/bash
printf '%s|' "$HALAB_INSTANCE" "$@"
case $1 in
    fail) exit 7 ;;
    read) cat ;;
    wait) touch began; exec sleep 30 ;;
    settings) env ;;
    complain) echo complained >&2 ;;
esac
"""


def line(*cells: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)) + "\n"


class Bench:
    """Stand-ins for squeue and srun, and a machine's checkout with an inv."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.directory = place / "checkout"
        self.directory.mkdir()
        (place / "bin").mkdir()
        self.program("srun", SRUN)
        self.program("../checkout/inv", INV)
        self.seats(line("12", "RUNNING", "m1", str(self.directory), "None"))

    def program(self, name: str, text: str) -> None:
        path = self.place / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def seats(self, text: str) -> None:
        (self.place / "seats").write_text(text)
        self.program("squeue", f'#!/bin/bash\necho "$@" >"{self.place}/asked"\ncat "{self.place}/seats"\n')

    @property
    def asked(self) -> str:
        return (self.place / "asked").read_text()

    def start(self, *words: str, **options: object) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-P", "-m", "halab.classroom.forwarding", *words]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(argv, text=True, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]

    def do(self, *words: str, input: str = "") -> tuple[int, str, str]:
        with self.start(*words) as child:
            out, err = child.communicate(input, timeout=30)
            return child.returncode, out, err
