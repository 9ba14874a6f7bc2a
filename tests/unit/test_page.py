"""Which node serves a page: pages of many kinds, read in one way by the probe, by graders and by conditions."""

import asyncio
import gzip
import json
import time
import zlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from halab.conditions import destructive, page_of, served_by_owner
from halab.conditions.checks import Condition, Observation
from halab.conditions.destructive import take_over
from halab.instance.state import InjectedFault
from halab.kit.errors import LabError
from halab.kit.pace import Pace
from halab.kit.process import CommandResult
from halab.measure import page, probe
from halab.measure.outages import Outage, Phases, Sample, Span
from halab.measure.report import Measurement, Run
from halab.walk.lab import Lab

NAMES = ("node1", "node10", "node2")
PAGES = {
    "Served by node1\n": ("node1",),
    "<html>\n<body>My Test Site - node1</body>\n</html>\n": ("node1",),  # Clusters from Scratch, 7.2
    "<!DOCTYPE html>\r\n<h1>Welcome</h1>\r\n<p>This is NODE1.</p>": ("node1",),
    "node1.example.com": ("node1",),
    "http://node1:80/": ("node1",),
    "node10": ("node10",),
    "node": (),
    "mynode1, node1a, node-1, node1-a, a-node1, node1_b": (),
    "<b>node</b>1": ("node1",),
    "<p>node1<sup>0</sup>": ("node10",),
    "<b>Served by</b><i>node1</i>": ("node1",),
    "<td>node1</td><td>node2</td>": ("node1", "node2"),
    "<title>Cluster</title><body class='node2'>node1": ("node1",),
    "<body class='node2'>": ("node2",),
    "<img src=logo.png alt=node1>": ("node1",),
    "Served by <node1>": ("node1",),
    "<!-- not of node2 --><p>node1": ("node1",),
    "<!-- node2 -->": ("node2",),
    "<script>if (1 < 2) other = 'node2'</script>node1": ("node1",),
    "&#110;ode1&nbsp;is&nbsp;up": ("node1",),
    "Diese Seite kommt von \ufffdnode1\ufffd": ("node1",),
    '{"served_by": "node1"}': ("node1",),
    "node1 of node1 and node2": ("node1", "node2"),
    "": (),
}


@pytest.mark.parametrize(("text", "named"), PAGES.items())
def test_a_page_names_nodes_as_whole_words_wherever_they_are(text: str, named: tuple[str, ...]) -> None:
    assert page.names_in(text, NAMES) == named


@pytest.mark.parametrize("piece", ["<", "<b>", "<!--", "<script", "&#1;", "&", "<x ", "\0", "node1 "])
def test_a_page_without_end_is_read_in_little_time(piece: str) -> None:
    begin = time.process_time()

    page.names_in(piece * 10**6, NAMES)

    assert time.process_time() - begin < 1


TEXT = "<html>\n<body>My Test Site - node1</body>\n</html>\n"
BODIES = {
    "plain": ("", TEXT.encode()),
    "Latin-1": ("Content-Type: text/html; charset=iso-8859-1\r\n", "Café node1".encode("latin-1")),
    "UTF-16": ("", "node1".encode("utf-16")),
    "a mark": ("", TEXT.encode("utf-8-sig")),
    "gzip": ("Content-Encoding: gzip\r\n", gzip.compress(TEXT.encode())),
    "deflate": ("content-encoding: deflate", zlib.compress(TEXT.encode())),
    "half of gzip": ("Content-Encoding: gzip\r\n", gzip.compress(TEXT.encode())[:-9]),
    "chunks": ("Transfer-Encoding: chunked\r\n", b"12;x=y\r\nMy Test Site - nod\r\n2\r\ne1\r\n0\r\n\r\n"),
    "gzip in chunks": (
        "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(gzip.compress(TEXT.encode())), gzip.compress(TEXT.encode())),
    ),
}


@pytest.mark.parametrize(("head", "body"), BODIES.values(), ids=BODIES)
def test_a_body_is_read_however_http_carries_it(head: str, body: bytes) -> None:
    text = page.text_of(f"HTTP/1.1 200 OK\r\n{head}", body)

    assert page.names_in(text, NAMES) == ("node1",)


