"""The command line, in the process of the test."""

import json
from typing import Any

import pytest
from invoke.collection import Collection
from invoke.program import Program

import tasks
from halab.cli.chain import Chain
from halab.kit.errors import Exit

TASKS = Collection.from_module(tasks)


class Inv:
    """`inv`, in this process. `out` and `err` are what it printed last."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        """Run `inv ARGUMENTS`, and return its exit status."""
        argv = ["inv", *arguments]
        self._monkeypatch.setattr("halab.cli.selection._of_this_command_line", None)  # each call is one of its own
        self._monkeypatch.setattr("sys.argv", argv)
        code = 0
        try:
            Program(namespace=TASKS, executor_class=Chain).run(argv)
        except SystemExit as end:
            code = int(end.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str) -> Any:
        assert self(*arguments, "--json") == Exit.GOOD
        return json.loads(self.out)
