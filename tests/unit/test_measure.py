"""Outages, their phases and pictures, made of what a probe saw and what journals say."""

import asyncio
import json
import os
import re
import sys
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from halab.cli.audience import JsonAudience, RichAudience
from halab.conditions import measured
from halab.faults import registry
from halab.instance.instance import Instance
from halab.instance.state import InjectedFault, State
from halab.kit.errors import LabError
from halab.measure import probe, run, writes
from halab.measure.events import Event, parse_journal
from halab.measure.outages import Claim, Sample, Seen, gaps, outages, split_brain
from halab.measure.probing import Probing
from halab.measure.records import Measured
from halab.measure.report import Measurement, Run
from halab.measure.run import summary
from halab.measure.timeline import BAD, GOOD, draw, lanes
from halab.measure.writes import Write
from halab.spec import labs
from halab.spec.models import LabSpec
from halab.walk.lab import Lab
from tests.fakes import LAB_TOML, Programs, World

FAULT = 100.0  # when it was injected, in all that follows


def samples(*pieces: tuple[float, float, str | None]) -> list[Sample]:
    """Return a request every 0.05 s in each piece: from, to (both in seconds since the fault), answered by."""
    found = []
    for start, end, node in pieces:
        count = round((end - start) / 0.05)
        found += [
            Sample(FAULT + start + number * 0.05, 0.01, None if node is None else (node,)) for number in range(count)
        ]
    return found


def event(at: float, kind: str, node: str = "node1", text: str = "", resource: str = "") -> Event:
    return Event(FAULT + at, kind, "node2", node, text, resource)


CUT = samples((-1, 0, "node1"), (0, 8, None), (8, 10, "node2"))
TOLD = [
    event(3.1, "token"),
    event(4.2, "lost", text="A new membership (2.1e) was formed. Members left: 1"),
    event(4.3, "fencing"),
    event(6.9, "fenced"),
    event(7.5, "started", "node2", resource="virtual_ip"),
]


def test_an_outage_is_from_the_first_lost_request_to_the_next_answered_one() -> None:
    found = outages(CUT, [])

    assert [(outage.span.start, outage.ended) for outage in found] == [(FAULT, True)]
    assert found[0].span.seconds == pytest.approx(8)


def test_phases_add_up_to_the_outage() -> None:
    phases = outages(CUT, TOLD)[0].phases

    assert phases.detect == pytest.approx(4.2)
    assert phases.fence == pytest.approx(2.7)
    assert phases.recover == pytest.approx(1.1)


def test_an_outage_that_nobody_was_fenced_for_has_no_such_phase() -> None:
    phases = outages(CUT, [event(4.2, "failed", resource="webserver")])[0].phases

    assert (phases.fence, phases.detect, phases.recover) == (None, pytest.approx(4.2), pytest.approx(3.8))


def test_each_of_two_outages_has_its_own_events() -> None:
    seen = [*CUT, *samples((10, 11, None), (11, 12, "node1"))]

    second = outages(seen, TOLD)[1]

    assert second.span.seconds == pytest.approx(1)
    assert second.phases.detect is None


def test_an_outage_without_an_end_says_so() -> None:
    found = outages(samples((-1, 0, "x"), (0, 3, None)), [])

    assert [outage.ended for outage in found] == [False]
    assert found[0].span.seconds == pytest.approx(2.95)


def test_a_probe_that_was_held_up_saw_no_outage_and_tells_the_gap() -> None:
    seen = samples((-1, 0, "x"), (2, 3, "x"))

    assert outages(seen, []) == []
    assert [gap.seconds for gap in gaps(seen)] == [pytest.approx(2.05)]


def test_a_lost_request_that_is_told_late_is_put_where_it_was_sent() -> None:
    lines = [["http", 1.1, 0.01, ["node1"]], ["http", 1.0, 0.9, None], ["arp", 1.0, ["02:00:0a"]], ["arp", 1.1, ["aa"]]]
    seen = Seen()

    seen.read(map(json.dumps, lines), {"02:00:0a": "node1", "node1": "node1"})

    assert [sample.named for sample in seen.since(0).samples] == [None, ("node1",)]
    assert [claim.owners for claim in seen.claims] == [("node1",), ("aa",)]


