"""The project's own tests and linters, and what they find on their host."""

import os
import subprocess
import sys

from halab.cli.report import Report
from halab.kit.errors import CheckFailed, LabError
from halab.kit.paths import LABS, ROOT
from halab.providers import host, images
from halab.providers.vagrant import boxes, packages
from halab.spec import distros, labs

# Machines are tested by two processes (pytest-xdist), each on a host of its own, as one mostly waits for one machine.
# The second gets the longest file, so the first may not hold it up.
HOST = f"unshare --net --mount --propagation private {sys.executable} {ROOT}/tests/vm/host.py {sys.executable}"
HOSTS = (f"--tx=popen//python=nice {HOST}", f"--tx=popen//python={HOST}")
# Clusters mostly wait for each other, so several are tested at once, each file of tests with its own (pytest-xdist)
CLUSTERS = ("--numprocesses=5",)
BY_FILE = ("--dist=loadfile", "--no-loadscope-reorder")
# The first cluster makes the image, and what needs none is tested meanwhile; then the longest files come first
IN_ORDER = ("tests/labs/test_1_walk.py", "tests/unit", "tests/exams", "tests/labs")
# Authors need not annotate what they write; what they ask of a lab is held against halab.conditions.Lab
CHECK_LAB = (sys.executable, "-m", "mypy", "--config-file=", "--no-namespace-packages", "--check-untyped-defs")


def test(select: str, unit: bool, exams: bool, vm: bool, hosts: bool) -> None:
    """Run pytest with the checkout's own Python: all but `tests/vm` and `tests/hosts`, or one part of the tests."""
    report = Report()
    pytest = [sys.executable, "-m", "pytest", *(["-k", select] if select else [])]
    if unit:
        _pass_on([*pytest, "tests/unit"])
    elif vm:
        _prepare_machines(report)
        _pass_on([*pytest, *HOSTS, *BY_FILE, "tests/vm"])
    elif hosts:
        host.ensure(host.BOOTSTRAP_TOOLS, report.say)
        _pass_on([*pytest, "tests/hosts"])
    else:
        if os.geteuid() == 0:
            host.ensure(host.TOOLS, report.say)
        _pass_on([*pytest, *CLUSTERS, *BY_FILE, *(["tests/exams"] if exams else IN_ORDER)])


def _prepare_machines(report: Report) -> None:
    """What the tests on virtual machines find on their host, which has no way out to the network."""
    if os.geteuid() != 0:
        raise LabError("virtual machines on a host of their own need root; become root and type the same again")
    host.ensure((*host.TOOLS, *host.MACHINE_TOOLS), report.say)
    packages.ensure(report.say)
    boxes.ensure(distros.load(images.FALLBACK), host.vagrant_public_key(), report.say)


def lint() -> None:
    _pass_on([sys.executable, "-m", "ruff", "check", "."])
    _pass_on([sys.executable, "-m", "ruff", "format", "--check", "."])
    _pass_on([sys.executable, "-m", "mypy", "halab", "tasks.py"])
    for lab in labs.names():  # one by one, as several have a file of one name
        _pass_on([*CHECK_LAB, *map(str, sorted((LABS / lab).glob("*.py")))])


def _pass_on(argv: list[str]) -> None:
    """Run a program of the project on this terminal; its failure is ours."""
    if code := subprocess.run(argv, cwd=ROOT, check=False).returncode:
        raise CheckFailed(f"`{' '.join(argv[1:])}` ended with exit status {code}")
