"""Commands of two words, and arguments that may be left out: what Invoke is given in their place."""

import re

import pytest

from halab.kit import typed
from halab.kit.errors import Exit
from tests.inv import TASKS, Inv

OPTIONS = typed.options(TASKS.to_contexts())


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        ("class up ha-web", "class_up ha-web"),
        ("status class status --json", "status class_status --json"),
        ("lab --name class up", "lab --name class up"),
        ("lab -n class up", "lab -n class up"),
        ("class", "class"),
        ("class nonsense", "class nonsense"),
        ("class ssh alice node1", "class_ssh alice node1"),
        ("ssh class ssh", "ssh class_ssh"),
        ("status", "status"),
    ],
)
def test_two_words_are_one_command(words: str, parsed: str) -> None:
    assert typed.joined(words.split(), OPTIONS) == [word.replace("_", " ") for word in parsed.split(" ")]


@pytest.mark.parametrize(
    ("words", "parsed"),
    [
        ("forward", "forward vip"),
        ("forward node1:80", "forward node1:80"),
        ("lab --instance a forward --port 99", "lab --instance a forward vip --port 99"),
        ("forward -p 99 node1:80", "forward -p 99 node1:80"),
        ("forward --port=99", "forward vip --port=99"),
        ("forward status", "forward vip status"),
        ("status", "status"),
    ],
)
def test_an_argument_may_be_left_out(words: str, parsed: str) -> None:
    assert typed.completed(words.split(), OPTIONS) == parsed.split()


def test_a_class_is_meant_where_no_learner_is_named() -> None:
    assert typed.completed(["class ship", "--lab", "tiny"], OPTIONS) == [
        "class ship",
        typed.EVERYBODY,
        "--lab",
        "tiny",
    ]
    assert typed.completed(["class ship", "alice"], OPTIONS) == ["class ship", "alice"]


@pytest.mark.parametrize("words", [("--help", "class", "up"), ("-h", "class", "up")])
def test_help_is_about_both_words(chosen: Inv, words: tuple[str, ...]) -> None:
    assert chosen(*words) == Exit.GOOD

    assert "inv [--core-opts] class up [--options] [other tasks here ...]" in chosen.out
    assert "--learners" in chosen.out


def test_the_list_has_both_words(chosen: Inv) -> None:
    assert chosen("--list") == Exit.GOOD

    assert re.search(r"^  class up +Give each learner", chosen.out, re.MULTILINE)


@pytest.mark.parametrize("words", [("class",), ("class", "nonsense"), ("--help", "class")])
def test_a_first_word_alone_is_told_what_may_follow(chosen: Inv, words: tuple[str, ...]) -> None:
    assert chosen(*words) == Exit.LAB_BROKEN

    assert "after inv class comes one of: do, down, finish, grade, marks, move, ship, ssh, status, up" in chosen.err