def test_writes_are_told_by_number_and_whether_they_were_acknowledged() -> None:
    seen = Seen()

    seen.read(map(json.dumps, [["put", 1.1, 12, True], ["put", 1.0, 11, False]]), {})

    assert [(write.number, write.acknowledged) for write in seen.since(0).writes] == [(11, False), (12, True)]
    assert [write.number for write in seen.since(1.05).writes] == [12]


@pytest.fixture
def web(programs: Programs) -> dict[int, int]:
    """Statuses by number, as a service answers them through the VIP; one that is not there answers nothing."""
    answers: dict[int, int] = {}

    def curl(argv: Sequence[str], given: str) -> str:
        asked = re.findall(r'url = "(http://10\.1\.0\.100/counter/(\d+))"', given)
        return "".join(f"{answers.get(int(number), 0):03d} {url}\n" for url, number in asked)

    programs.stand_in("curl", curl)
    return answers


def an_instance() -> Instance:
    class Provider:
        def workstation_argv(self, argv: list[str]) -> list[str]:
            return argv

    spec = SimpleNamespace(vip=IPv4Address("10.1.0.100"))
    return cast(Instance, SimpleNamespace(spec=spec, provider=Provider()))


def test_what_is_kept_is_what_the_service_has(web: dict[int, int]) -> None:
    web.update({11: 200, 12: 404, 13: 200})

    assert writes.kept(an_instance(), "/counter/", [11, 12, 13]) == (11, 13)
    assert writes.kept(an_instance(), "/counter/", []) == ()


@pytest.mark.parametrize("status", [0, 500])
def test_a_service_that_does_not_tell_is_no_loss_of_writes(web: dict[int, int], status: int) -> None:
    web.update({11: 200, 12: status})

    with pytest.raises(LabError, match="/counter/12"):
        writes.kept(an_instance(), "/counter/", [11, 12])


def test_answers_count_since_the_last_one_that_was_lost() -> None:
    assert Seen(samples((0, 2, None), (2, 3, "x"))).answered_for() == pytest.approx(0.95)
    assert Seen(samples((0, 2, None))).answered_for() == 0


def test_a_cluster_without_any_power_waits_for_nothing_more(world: World) -> None:
    instance = Instance("cut", State(lab="tiny", provider="fake", distro="debian12", spec=labs.load("tiny").spec))
    power_cut = registry.find("power-cut")
    world.power = {"node1": "off", "node2": "on"}
    one_left = run.unsettled(instance, fencing=True, fault=power_cut)
    world.power["node2"] = "off"

    assert "is not reachable" in one_left
    assert run.unsettled(instance, fencing=True, fault=power_cut) == ""


def test_two_owners_in_a_row_are_a_split_brain_and_one_moment_of_both_is_a_move() -> None:
    one, both = ("node1",), ("node1", "node2")
    claims = [Claim(number / 10, owners) for number, owners in enumerate([one, both, one, both, both, both, one])]

    assert [(span.start, span.seconds) for span in split_brain(claims)] == [(0.3, pytest.approx(0.3))]


