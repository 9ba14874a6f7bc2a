"""What the page's modules compute of events and maps, run by QuickJS."""

import json
import random
import re
from typing import Any

import pytest
import quickjs

from halab.kit.paths import ROOT
from halab.measure.outages import Sample, outages
from tests.web import canned

STATIC = ROOT / "halab" / "web" / "static"
FOLLOWED = "function followed(told) { const all = []; for (const one of told) follow(all, one); return all; }"


class Modules:
    """Modules of the page, of which those that draw nothing need no browser."""

    def __init__(self, *names: str) -> None:
        self._js = quickjs.Context()
        self._js.set_time_limit(20)
        code = "\n".join((STATIC / name).read_text() for name in names)
        code = re.sub(r"^import .*$", "", code, flags=re.MULTILINE)
        self._js.eval(re.sub(r"^export ", "", code, flags=re.MULTILINE) + FOLLOWED)

    def ask(self, code: str, *given: object) -> Any:
        """Return the value of a call such as `f`, which is given data."""
        return json.loads(self._js.eval(f"JSON.stringify(({code})(...{json.dumps(given)}) ?? null)"))


@pytest.fixture
def page() -> Modules:
    return Modules("commands.js", "lanes.js", "map_text.js", "places.js", "words.js", "page_state.js")


@pytest.fixture
def board() -> Modules:
    return Modules("board_state.js")


