"""The project's own tests and linters, and what they find on their host."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from halab.cli.report import Report
from halab.kit.errors import CheckFailed, LabError
from halab.kit.paths import LABS, ROOT
from halab.providers import host, images, rights
from halab.providers.vagrant import boxes, command, packages
from halab.site import facts
from halab.spec import distros, labs

# Files of tests are given out to processes (pytest-xdist), in this order: the longest first
IN_ORDER = ("--dist=loadfile", "--no-loadscope-reorder")
EXAMS = (
    "tests/exams/test_repair.py",
    "tests/exams/test_tune.py",
    "tests/exams/test_build.py",
    "tests/exams/test_quorum.py",
    "tests/exams",
)
ON_CLUSTERS = (
    *EXAMS,
    "tests/labs/test_firewall.py",
    "tests/labs/test_failover.py",
    "tests/labs/test_split_brain.py",  # takes as long however little runs beside it
    "tests/labs/test_ha_web.py",
    "tests/labs/test_robustness.py",
    "tests/labs/test_data_sync.py",
    "tests/web/test_real_cluster.py",
    "tests/labs/test_enterprise.py",
    "tests/labs/test_faults.py",
    "tests/labs/test_quorum.py",
    "tests/labs",
    "tests/web",
)
# Clusters mostly wait for each other, so several are tested at once, each by a process. The first one makes the image,
# and what needs none is tested meanwhile. With the machines that .ci/run tests beside them, two processors are busy.
CLUSTERS = ("--numprocesses=3", *IN_ORDER)
ALL = (*CLUSTERS, "tests/labs/test_walk.py", "tests/unit", *ON_CLUSTERS)
REST = (*CLUSTERS, "-m", "not core", *ON_CLUSTERS)
# Six files of the core have clusters, and all of these are begun at once
CORE = ("--numprocesses=8", *IN_ORDER, "-m", "core", "tests/labs", "tests/exams", "tests/web", "tests/unit")
# Each process has a host of its own, as one mostly waits for one machine
HOST = f"unshare --net --mount --propagation private {sys.executable} {ROOT}/tests/vm/host.py {sys.executable}"
HOSTS = ("--tx", f"2*popen//python={HOST}")
MACHINES = (*HOSTS, *IN_ORDER, "tests/vm/test_machines.py", "tests/vm")

PARTS = {
    "core": CORE,
    "all": ALL,
    "rest": REST,
    "unit": ("tests/unit",),
    "exams": (*CLUSTERS, *EXAMS),
    "vm": MACHINES,
    "hosts": ("tests/hosts",),
    "site": ("tests/site",),
}


SITE_TOOLS = (host.Tool("sshd", "lets the head in to machines of its tests", "openssh-server", "openssh-server"),)


def test(parts: Sequence[str], select: str, no_skip: bool) -> None:
    """Run pytest with the checkout's own Python: on one of the `parts`, or on the core, or on what is selected."""
    if len(parts) > 1:
        raise LabError(f"{' and '.join(f'--{part}' for part in parts)}: choose one")
    part = parts[0] if parts else "all" if select else "core"
    _prepare(part, Report())
    options = [*(["-k", select] if select else []), *(["--no-skip"] if no_skip else [])]
    _pass_on([sys.executable, "-m", "pytest", *options, *PARTS[part]])


def _prepare(part: str, report: Report) -> None:
    """Install what the tests need: nothing where nodes cannot run, as those tests are skipped."""
    if part == "vm":
        _prepare_machines(report)
    elif part == "site" and not rights.no_nodes_because():
        host.ensure((*host.TOOLS, *facts.ON_EACH, *facts.ON_HEAD, *SITE_TOOLS), report.say)
    elif part == "hosts":
        host.ensure(host.BOOTSTRAP_TOOLS, report.say)
    elif part != "unit" and not rights.no_nodes_because():
        host.ensure((*host.TOOLS, *host.BROWSER), report.say)


def _prepare_machines(report: Report) -> None:
    """Provide what tests on virtual machines find on their host, which has no way out to the network."""
    if os.geteuid() != 0:
        raise LabError("virtual machines on a host of their own need root; become root and type the same again")
    host.ensure((*host.TOOLS, *host.MACHINE_TOOLS), report.say)
    packages.ensure(report.say)
    boxes.ensure(distros.load(images.FALLBACK), command.public_key(), report.say)


def lint() -> None:
    _pass_on([sys.executable, "-m", "ruff", "check", "."])
    _pass_on([sys.executable, "-m", "ruff", "format", "--check", "."])
    _pass_on([sys.executable, "-m", "mypy", "halab", "tasks.py"])
    for lab in labs.names():  # one at a time, as each has a file solutions.py
        _pass_on([sys.executable, "-m", "mypy", *map(str, sorted((LABS / lab).glob("*.py")))])
    _pass_on([str(Path(sys.executable).with_name("actionlint"))])


def _pass_on(argv: list[str]) -> None:
    """Run a program of the project on this terminal. Raises LabError when it fails."""
    if code := subprocess.run(argv, cwd=ROOT, check=False).returncode:
        raise CheckFailed(f"`{' '.join(argv[2:]) or Path(argv[0]).name}` ended with exit status {code}")