SENTENCES = {
    "corosync/[TOTEM ] A processor failed, forming new configuration: token timed out (3000ms)": ("token", "", ""),
    "[TOTEM ] A new membership (2.2e) was formed. Members left: 1": ("lost", "", ""),
    "[TOTEM ] A new membership (1.32) was formed. Members joined: 1": ("joined", "", ""),
    "notice: Requesting peer fencing (reboot) targeting node1": ("fencing", "node1", ""),
    "notice: Operation 'reboot' targeting node1 by node2 for pacemaker-controld.312@node2: OK (complete)": (
        "fenced",
        "node1",
        "",
    ),
    "notice: Operation 'reboot' targeting node1 by node2 for pacemaker-controld.312@node2: Error occurred (x)": (
        "unfenced",
        "node1",
        "",
    ),
    "notice: Result of start operation for virtual_ip on node2: ok": ("started", "node2", "virtual_ip"),
    "notice: Result of stop operation for webserver on node1: ok": ("stopped", "node1", "webserver"),
    "notice: Result of monitor operation for webserver on node1: not running": ("failed", "node1", "webserver"),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_journals_are_read_for_what_matters(sentence: str) -> None:
    line = json.dumps({"MESSAGE": sentence, "__REALTIME_TIMESTAMP": "1700000000500000"})

    (found,) = parse_journal([line], "node2", late=0.25)

    assert (found.kind, found.node, found.resource) == SENTENCES[sentence]
    assert found.at == pytest.approx(1_700_000_000.25)


@pytest.mark.parametrize(
    "message",
    [
        "notice: Result of probe operation for virtual_ip on node2: not running",
        "notice: Result of monitor operation for webserver on node1: Cancelled",
        [1, 2, 3],
    ],
)
def test_what_is_usual_is_no_event(message: object) -> None:
    assert parse_journal([json.dumps({"MESSAGE": message, "__REALTIME_TIMESTAMP": "1"})], "node1") == []


def test_who_claims_an_address_is_read_from_the_frame() -> None:
    own, vip = IPv4Address("192.168.1.1"), IPv4Address("192.168.1.100")
    mac = bytes.fromhex("0200c0a80101")

    frame = probe.arp_request(mac, own, vip)

    assert probe.claimed_by(frame, vip) is None
    assert probe.claimed_by(frame, own) == "02:00:c0:a8:01:01"
    assert len(frame) == 42


def a_run(seen: list[Sample], told: list[Event], written: Sequence[Write] = (), kept: tuple[int, ...] = ()) -> Run:
    claims = [Claim(sample.at, ("node1",) if sample.at < FAULT else ("node2",)) for sample in seen[::2] if sample.named]
    return Run(
        fault=InjectedFault(name="power-cut", node="node1"),
        injected=FAULT,
        until=seen[-1].at,
        outages=tuple(outages(seen, told)),
        split_brain=(),
        gaps=tuple(gaps(seen)),
        events=tuple(told),
        samples=tuple(seen),
        claims=tuple(claims),
        members={"node1": True, "node2": True},
        places={"virtual_ip": ("node1",)},
        writes=tuple(written),
        kept=kept,
    )


def a_measurement(*runs: Run, fencing: bool = True) -> Measurement:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Measurement(fault="power-cut", at=now, fencing=fencing, configuration="", runs=runs)


def test_a_lane_shows_what_happened_when() -> None:
    shown = {lane.title: lane for lane in lanes(a_run(CUT, TOLD))}

    service = [(round(bar.start, 2), round(bar.end, 2), bar.colour) for bar in shown["service"].bars]
    assert service == [(-1, 0, GOOD), (0, 8, BAD), (8, 9.95, GOOD)]
    assert [round(bar.end, 1) for bar in shown["node1 a member"].bars] == [4.2]
    assert [(round(bar.start, 1), round(bar.end, 1)) for bar in shown["fencing node1"].bars] == [(4.3, 6.9)]
    assert len({bar.colour for bar in shown["virtual_ip"].bars}) == 3  # on one node, on none, on the other


@pytest.mark.parametrize("fencing", [True, False])
def test_the_picture_says_what_was_measured_and_whether_it_was_safe(tmp_path: Path, fencing: bool) -> None:
    run = a_run(CUT, TOLD)
    files = [tmp_path / "picture.svg", tmp_path / "picture.png"]

    draw(a_measurement(run, fencing=fencing), run, files)

    words = "".join(ElementTree.parse(files[0]).getroot().itertext())  # noqa: S314  a file of our own
    assert "power-cut on node1: outage 8.00 s" in words
    assert ("UNSAFE" in words) is not fencing
    assert "fencing node1" in words
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_the_figures_of_several_runs() -> None:
    short, long = a_run(CUT[:100], []), a_run(CUT, [])
    found = a_measurement(short, long, long)

    assert (found.best, found.middle, found.worst) == (short.seconds, long.seconds, long.seconds)
    assert not short.ended


def test_a_report_survives_being_written(tmp_path: Path) -> None:
    found = a_measurement(a_run(CUT, TOLD))

    assert Measurement.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("patience", "acknowledged"), [(0.1, False), (5, True)])
def test_a_write_is_acknowledged_when_the_answer_comes_in_time(
    patience: float, acknowledged: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    async def put() -> None:
        answered = asyncio.Event()

        async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readline()).decode().strip())
            await asyncio.sleep(0.5)
            writer.write(b"HTTP/1.1 201 Created\r\n\r\n")
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            answered.set()

        async with await asyncio.start_server(answer_late, "127.0.0.1", 0) as server:
            monkeypatch.setattr(probe, "HTTP_PORT", server.sockets[0].getsockname()[1])
            await probe.put("127.0.0.1", "/counter/", 7, patience)
            await answered.wait()

    asyncio.run(put())

    assert asked == ["PUT /counter/7 HTTP/1.1"]
    kind, _, number, told = json.loads(capsys.readouterr().out)
    assert (kind, number, told) == ("put", 7, acknowledged)


