"""Measure the page on a cluster of ha-web, in one run: `.venv/bin/python -m bench.page`, as root.

Prints each figure beside what it must reach. Takes ten minutes; needs the image of debian12 (`./inv up` makes it), and
what the page has from npm (`./inv page` installs it).
"""

import os
import sys
import tempfile
import time

from bench.page_map import follow, used_by
from bench.page_terminal import served, typing
from bench.run import inv, report
from halab.instance.instance import Instance
from halab.kit.process import find_daemons
from halab.web import assets, pages
from halab.web.terminals import shells
from halab.web.terminals.shells import Shell

SECONDS = 60.0  # in which nobody looks
LARGEST = 60  # MB


def first_load() -> None:
    files = [*pages.STATIC.iterdir(), *(assets.path() / name for name in assets.SERVED)]
    report("first load, all files that there are", sum(file.stat().st_size for file in files) / 1000, 700, "kB")


def terminals(instance: Instance) -> None:
    found = typing(instance)
    slower = (found["page"] - found["bare"]) * 1000
    report("a key's echo, slower than without the page", slower, 15, "ms", f"{found['bare'] * 1000:.1f} ms without")
    report("a key's echo, 20 learners at once", found["many"] * 1000, 60, "ms", "all 95th percentiles")
    report("memory of a shell", found["shell"] / 1024, 8, "MB")
    report("memory of the server with 21 of them", found["server"] / 1024, LARGEST, "MB")


def nobody_looks(instance: Instance) -> None:
    with served(instance) as server:
        shells.start(instance, Shell(instance.spec.nodes[0].name, "idle"))
        time.sleep(5)
        pids = [str(server.process.pid), *map(str, find_daemons(f"{instance.directory}/page"))]
        before = sum(map(used_by, pids))
        time.sleep(SECONDS)
        used = (sum(map(used_by, pids)) - before) / SECONDS
    report("of a processor, when nobody looks", used * 100, 1, "%")


def the_map(instance: Instance) -> None:
    found = follow(instance)
    report("a power cut, until the map shows it", max(found["cut"]), 1, "s")
    report("a move, from Pacemaker's line to the map", max(found["move"]), 1, "s")
    report("of a processor, when somebody looks", max(found["idle"]) * 100, 5, "%")


def main() -> None:
    first_load()
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        inv("lab", "--name", "ha-web", "--instance", "bench", "--distro", "debian12", "up", "walk")
        try:
            instance = Instance.open("bench")
            terminals(instance)
            nobody_looks(instance)
            the_map(instance)
        finally:
            inv("down")


if __name__ == "__main__":
    sys.exit(main())
