"""Prose as blocks of text, so that a page makes its own elements and never takes markup from a lab or a learner.

A block is `{"kind": "text" | "heading", "runs": [...]}`, `{"kind": "list", "items": [{"runs": [...]}, ...]}`,
`{"kind": "table", "rows": [[{"runs": [...]}, ...], ...]}`, or `{"kind": "command" | "code", "text": ...}`. A run is
`{"text": ..., "code": bool}`. All but `code` and `table` also have `text`, without what tells code from prose.
"""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

Block = dict[str, Any]
Run = dict[str, Any]
TYPED = re.compile(r"[a-z./][\w./-]*( |$)")  # how each line of a command begins
COLUMNS = re.compile(r"\S {2,}\S")  # what is set in columns is looked at, and not typed


def blocks(markdown: str) -> list[Block]:
    """Return Markdown as blocks. HTML in it is text like any other."""
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown)
    found: list[Block] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = _end(tokens, at)
        if token.type in ("fence", "code_block"):
            found.append(_preformatted(token))
        elif token.type == "heading_open":
            found.append(_with_text("heading", runs=_runs(tokens[at:end])))
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            items = [_runs(item) for item in _parts(tokens[at + 1 : end], "list_item")]
            found.append(
                {"kind": "list", "items": [{"runs": runs} for runs in items], "text": "\n".join(map(_text, items))}
            )
        elif token.type == "table_open":
            rows = [[{"runs": _runs(cell)} for cell in _parts(row, "th", "td")] for row in _parts(tokens[at:end], "tr")]
            found.append({"kind": "table", "rows": rows})
        elif token.type in ("paragraph_open", "blockquote_open"):
            found.append(_with_text("text", runs=_runs(tokens[at:end])))
        at = end
    return found


def _preformatted(token: Token) -> Block:
    text = token.content.rstrip("\n")
    typed = all(map(TYPED.match, text.split("\n"))) and not COLUMNS.search(text)
    return {"kind": "command" if typed else "code", "text": text}


def _with_text(kind: str, runs: list[Run]) -> Block:
    return {"kind": kind, "runs": runs, "text": _text(runs)}


def _text(runs: Sequence[Run]) -> str:
    return "".join(str(run["text"]) for run in runs)


def _end(tokens: Sequence[Token], at: int) -> int:
    """Return the place after the token, with all that is inside of it."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += tokens[place].nesting
        if depth == 0:
            return place + 1
    return len(tokens)


def _parts(tokens: Sequence[Token], *kinds: str) -> list[Sequence[Token]]:
    """Return what is in each part of one of these kinds, such as the items of a list; those in a part are left out."""
    found, at = [], 0
    while at < len(tokens):
        if tokens[at].type in {f"{kind}_open" for kind in kinds}:
            end = _end(tokens, at)
            found.append(tokens[at + 1 : end - 1])
            at = end
        else:
            at += 1
    return found


def _runs(tokens: Sequence[Token]) -> list[Run]:
    """Return the text of these tokens, with what is code apart from what is prose."""
    found: list[Run] = []

    def add(text: str, code: bool) -> None:
        if found and found[-1]["code"] == code:
            found[-1]["text"] += text
        elif text:
            found.append({"text": text, "code": code})

    for token in tokens:
        if found and token.type in ("inline", "fence", "code_block"):
            add(" ", False)  # between two paragraphs of one block
        if token.type in ("fence", "code_block"):
            add(token.content.rstrip("\n"), True)
        for part in token.children or ():
            if part.type in ("softbreak", "hardbreak"):
                add(" ", False)
            elif part.type in ("text", "code_inline", "html_inline", "image"):
                add(part.content, part.type == "code_inline")
    return found