def test_an_answer_without_end_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = 0

    async def get() -> None:
        hung_up = asyncio.Event()

        async def answer_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nnode1 ")
            with suppress(ConnectionError):
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                    sent += 65536
            writer.close()
            hung_up.set()

        async with await asyncio.start_server(answer_for_ever, "127.0.0.1", 0) as server:
            monkeypatch.setattr(probe, "HTTP_PORT", server.sockets[0].getsockname()[1])
            await probe.get("127.0.0.1", ("node1", "node2"))
            await hung_up.wait()

    asyncio.run(get())

    kind, *_, named = json.loads(capsys.readouterr().out)
    assert (kind, named) == ("http", ["node1"])
    assert sent < 100 * 2**20


def test_the_probe_has_no_terminal_of_whoever_measures() -> None:
    spec = LabSpec.model_validate(tomllib.loads(LAB_TOML))
    provider = SimpleNamespace(workstation_argv=lambda argv: ["sleep", "60"])

    with Probing(cast(Any, SimpleNamespace(spec=spec, provider=provider)), {}, "") as probing:
        session = os.getsid(probing._process.pid)

    assert session == probing._process.pid


class MeasuredLab:
    """A lab with what `measured` asks it for."""

    def __init__(self, *made: Measurement, configured: str = "") -> None:
        self._made = made
        self._configured = configured

    def measurements(self, fault: str) -> list[Measurement]:
        return [found for found in self._made if found.fault == fault]

    def configuration(self) -> str:
        return self._configured


def seen(lab: MeasuredLab, fault: str = "power-cut", **wanted: Any) -> bool:
    return measured(fault, **wanted).look(cast(Lab, lab)).ok


def test_a_measurement_counts_when_it_is_as_it_is_wanted() -> None:
    eight_seconds = MeasuredLab(a_measurement(a_run(CUT, TOLD)), configured="")

    assert seen(eight_seconds)
    assert seen(eight_seconds, below=9, outages=1, fencing=True, split_brain=False, ended=True, now=True)
    assert not seen(eight_seconds, "freeze")
    assert not seen(eight_seconds, below=7)
    assert not seen(eight_seconds, outages=0)
    assert seen(eight_seconds, at_least=1)
    assert not seen(eight_seconds, at_least=2)
    assert not seen(eight_seconds, fencing=False)
    assert not seen(eight_seconds, split_brain=True)


WRITTEN = [Write(FAULT, 1, True), Write(FAULT + 1, 2, True), Write(FAULT + 2, 3, False), Write(FAULT + 4, 4, True)]


def test_lost_is_what_was_acknowledged_and_is_not_there() -> None:
    run = a_run(CUT, TOLD, WRITTEN, kept=(2, 3))

    assert run.acknowledged == (1, 2, 4)
    assert run.lost == (1, 4)
    assert run.recovery_point == 4
    assert summary(run) == "outage of 8.00 s; 2 of 3 acknowledged writes lost, of 4.0 s"
    assert a_run(CUT, TOLD, WRITTEN, kept=(1, 2)).recovery_point == 3  # one lost write is not 0 s
    assert a_run(CUT, TOLD, WRITTEN, kept=(1, 2, 4)).recovery_point == 0
    assert summary(a_run(CUT, TOLD, WRITTEN, kept=(1, 2, 4))) == "outage of 8.00 s; 0 of 3 acknowledged writes lost"


def test_lost_writes_count_where_any_were_acknowledged() -> None:
    two_lost = MeasuredLab(a_measurement(a_run(CUT, TOLD, WRITTEN, kept=(2,))))
    none_written = MeasuredLab(a_measurement(a_run(CUT, TOLD)))
    none_acknowledged = MeasuredLab(a_measurement(a_run(CUT, TOLD, [Write(FAULT, 1, False)])))

    assert seen(two_lost, lost=range(1, 3))
    assert seen(two_lost, lost=range(3))
    assert not seen(two_lost, lost=range(1))
    assert not seen(two_lost, lost=range(3, 9))
    assert not seen(none_written, lost=range(1))
    assert not seen(none_acknowledged, lost=range(1))
    assert seen(two_lost, recovery_point=4)
    assert not seen(two_lost, recovery_point=3.9)
    assert not seen(none_written, recovery_point=4)
    assert not seen(none_acknowledged, recovery_point=4)


