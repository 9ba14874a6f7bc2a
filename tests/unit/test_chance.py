"""Draws: the same on any Python. The values were computed once, by what docs/exams.md says; they must never change."""

import hashlib
from collections import Counter

import pytest

from halab.exams.draw import draw, source
from halab.kit.chance import Chance
from halab.spec import labs

KNOWN = {
    ("exam-repair", "alice", "2026"): {
        "causes": ["standby", "ban", "password", "fencing-off", "firewall"],
        "node": "node1",
    },
    ("exam-repair", "bob", "2026"): {
        "causes": ["standby", "ban", "fence-host", "maintenance", "pcsd"],
        "node": "node2",
    },
    ("exam-tune", "alice", "2026"): {"token": 10000, "home": "node2", "score": 100},
    ("exam-quorum", "alice", "2026"): {"way": "last man standing"},
    ("exam-build", "alice", "2026"): {"address": "frontend_ip", "web": "frontend"},
}


@pytest.mark.parametrize(("exam", "instance", "seed"), KNOWN)
def test_known_draws_of_exams_stay_as_they_are(exam: str, instance: str, seed: str) -> None:
    folder = labs.load(exam)

    _, sitting = draw(folder, folder.spec, instance, seed)

    assert sitting.drawn == KNOWN[exam, instance, seed]


def test_the_known_draw_of_names_and_addresses_stays_as_it_is() -> None:
    folder = labs.load("exam-build")

    spec, _ = draw(folder, folder.spec, "alice", "2026")

    assert ([node.name for node in spec.nodes], str(spec.vip), spec.cluster) == (
        ["cedar", "elm"],
        "192.168.1.129",
        "kitchen",
    )


def test_each_method_gives_its_known_values() -> None:
    chance = source("test", "alice", "2026")
    items = [1, 2, 3, 4, 5]

    drawn = [chance.randrange(6) for _ in range(20)]
    chance.shuffle(items)

    assert drawn == [2, 2, 4, 0, 3, 1, 4, 4, 1, 3, 5, 1, 5, 0, 1, 1, 0, 0, 1, 0]
    assert items == [1, 2, 5, 3, 4]
    assert chance.choice("abcdef") == "d"
    assert chance.sample(range(10), 4) == [2, 7, 6, 9]
    assert (chance.randint(100, 199), chance.randrange(10, 100, 10)) == (185, 40)
    assert (chance.random(), chance.uniform(2, 3)) == (0.397450526590716, 2.6170371814815203)


def test_a_number_is_the_digest_that_the_documentation_describes() -> None:
    digests = [hashlib.sha256(f"test\0alice\x002026\0{n}".encode()).digest() for n in range(5)]

    assert [Chance("test", "alice", "2026")._number() for _ in range(1)] == [int.from_bytes(digests[0], "big")]
    chance = Chance("test", "alice", "2026")
    assert [chance.randrange(1000) for _ in digests] == [int.from_bytes(one, "big") % 1000 for one in digests]


def test_a_number_that_would_favour_some_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([2**256 - 1, 2**256 - 2, 5])  # 2**256 - 1 is a multiple of 3
    monkeypatch.setattr(Chance, "_number", lambda self: next(numbers))

    assert Chance("x").randrange(3) == (2**256 - 2) % 3


def test_all_are_drawn_alike() -> None:
    chance = Chance("x")

    assert all(900 < count < 1100 for count in Counter(chance.choice("abcdef") for _ in range(6000)).values())


@pytest.mark.parametrize("name", ["choices", "gauss", "getrandbits", "seed"])
def test_what_is_not_promised_is_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"choice, randint, .*shuffle, uniform; there is no {name}"):
        getattr(Chance("x"), name)


@pytest.mark.parametrize("items", [{"a", "b"}, {"a": 1}, {"a": 1}.keys(), frozenset("ab"), iter("ab")])
def test_only_what_has_an_order_is_drawn_from(items: object) -> None:
    for method in (Chance("x").choice, lambda given: Chance("x").sample(given, 1)):
        with pytest.raises(TypeError, match="draw from a list, and not from a"):
            method(items)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [-1, 3])
def test_more_than_there_is_cannot_be_drawn(k: int) -> None:
    with pytest.raises(ValueError, match="cannot be drawn from 2"):
        Chance("x").sample("ab", k)


def test_nothing_cannot_be_drawn_from() -> None:
    with pytest.raises(ValueError, match="nothing to draw from"):
        Chance("x").choice([])
