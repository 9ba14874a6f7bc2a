"""What is wrong in prose: files that do not exist, commands that nobody could type, names that not every node has."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from invoke.exceptions import ParseError
from invoke.parser.context import ParserContext
from invoke.parser.parser import Parser
from invoke.program import Program

from halab.authoring import new
from halab.kit import typed
from halab.kit.toml import suggestion
from halab.walk import checkpoints

BLOCKS = (re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL), re.compile(r"^ {4,}\S.*$", re.MULTILINE))
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:|#")

# In code a command ends with the line, or at what may follow it there: two blanks, a remark, another command
SEPARATOR = re.compile(r"&&|\|\||[;|<>]")
TYPED = re.compile(r"(?:\$ )?(?:\./)?inv +(?P<words>.+)")
REMARK = re.compile(r"\s+#|\s{2,}")
# Outside of code nothing marks a command's end, so a name counts only before punctuation or an option
SAID = re.compile(
    r"(?<![\w./-])(?:\./)?inv (?P<words>[a-z][a-z-]*(?: [a-z0-9-]+(?=[,;:.]|$| --))?(?: --[a-z-]+ [\w./,-]*\w)*)",
    re.MULTILINE,
)
INTERFACE = re.compile(r"\b(?:eth|ens|enp|eno)\d\w*")
DRAWN = re.compile(r"\{\{.*?\}\}")  # in the text of an exam
STANDS_FOR = re.compile(r"[A-Z][A-Z_]*|\.\.\.")  # stands for a name or a number that the reader puts in its place
ANY = "0"  # what is put in its place here

# What an argument of a command is the name of ...
NAMES = {
    ("lab", "name"): "lab",
    ("lint-lab", "name"): "lab",
    ("new-step", "lab"): "lab",
    ("start", "exam"): "exam",
    ("step", "name"): "step",
    ("show", "step"): "step",
    ("check", "step"): "step",
    ("walk", "to"): "step",
    ("reset", "to"): "checkpoint",
    ("fault", "name"): "fault",
    ("measure", "name"): "fault",
    ("heal", "fault"): "fault",
}
NUMBERS = {("lab", "nodes"), ("measure", "repeat"), ("report", "attempt")}
# ... and what a command makes, so that later commands in the same text may name it
MADE = {("new-lab", "name"): "lab", ("new-step", "name"): "step", ("save", "name"): "checkpoint"}


@dataclass(frozen=True)
class Known:
    """The names that prose may use.

    `steps` are those of every lab. `own` is the lab that the prose is about, if any.
    """

    commands: Sequence[ParserContext]
    steps: dict[str, tuple[str, ...]]
    exams: tuple[str, ...]
    faults: tuple[str, ...]
    own: str | None = None


def dead(text: str, file: Path, known: Known) -> list[tuple[int, str]]:
    """Return what is dead in a file's Markdown, or in its docstring: pairs of a line, from 0 on, and a sentence."""
    code, rest = _code(DRAWN.sub("DRAWN", text))
    commands = [(place, match["words"], True) for place, line in code for match in _typed(line)]
    commands += [(match.start(), match["words"], False) for match in SAID.finditer(rest)]
    reader = Reader(known)
    found = [
        (place, wrong)
        for place, words, certain in sorted(commands, key=itemgetter(0))
        for wrong in reader.read(words, certain)
    ]
    found += [(place, f"there is no file {target}") for place, target in _links(rest) if not _leads(target, file)]
    if known.own:
        found += [(match.start(), _elsewhere(match)) for match in INTERFACE.finditer(text)]
    return [(text.count("\n", 0, place), wrong) for place, wrong in sorted(found)]


def dead_in_hint(hint: str, known: Known) -> list[str]:
    """Return what is wrong with the commands in a hint. A hint does not mark its commands."""
    reader = Reader(known)
    wrong = [wrong for match in SAID.finditer(hint) for wrong in reader.read(match["words"], certain=False)]
    return [*wrong, *map(_elsewhere, INTERFACE.finditer(hint))]


def _elsewhere(interface: re.Match[str]) -> str:
    """Return what is wrong with the name of an interface: containers and machines have different ones."""
    return f"not every node calls it {interface[0]}; `ip address show to ADDRESS` tells which interface has an address"