def test_a_measurement_of_another_configuration_is_not_one_of_this() -> None:
    before = MeasuredLab(a_measurement(a_run(CUT, TOLD)), configured="changed since")

    assert seen(before)
    assert not seen(before, now=True)
    assert "configured in another way" in measured("power-cut", now=True).look(cast(Lab, before)).seen


def test_a_measurement_of_other_networks_is_not_one_of_these() -> None:
    run = a_run(CUT, TOLD)
    both = run.model_copy(update={"fault": InjectedFault(name="link-down", options={"network": "mgmt,lan"})})
    made = MeasuredLab(a_measurement(both).model_copy(update={"fault": "link-down"}), a_measurement(run))

    assert seen(made, "link-down", networks="lan,mgmt")
    assert not seen(made, "link-down", networks="lan")
    assert not seen(made, "power-cut", networks="lan")


CIB = """\
<configuration>
  <crm_config>
    <cluster_property_set id="cib-bootstrap-options">
      <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="true"/>
    </cluster_property_set>
  </crm_config>
  <nodes><node id="1" uname="node1"/></nodes>
</configuration>
"""
OPTION = "</cluster_property_set>"


def test_what_happens_to_a_cluster_is_no_other_configuration() -> None:
    cleaned_up = CIB.replace(OPTION, f'<nvpair id="cleaned" name="last-lrm-refresh" value="1795629151"/>{OPTION}')
    standby = '<node id="1" uname="node1"><instance_attributes id="nodes-1"/></node>'
    in_standby = CIB.replace('<node id="1" uname="node1"/>', standby)

    assert {run.digest(cib, "token: 1000") for cib in (cleaned_up, in_standby)} == {run.digest(CIB, "token: 1000")}


def test_what_is_changed_in_the_cib_or_in_corosync_conf_is_another_configuration() -> None:
    fencing_off = CIB.replace('value="true"', 'value="false"')
    option = CIB.replace(OPTION, f'<nvpair id="option" name="dc-deadtime" value="2s"/>{OPTION}')
    digests = [run.digest(CIB, ""), run.digest(fencing_off, ""), run.digest(option, ""), run.digest(CIB, "token: 1000")]

    assert len(set(digests)) == 4


def test_an_outage_that_did_not_end_is_no_short_one() -> None:
    cut_off = MeasuredLab(a_measurement(a_run(samples((-1, 0, "x"), (0, 3, None)), [])))

    assert seen(cut_off)
    assert not seen(cut_off, below=5)
    assert not seen(cut_off, ended=True)


def test_runs_end_with_the_first_one_that_is_below_what_is_wanted() -> None:
    eight = a_run(CUT, [])
    unended = a_run(samples((-1, 0, "node1"), (0, 3, None)), [])
    two = a_run(samples((-1, 0, "node1"), (0, 2, None), (2, 4, "node2")), [])

    assert list(run.until_below(iter([eight, unended, two, eight]), 5)) == [eight, unended, two]
    assert list(run.until_below(iter([eight, unended]), 5)) == [eight, unended]
    assert list(run.until_below(iter([two, eight]), None)) == [two, eight]


@pytest.mark.parametrize("fencing", [True, False])
def test_a_report_on_the_terminal_and_as_json_say_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fencing: bool
) -> None:
    found = a_measurement(a_run(CUT, TOLD, WRITTEN, kept=(1, 2)), a_run(CUT, []), fencing=fencing)

    RichAudience(sys.stdout).tell(Measured(found, tmp_path))
    shown = capsys.readouterr().out
    JsonAudience().tell(Measured(found, tmp_path))
    told = json.loads(capsys.readouterr().out)

    assert "8.00 s" in shown
    assert "4.20 s" in shown
    assert ("Unsafe" in shown) is told["unsafe"] is not fencing
    assert told["outage"] == pytest.approx({"min": 8.0, "median": 8.0, "max": 8.0})
    assert "samples" not in told["runs"][0]
    assert "Run 1: 1 of 3 acknowledged writes are lost" in shown
    assert [run["writes"] for run in told["runs"]] == [{"acknowledged": 3, "lost": 1}, None]
    assert told["directory"] == str(tmp_path)
