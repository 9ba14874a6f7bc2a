"""What `inv measure` reports, and what is left when it fails. Each test goes on from where the last one left off."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from halab.kit.process import find_daemons
from halab.kit.wait import wait
from halab.measure.probe import INTERVAL
from tests.cli import Cli

pytestmark = pytest.mark.timeout(900)  # the first test makes the image, and walks through the lab that comes before


def assert_whole(cli: Cli) -> None:
    status = wait(lambda: cli.json("status"), lambda now: len(now["vip"]["owners"]) == 1, within=30)
    assert [node["member"] for node in status["nodes"]] == ["online", "online"]


@pytest.mark.core
def test_what_is_measured_of_a_power_cut_is_complete_and_consistent(cli: Cli) -> None:
    told = cli.json("measure", "power-cut", "--repeat", "2")

    assert not told["unsafe"]
    assert told["split_brain"] == 0
    assert len(told["runs"]) == 2
    for run in told["runs"]:
        assert_consistent(run)
    lengths = sorted(sum(length(outage) for outage in run["outages"]) for run in told["runs"])
    assert told["outage"]["min"] == pytest.approx(lengths[0])
    assert told["outage"]["median"] == pytest.approx(sum(lengths) / 2)
    assert told["outage"]["max"] == pytest.approx(lengths[1])
    kept = {file.name for file in Path(told["directory"]).iterdir()}
    assert kept == {"report.json", "run-1.svg", "run-1.png", "run-2.svg", "run-2.png"}


def length(outage: dict[str, Any]) -> float:
    return float(outage["span"]["end"] - outage["span"]["start"])


def assert_consistent(run: dict[str, Any]) -> None:
    first, *_ = run["outages"]
    phases = first["phases"]
    assert phases["detect"] + phases["fence"] + phases["recover"] == pytest.approx(length(first), abs=INTERVAL)
    assert min(phases.values()) > 0
    assert 0 <= first["span"]["start"] - run["injected"] < 2  # a busy host needs that long to cut the power
    assert first["span"]["end"] < run["until"]
    order = [event["kind"] for event in run["events"] if event["kind"] in ("lost", "fencing", "fenced", "joined")]
    assert order[:3] == ["lost", "fencing", "fenced"]
    assert order[-1] == "joined"
    assert run["fault"]["node"] in run["members"]


def measuring(cli: Cli) -> "subprocess.Popen[str]":
    """Start `measure power-cut`, and return it once the node has no power."""
    process = subprocess.Popen(
        cli.argv("measure", "power-cut"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    provider = cli.instance().provider
    wait(provider.power_states, lambda states: "off" in states.values(), within=60, successes=1, interval=0.1)
    return process


def probes(cli: Cli) -> list[str]:
    """Return the probes that run on the instance's workstation."""
    listed = cli.instance().provider.workstation_argv(["sh", "-c", "pgrep --full --ns $$ --nslist net measure[.]probe"])
    return subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()


def test_a_measurement_that_was_killed_leaves_no_probe_and_is_healed(cli: Cli) -> None:
    process = measuring(cli)
    there = probes(cli)

    process.kill()
    process.communicate()

    assert len(there) == 1
    wait(lambda: probes(cli), lambda left: left == [], within=5, successes=1)
    assert [fault["name"] for fault in cli.json("status")["faults"]] == ["power-cut"]
    cli("heal")
    assert_whole(cli)


def test_a_measurement_that_is_interrupted_heals_and_none_begins_while_something_is_broken(cli: Cli) -> None:
    process = subprocess.Popen(
        cli.argv("measure", "power-cut"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait(lambda: cli.instance().state.faults, bool, within=120, successes=1, interval=0.1)

    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)

    assert (process.returncode, "Healed power-cut" in told) == (130, True)
    assert cli.json("status")["faults"] == []
    cli("fault", "cpu-hog", "--node", "node2")
    began = time.monotonic()
    assert "the cluster is broken on purpose, by cpu-hog on node2" in cli("measure", "service-crash", expect=3)
    assert time.monotonic() - began < 20
    cli("heal")
    assert_whole(cli)


def test_a_measurement_whose_workstation_is_gone_says_so_and_up_makes_all_whole(cli: Cli) -> None:
    process = measuring(cli)
    time.sleep(1)
    for pid in find_daemons(f"{cli.instance().directory}/holder"):
        os.kill(pid, signal.SIGKILL)

    told, _ = process.communicate(timeout=200)
    assert process.returncode == 3
    assert "try: inv up" in told
    cli("up")
    assert_whole(cli)
    assert cli.json("status")["faults"] == []


def test_what_is_not_started_on_purpose_and_another_address_are_no_obstacle(cli: Cli) -> None:
    node1 = cli.instance().provider
    for line in (
        "pcs resource create db ocf:pacemaker:Stateful promotable",
        "pcs resource create off ocf:pacemaker:Dummy --disabled",
        "pcs resource create banned ocf:pacemaker:Dummy --disabled",
        "pcs constraint location banned avoids node1 node2",
        "pcs resource enable banned",
        "pcs resource create other_ip ocf:heartbeat:IPaddr2 ip=192.168.1.150 cidr_netmask=24 --group both",
        "pcs resource create last ocf:pacemaker:Dummy --group both",
    ):
        assert node1.run("node1", line.split()).ok, line
    active = cli.json("status")["vip"]["owners"]

    told = cli.json("measure", "move")

    assert [told["runs"][0]["fault"]["node"]] == active
    assert cli.json("status")["vip"]["owners"] != active
    roles = next(item["roles"] for item in cli.json("status")["resources"] if item["id"] == "db")
    assert sorted(roles.values()) == ["Promoted", "Unpromoted"]


def test_without_fencing_an_outage_is_called_unsafe(cli: Cli) -> None:
    cli.instance().provider.run("node1", ["pcs", "property", "set", "stonith-enabled=false"])

    told = cli("measure", "service-crash", expect=3)  # the lab begins with fencing on

    assert "Unsafe: fencing is off" in told


def test_nothing_can_be_measured_where_the_service_does_not_answer(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("reset", "--to", "start")
    cli.instance().provider.run("node1", ["pcs", "resource", "disable", "webserver"])
    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", "0.1")

    told = cli("measure", "power-cut", expect=3)

    assert "the cluster is not whole before the fault" in told
    assert "webserver" in told
    assert cli.json("status")["faults"] == []
