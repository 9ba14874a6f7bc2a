"""Measure halab against bare scripts that do the same, in one run: `.venv/bin/python bench/run.py`, as root.

Prints each figure beside what it must reach. Takes seven minutes; needs the image of debian12 (`./inv up` makes it).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from halab.instance.instance import Instance
from halab.kit.paths import name_on_host
from halab.kit.process import find_daemons
from halab.kit.wait import wait
from halab.providers.images import ensure
from halab.spec.distros import load
from halab.walk import checkpoints
from halab.walk.lab import Lab

HERE = Path(__file__).parent
ROUNDS = 5


def inv(*arguments: str) -> None:
    argv = [HERE.parent / "inv", *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"inv {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


def processor_seconds(act: Callable[[], object]) -> float:
    """What the processors did meanwhile (proc(5), /proc/stat), for all programs: nothing else should be running."""
    before = _busy()
    act()
    return _busy() - before


def _busy() -> float:
    user, nice, system, _idle, _waiting, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def report(what: str, measured: float, limit: float, unit: str, detail: str = "") -> None:
    verdict = "ok" if measured <= limit else "TOO SLOW"
    print(f"{what:<48} {measured:6.2f} {unit:<2} at most {limit:g} {unit:<2} {verdict:<8} {detail}", flush=True)


def start_up() -> None:
    for what, arguments, limit in (("inv --list", ("--list",), 0.4), ("inv status", ("status",), 0.7)):
        taken = [seconds(lambda: inv(*arguments)) for _ in range(ROUNDS)]  # noqa: B023
        report(what, statistics.median(taken), limit, "s")


def up() -> None:
    image = ensure(load("debian12"), print)
    ours, bare = [], []
    for _ in range(ROUNDS):
        inv("down")
        started = time.monotonic()
        script = [HERE / "bare_up.sh", image.reference, str(image.pool)]
        holder = subprocess.run(script, check=True, capture_output=True, text=True).stdout.strip()
        bare.append(time.monotonic() - started)
        subprocess.run([HERE / "bare_down.sh", holder], check=True)
        ours.append(seconds(lambda: inv("up")))
    one, other = statistics.median(ours), statistics.median(bare)
    report("up, against a bare script", one / other, 1.25, "x", f"{one:.2f} s and {other:.2f} s")


def bare_walk() -> float:
    """Seconds that the script takes on bare nodes of a new instance."""
    inv("down")
    inv("up")
    instance = Instance.open("bench")
    (holder,) = find_daemons(f"{instance.directory}/holder")
    account = instance.spec.credentials
    nodes = [f"halab-{name_on_host(instance.directory)}-{node.name}" for node in instance.spec.nodes]
    script = [HERE / "bare_walk.sh", str(holder), *nodes, account.bmc_user, account.bmc_password]
    return seconds(lambda: subprocess.run(script, check=True))


def checkpoint() -> None:
    instance = Instance.open("bench")
    lab = Lab(instance)

    def memberships() -> list[int]:
        pattern = "A new membership|A processor failed"
        counts = [node.run("grep", "-cE", pattern, "/var/log/corosync/corosync.log").stdout for node in lab.nodes]
        return list(map(int, counts))

    before = memberships()
    with instance.lock():
        taken = [seconds(lambda: checkpoints.save(instance, "bench")) for _ in range(ROUNDS)]
    time.sleep(5)
    changes = sum(memberships()) - sum(before)
    report("checkpoint of a running cluster", statistics.median(taken), 0.6, "s", f"{changes} membership changes")


def reset() -> None:
    taken = [_reset_until_served() for _ in range(ROUNDS)]
    report("reset to constraints, until HTTP 200", statistics.median(taken), 6, "s", f"{min(taken):.2f} s at least")
    for step, limit in (("constraints", 5.5), ("stonith", 6.5)):
        spent = [processor_seconds(lambda: inv("reset", "--to", step)) for _ in range(ROUNDS)]  # noqa: B023
        report(
            f"reset to {step}, processor seconds", statistics.median(spent), limit, "s", f"{min(spent):.2f} s at least"
        )


def _reset_until_served() -> float:
    """Seconds until the service answers. It goes away first, so an answer from before the reset does not count.

    It is asked again every 0.2 s, as a question to an address that nobody has goes on until its time is up. The reset
    itself goes on then, as it verifies the step.
    """
    lab = Lab(Instance.open("bench"))
    ask = ["curl", "--silent", "--max-time", "0.2", "--output", "/dev/null", "--write-out", "%{http_code}"]

    def answer() -> str:
        return lab.workstation.run(*ask, f"http://{lab.vip}/").stdout

    argv = [HERE.parent / "inv", "reset", "--to", "constraints"]
    started = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait(answer, lambda code: code != "200", within=20, successes=1, interval=0.02)
        wait(answer, lambda code: code == "200", within=60, successes=1, interval=0.02, tiring=False)
        return time.monotonic() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        inv("lab", "--instance", "bench", "--distro", "debian12", "up")
        try:
            start_up()
            up()
            ours = seconds(lambda: inv("walk"))
            checkpoint()
            reset()
            bare = bare_walk()
            report("walk, against a bare script", ours / bare, 1.25, "x", f"{ours:.1f} s and {bare:.1f} s")
        finally:
            inv("down")


if __name__ == "__main__":
    sys.exit(main())