def test_what_is_compressed_is_read_no_further_than_a_page_may_be() -> None:
    body = gzip.compress(b"x" * 2**20)

    assert len(page.text_of("Content-Encoding: gzip", body)) == page.MOST


def test_the_probe_tells_the_name_in_whichever_line_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def get() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 200 OK\r\n\r\n{TEXT}".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            monkeypatch.setattr(probe, "HTTP_PORT", server.sockets[0].getsockname()[1])
            await probe.get("127.0.0.1", NAMES)

    asyncio.run(get())

    assert json.loads(capsys.readouterr().out)[3] == ["node1"]


def a_lab(text: str, own_names: dict[str, str] | None = None) -> Any:
    """Return a lab in which node1 is to serve, and that page is served; without `own_names`, with no cluster."""

    def status() -> Any:
        if own_names is None:
            raise LabError("no cluster")
        return SimpleNamespace(fencing=True, own_names=own_names)

    nodes = [SimpleNamespace(name=name, ask=lambda *argv: CommandResult(argv, 0, text, "")) for name in NAMES]
    answer = CommandResult((), 0, f"{text}\n200", "")
    return SimpleNamespace(
        vip="192.168.1.100",
        nodes=nodes,
        node=lambda name: next(node for node in nodes if node.name == name),
        active=lambda: nodes[0],
        others=lambda node: nodes[1:],
        workstation=SimpleNamespace(run=lambda *argv: answer),
        status=status,
        pace=Pace(),
    )


@pytest.mark.parametrize(("text", "named"), PAGES.items())
def test_conditions_read_a_page_as_the_probe_does(text: str, named: tuple[str, ...]) -> None:
    lab = a_lab(text)

    assert served_by_owner("virtual_ip").look(lab).ok is (named == ("node1",))
    assert page_of(lab.nodes[0], "/index.html").look(lab).ok is (named == ("node1",))


def test_a_page_that_names_several_nodes_tells_nothing_and_that_is_said() -> None:
    seen = served_by_owner("virtual_ip").look(a_lab("node1 of node1 and node2"))

    assert not seen.ok
    assert "it names node1 and node2, so it does not tell who serves it" in seen.seen


def test_a_node_is_named_by_what_its_cluster_calls_it_too() -> None:
    alpha = {"node1": "alpha", "node2": "beta"}

    assert served_by_owner("virtual_ip").look(a_lab("Served by alpha", alpha)).ok
    assert not served_by_owner("virtual_ip").look(a_lab("Served by beta", alpha)).ok


@pytest.mark.parametrize(
    ("named", "ok", "told"),
    [
        (("node2",), True, "served by node2"),
        (("node1",), False, "served by node1"),
        ((), False, "the page named no node"),
        (("node1", "node2"), False, "the page named node1 and node2, so it does not tell who served it"),
    ],
)
def test_another_node_has_taken_over_when_the_last_page_names_it_alone(
    named: tuple[str, ...], ok: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passed(*_: object) -> Condition:
        return Condition("", lambda lab: Observation(True, ""))

    run = Run(
        fault=InjectedFault(name="power-cut", node="node1"),
        injected=0,
        until=10,
        outages=(Outage(Span(0, 2), True, Phases(None, None, 2)),),
        split_brain=(),
        gaps=(),
        events=(),
        samples=(Sample(1, 0.9, None), Sample(2, 0.1, ("node2",)), Sample(3, 0.1, named), Sample(4, 0.9, None)),
        claims=(),
        members={},
        places={},
    )
    monkeypatch.setattr(destructive, "served_by_owner", passed)
    monkeypatch.setattr(destructive, "online", passed)
    monkeypatch.setattr(destructive, "fenced", lambda lab, node, since: ["by a peer"])
    made = Measurement.model_construct(runs=(run,))
    lab = a_lab("", {})
    lab.outage = lambda fault, node, limit: made

    seen = take_over("virtual_ip", within=15).look(cast(Lab, lab))

    assert seen.ok is ok
    assert seen.seen.endswith(f"; then {told}")