def _code(text: str) -> tuple[list[tuple[int, str]], str]:
    """Return the lines of code, each with its place, and the text with blanks in their stead, so that places stay."""
    lines = []
    for pattern in BLOCKS:
        for block in pattern.finditer(text):
            lines += [(block.start() + line.start(), line[0]) for line in re.finditer(r"[^\n]+", block[0])]
        text = _blank(pattern, text)
    lines += [(span.start(), span[1].replace("\n", " ")) for span in SPAN.finditer(text)]
    return lines, _blank(SPAN, text)


def _blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _typed(line: str) -> Iterator[re.Match[str]]:
    for part in SEPARATOR.split(line):
        if match := TYPED.fullmatch(REMARK.split(part.strip())[0]):
            yield match


def _links(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match[1]) for match in LINK.finditer(text) if not ELSEWHERE.match(match[1]))


def _leads(target: str, file: Path) -> bool:
    return (file.parent / target.partition("#")[0]).exists()


def _no_number(value: str) -> str:
    try:
        int(value)
    except ValueError as error:
        return str(error)
    return ""


@dataclass
class Reader:
    """Reads commands in the order of the text, and remembers what they would make."""

    known: Known
    made: dict[str, list[str]] = field(default_factory=lambda: {"lab": [], "step": [], "checkpoint": []})

    def __post_init__(self) -> None:
        self._options = typed.options(self.known.commands)
        self._parser = Parser(list(self.known.commands), initial=Program().initial_context)

    def read(self, words: str, certain: bool) -> list[str]:
        """Return what is wrong with `inv` and these words.

        If it is not `certain` that all words belong to the command, only wrong names are reported.
        """
        shown = f"`inv {words}`"
        try:
            argv = [
                ANY if STANDS_FOR.fullmatch(word) else word
                for word in shlex.split(words.replace("[", "").replace("]", ""))
            ]
            if argv[0] == "--help":  # --help COMMAND: Invoke takes COMMAND for a second one
                argv = [word for word in argv[1:] if word != ANY]
            contexts = self._parser.parse_argv(typed.completed(self._joined(argv), self._options))
        except (ParseError, ValueError) as error:
            return self._unknown(shown, self._joined(words.split()), str(error), certain)
        return [f"{shown}: {wrong}" for wrong in self._wrong_names(contexts)]

    def _joined(self, words: list[str]) -> list[str]:
        return typed.joined(words, self._options)

    def _unknown(self, shown: str, words: list[str], error: str, certain: bool) -> list[str]:
        names = list(self._options)
        if words[0] not in names and not words[0].startswith("-"):
            return [f'{shown}: there is no command "{words[0]}", {suggestion(words[0], names)}']
        # Prose may name a command alone, without the arguments that it needs
        return [f"{shown}: {error}"] if certain and len(words) > 1 else []

    def _wrong_names(self, contexts: Sequence[ParserContext]) -> Iterator[str]:
        lab = self.known.own
        for context in contexts:
            for argument in context.args.values():
                what, name = (context.name or "", argument.name), argument.value
                if not argument.got_value or name == ANY:
                    continue
                if what in MADE:
                    self._make(MADE[what], name)
                elif what in NAMES and name not in (there := self._names(NAMES[what], lab)):
                    known = suggestion(name, there) if there else "and none at all"
                    yield f'there is no {NAMES[what]} "{name}", {known}'
                elif what == ("lab", "name"):
                    lab = name
                elif what in NUMBERS and (wrong := _no_number(name)):
                    yield wrong

    def _make(self, kind: str, name: str) -> None:
        self.made[kind].append(name)
        if kind == "lab":
            self.made["step"] += new.STEPS

    def _names(self, kind: str, lab: str | None) -> list[str]:
        made = self.made.get(kind, [])
        match kind:
            case "lab":
                return [*self.known.steps, *self.known.exams, *made]
            case "exam":
                return list(self.known.exams)
            case "fault":
                return list(self.known.faults)
            case "step":
                labs = [lab] if lab else list(self.known.steps)  # an exam has none
                return [*made, *(step for name in labs for step in self.known.steps.get(name, ()))]
            case _:
                return [checkpoints.START, *made, *self._names("step", lab)]
