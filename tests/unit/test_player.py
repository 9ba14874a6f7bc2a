"""The terminal in player.js, run by QuickJS: what is on its screen after something was written to it."""

import json
from typing import Any

import pytest
import quickjs

from halab.exams.reports import page

PLAYER = (page.HERE / "player.js").read_text()
PLAIN_DOM = """
class Element {
  constructor(name) { this.name = name; this.style = {}; this.children = []; this.dataset = {}; }
  append(...added) { this.children.push(...added); }
  replaceChildren(...added) { this.children = added; }
  get whole() {
    return this.textContent ?? this.children.map((child) => typeof child === "string" ? child : child.whole).join("");
  }
}
const place = new Element("div");
place.dataset.recording = "1";
const frames = [];
const data = { textContent: JSON.stringify(RECORDINGS) };
globalThis.performance = { now: () => 0 };
globalThis.requestAnimationFrame = (frame) => frames.push(frame);
globalThis.document = {
  createElement: (name) => new Element(name), getElementById: () => data, querySelectorAll: () => [place],
};
"""


class Screen:
    """A terminal of 10 columns and 4 rows."""

    def __init__(self) -> None:
        self._js = quickjs.Context()
        self._js.set_time_limit(20)
        self._js.eval(PLAYER + "\nvar terminal = new Terminal(10, 4);")

    def ask(self, code: str) -> Any:
        return json.loads(self._js.eval(f"JSON.stringify(({code}) ?? null)"))

    def write(self, text: str) -> str:
        self._js.eval(f"terminal.write({json.dumps(text)})")
        return self.text

    @property
    def text(self) -> str:
        return str(self.ask("terminal.text()"))

    def style(self, column: int, row: int = 0) -> dict[str, Any]:
        """Return how the style of a character differs from plain."""
        return dict(
            self.ask(
                f"Object.fromEntries(Object.entries(terminal.screen[{row}][{column}].style)"
                ".filter(([name, value]) => value !== PLAIN[name]))"
            )
        )


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("one\r\ntwo", "one\ntwo"),
        ("one\ntwo", "one\n   two"),
        ("99%\r100%", "100%"),
        ("typo\b\b\bests", "tests"),
        ("a\tb\tc", "a       bc"),  # the second tab stops at the last column
        ("0123456789ab", "0123456789\nab"),
        ("0123456789\r\nab", "0123456789\nab"),  # a full line alone does not wrap
        ("\x1b[?7l0123456789ab", "012345678b"),
        ("1\r\n2\r\n3\r\n4\r\n5", "2\n3\n4\n5"),
        ("\x1b[3;4Hx\x1b[1;1Hy", "y\n\n   x"),
        ("\x1b[2;5Ha\x1b[Bb\x1b[2Dc\x1b[2Ad", "     d\n    a\n    cb"),
        ("\x1b[99;99Hx\x1b[99A\x1b[99Dy", "y\n\n\n         x"),
        ("\x1b[3dx\x1b[5Gy", "\n\nx   y"),
        ("\x1b[2;2Ha\x1b[Eb\x1b[2Fc", "c\n a\nb"),
        ("abcdef\x1b[3D\x1b[K", "abc"),
        ("abcdef\x1b[3D\x1b[1K", "    ef"),
        ("abc\r\ndef\x1b[2K", "abc"),
        ("abc\r\ndef\r\nghi\x1b[2;2H\x1b[J", "abc\nd"),
        ("abc\r\ndef\r\nghi\x1b[2;2H\x1b[1J", "\n  f\nghi"),
        ("abc\x1b[2Jd", "   d"),
        ("abc\x1b[Hx\x1b[2@", "x  bc"),
        ("abcdef\x1b[3G\x1b[2P", "abef"),
        ("abcdef\x1b[3G\x1b[2X", "ab  ef"),
        ("ab\x1b[3b", "abbbb"),
        ("abc\r\x1b[4hx\x1b[4ly", "xybc"),
        ("1\r\n2\r\n3\x1b[2H\x1b[L", "1\n\n2\n3"),
        ("1\r\n2\r\n3\x1b[1H\x1b[M", "2\n3"),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3H\n5", "1\n3\n5\n4"),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[2H\x1bM5", "1\n5\n2\n4"),
        ("1\r\n2\x1b[S", "2"),
        ("1\r\n2\x1b[T", "\n1\n2"),
        ("ab\x1b7\r\ncd\x1b8e", "abe\ncd"),
        ("ab\x1b[s\r\ncd\x1b[ue", "abe\ncd"),
        ("\x1b(0lqk\x1b(Bq", "┌─┐q"),
        ("\x1b)0\x0eq\x0fq", "─q"),
        ("日本x", "日本x"),
        ("日\x1b[2Dx", "x"),
        ("日b\x1b[1Gx", "x b"),
        ("日b\x1b[2Gx", " xb"),
        ("e\u0301x", "e\u0301x"),
        ("日\u0301\x1b[1Gx", "x"),
        ("\x1b[4H0123456789\na", "\n\n0123456789\n         a"),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[1H\x1b[L\x1b[4H\x1b[M", "1\n2\n3\n4"),  # outside of what scrolls
        ("\x1b[2;3r\x1b[3H\x1b[9Ax", "\nx"),
        ("\x1b]0;a title\x07a\x1b]0;another\x1b\\b", "ab"),
        ("\x1bP1$tx\x1b\\a", "a"),
        ("a\x1b[>4;2m\x1b[?2004h\x1b[5 q\x1b[!pb", "ab"),
        ("a\x1b[12\x18b", "ab"),
        ("abc\x1bcd", "d"),
        ("\x1b[999999999L\x1b[999999999@\x1b[999999999Sx", "x"),
        ("\x07\x00\x7f\x9fx", "x"),
    ],
)
def test_what_is_written_stands_where_a_terminal_would_have_it(screen: Screen, written: str, seen: str) -> None:
    assert screen.write(written) == seen


def test_a_sequence_may_come_in_pieces(screen: Screen) -> None:
    for piece in "ab\x1b[1;1Hc\x1b]0;title\x1b\\d":
        screen.write(piece)

    assert screen.text == "cd"


def test_the_alternate_screen_leaves_the_other_as_it_was(screen: Screen) -> None:
    screen.write("shell$ vi\x1b[?1049h\x1b[H\x1b[2Jfile")
    assert screen.text == "file"

    assert screen.write("\x1b[?1049l!") == "shell$ vi!"


def test_both_screens_have_the_new_size(screen: Screen) -> None:
    screen.write("shell\x1b[?1049hfile")
    screen.ask("terminal.resize(12, 6)")

    assert screen.write("\x1b[?1049l\x1b[6;12Hx") == "shell\n\n\n\n\n           x"


@pytest.mark.parametrize(
    ("codes", "style"),
    [
        ("31", {"foreground": 1}),
        ("1;4;97;44", {"bold": True, "underline": True, "foreground": 15, "background": 4}),
        ("103", {"background": 11}),
        ("38;5;208", {"foreground": 208}),
        ("48;2;1;2;300;1", {"background": "rgb(1, 2, 255)", "bold": True}),
        ("38:2::1:2:3", {"foreground": "rgb(1, 2, 3)"}),
        ("38:5:9", {"foreground": 9}),
        ("58;5;1;3", {"italic": True}),
        ("4:3", {"underline": True}),
        ("4;4:0", {}),
        ("31;41;39;49", {}),
        ("1;2;7;9;22;27;29", {}),
        ("31;1;0", {}),
        ("31;", {}),
        ("38;5;999;38;2;1", {}),
    ],
)
def test_colours(screen: Screen, codes: str, style: dict[str, Any]) -> None:
    screen.write(f"\x1b[{codes}mx")

    assert screen.style(0) == style


def test_what_is_erased_has_the_colour_that_is_set(screen: Screen) -> None:
    screen.write("\x1b[41m\x1b[2Kx")

    assert screen.style(9) == {"background": 1}


def test_a_resize_keeps_the_line_that_is_typed_on(screen: Screen) -> None:
    screen.write("1\r\n2\r\n3\r\nlong line")
    screen.ask("terminal.resize(4, 2)")
    assert screen.text == "3\nlong"

    screen.ask("terminal.resize(20, 5)")
    assert screen.write("\r\nnext") == "3\nlong\nnext"


def test_a_size_that_makes_no_sense_is_none(screen: Screen) -> None:
    sizes = [[-1, 0], ["x", None], [1e9, 1e9], [2.5, 3]]

    found = [
        screen.ask(f"(({{columns, rows}}) => [columns, rows])(new Terminal(...{json.dumps(size)}))") for size in sizes
    ]

    assert found == [[80, 24], [80, 24], [500, 500], [80, 3]]


def test_the_cursor_is_shown_where_it_is_unless_it_is_hidden(screen: Screen) -> None:
    screen.write("abc\x1b[2G")
    assert [piece["text"] for piece in screen.ask("terminal.pieces(0)") if piece["cursor"]] == ["b"]

    screen.write("\x1b[?25l")
    assert [piece["text"] for piece in screen.ask("terminal.pieces(0)")] == ["abc       "]


def test_a_recording_can_be_played_to_any_moment_and_back(screen: Screen) -> None:
    events = [[0, "o", "a"], [1, "o", "b"], [2, "r", "30x3"], [3, "o", "\x1b[2Jc"]]
    screen.ask(f"globalThis.playback = new Playback({{columns: 10, rows: 4, events: {json.dumps(events)}}})")

    def at(seconds: float) -> list[Any]:
        screen.ask(f"playback.seek({seconds})")
        return list(screen.ask("[playback.terminal.text(), playback.terminal.columns]"))

    assert screen.ask("playback.seconds") == 3
    assert [at(0), at(2.5), at(99), at(1), at(-1)] == [["a", 10], ["ab", 30], ["  c", 30], ["ab", 10], ["a", 10]]


def test_the_buttons_play_a_recording_at_the_chosen_speed_and_stop_at_its_end() -> None:
    film = {
        "title": "shell",
        "columns": 10,
        "rows": 2,
        "events": [[0, "o", "$ "], [2, "o", "<b>\x1b[1;31mls"], [4, "o", "!"]],
    }
    js = quickjs.Context()
    js.eval(PLAIN_DOM.replace("RECORDINGS", json.dumps([None, film])) + PLAYER)

    def shown() -> list[Any]:
        return list(
            json.loads(
                js.eval(
                    "JSON.stringify([place.children[0].whole.split('\\n')[0].trimEnd(), button.textContent, bar.value])"
                )
            )
        )

    js.eval("var [button, bar, clock, speed] = place.children[1].children; speed.value = '2'; button.onclick()")
    assert shown() == ["$", "Pause", 0]
    js.eval("frames.shift()(1250)")
    assert shown() == ["$ <b>ls", "Pause", 2.5]
    assert (
        json.loads(js.eval("JSON.stringify(place.children[0].children.find((c) => c.textContent === 'ls').style)"))[
            "color"
        ]
        == "#ff8a93"
    )
    js.eval("frames.shift()(9000)")
    assert shown() == ["$ <b>ls!", "Play", 4]
    assert js.eval("frames.length") == 0
    assert js.eval("clock.textContent") == "0:04 / 0:04"
    assert js.eval("place.children[0].children.find((c) => c.style?.backgroundColor === '#c9cfd8').textContent") == " "

    js.eval("button.onclick()")
    assert shown() == ["$", "Pause", 0]
    js.eval("button.onclick(); frames.shift()(1000)")
    assert shown() == ["$", "Play", 0]