def events(command: str, *told: tuple[str, dict[str, Any]], pid: int = 7) -> list[dict[str, Any]]:
    return [
        {"time": 1000.0 + at, "pid": pid, "command": command, "kind": kind, **rest}
        for at, (kind, rest) in enumerate(told)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_an_outage_on_the_page_is_that_of_the_report(page: Modules, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    names = [chance.choice([["node1"], None, None]) for _ in range(60)]
    samples = [{"at": 1000 + at * 0.05, "took": 0.01, "named": named} for at, named in enumerate(names)]

    told = page.ask("outage", samples)

    found = outages([Sample(one["at"], 0.01, one["named"] and tuple(one["named"])) for one in samples], [])
    assert told["seconds"] == pytest.approx(sum(one.span.seconds for one in found))
    assert told["ended"] == all(one.ended for one in found)


def test_lanes_of_a_run_that_goes_on_begin_a_second_before_its_fault(page: Modules) -> None:
    samples = [{"at": 990 + at * 0.5, "took": 0.1, "named": ["node1"] if at < 30 else None} for at in range(40)]
    claims = [{"at": 990 + at, "owners": ["node1"] if at < 12 else ["node1", "node2"]} for at in range(20)]
    told = events(
        "measure",
        ("command_begins", {}),
        ("run_begins", {"injected": 1000.0}),
        ("samples", {"samples": samples[::-1], "claims": claims, "writes": []}),
    )
    glances = [{"at": 995, "map": canned.map_()}, {"at": 1004, "map": canned.fenced()}]

    shown = page.ask(
        "(told, glances, nodes) => growing(followed(told)[0], glances, nodes)",
        told,
        glances,
        ["node1", "node2"],
    )

    lanes = {lane["title"]: lane for lane in shown["lanes"]}
    assert (shown["start"], shown["outage"]) == (-1, {"seconds": 4.5, "ended": False})
    assert [(bar["kind"], bar["start"], bar["end"]) for bar in lanes["service"]["bars"]] == [
        ("good", -1, 5),
        ("bad", 5, 9.5),
    ]
    assert [(bar["kind"], bar["start"], bar["end"]) for bar in lanes["VIP on node1"]["bars"]] == [
        ("node0", -1, 2),
        ("bad", 2, 9),
    ]
    assert lanes["power of node1"]["bars"] == [{"start": -1, "end": 4, "kind": "node0", "word": ""}]
    assert lanes["power of node1"]["marks"] == [{"at": 4, "word": "off"}]
    assert [bar["word"] for bar in lanes["virtual_ip"]["bars"]] == ["node1", "node2"]


def test_commands_of_two_terminals_are_kept_apart(page: Modules) -> None:
    check = {"sentence": "it is there", "outcome": "failed", "expected": "", "seen": "", "hints": [], "seconds": 1}
    one = events(
        "walk", ("command_begins", {}), ("step_begins", {"step": "vip", "doing": "verify"}), ("checked", check)
    )
    other = events("check", ("command_begins", {}), ("command_ends", {"status": 3, "reason": "locked"}), pid=8)
    told = [*one, *other, *events("walk", ("checked", check))]

    found = page.ask("(told) => { const all = followed(told); return all; }", told)

    assert [(command["name"], len(command["checks"]), command["ended"]) for command in found] == [
        ("walk", 2, None),
        ("check", 0, 1001.0),
    ]
    assert found[0]["doing"] == ["Checking step vip"]
    assert found[1]["reason"] == "locked"


def test_a_process_id_that_comes_again_is_another_command(page: Modules) -> None:
    told = [*events("check", ("command_begins", {})), *events("check", ("command_begins", {}))]

    found = page.ask(
        "(told) => { const all = followed(told); return all.map((one) => one.ended); }",
        told,
    )

    assert found == [1000.0, None]


def test_only_the_latest_hints_of_a_check_are_shown_until_the_step_is_passed(page: Modules) -> None:
    def hint(text: str) -> list[dict[str, Any]]:
        return events(
            "hint", ("command_begins", {}), ("said", {"text": text}), ("command_ends", {"status": 0, "reason": ""})
        )

    told = [*hint("a holds:\n  1. look"), *hint("a holds:\n  1. look\n  2. try"), *hint("b holds:\n  1. see")]
    code = "(told) => { const all = followed(told); return hintsIn(all); }"
    done = events("next", ("command_begins", {}), ("command_ends", {"status": 0, "reason": ""}))

    assert page.ask(code, told) == [
        {"sentence": "a holds", "hints": ["look", "try"]},
        {"sentence": "b holds", "hints": ["see"]},
    ]
    assert page.ask(code, [*told, *done]) == []


def test_all_is_bounded_whatever_a_command_prints(page: Modules) -> None:
    many = [
        one
        for pid in range(50)
        for one in events("walk", ("command_begins", {}), ("typed", {"text": "x" * 90_000}), pid=pid)
    ]

    found = page.ask(
        "(told) => { const all = followed(told); return all.map((one) => one.typed.length); }",
        many,
    )

    assert len(found) == 30
    assert max(found) == 60_000


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [200, 340, 700])
def test_nothing_of_the_map_lies_on_anything_else(page: Modules, count: int, width: int) -> None:
    nodes = [
        canned.node(f"node{at}", resources=[canned.resource(f"r{at}{one}", "x") for one in range(at)])
        for at in range(count)
    ]

    code = "(...given) => { const found = place(...given); return [found.nodes, [...found.resources], found.height]; }"
    shown, resources, height = page.ask(code, canned.map_(nodes=nodes, stopped=["s1", "s2"]), width)

    boxes = [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in shown]
    for at, one in enumerate(boxes):
        assert 0 <= one[0] < one[2] <= width
        assert one[3] <= height
        for other in boxes[at + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] < other[1] or other[3] < one[1]
    assert len(resources) == sum(range(count)) + 2


def test_rows_are_sorted_by_what_they_mean(board: Modules) -> None:
    rows = [
        canned.row("ten", time_left=None, points=3, faults=["a", "b"]),
        canned.row("nine", time_left=20, points=None),
        canned.row("erin", time_left=9, points=12),
        canned.row("frank", time_left=100, points=12, failing="no VIP"),
    ]
    code = "(rows, change) => shownRows({...blank(), rows, ...change}).map((row) => row.learner)"

    def sort(**change: object) -> Any:
        return board.ask(code, rows, change)

    assert sort() == ["erin", "frank", "nine", "ten"]
    assert sort(by="time_left") == ["erin", "nine", "frank", "ten"]
    assert sort(by="points", down=True) == ["erin", "frank", "ten", "nine"]
    assert sort(by="faults", down=True)[0] == "ten"
    assert sort(only="failing") == ["frank"]
    assert sort(text="FRANK vip") == ["frank"]


def test_modules_are_small_and_put_no_markup_into_the_page() -> None:
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|unsafe|document\.write|\beval\(|new Function")
    for file in STATIC.glob("*.js"):
        text = file.read_text()
        assert len(text.splitlines()) < 300, file.name
        assert not forbidden.search(text), file.name
        assert text.startswith("// "), f"{file.name} says in its first line what it is about"
