"""A node as steps and checks see it: typed at on a console, read out of band, switched at its power."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from halab.instance import hangs
from halab.instance.console import ENVIRONMENT, SHELL, Console, Typed
from halab.kit.cause import cause
from halab.kit.errors import HalabError, LabError
from halab.kit.process import CommandResult, run
from halab.kit.wait import TimedOut, wait
from halab.providers import Provider
from halab.spec.models import NodeSpec

Show = Callable[[str], None]


class Node:
    """Addresses: `lan`, `mgmt`, and `bmc`, which is the controller's and not the node's.

    The names of the interfaces that have them differ between containers and machines.
    """

    def __init__(self, spec: NodeSpec, provider: Provider, show: Show) -> None:
        self.spec = spec
        self.name = spec.name
        self.lan: IPv4Address = spec.lan
        self.mgmt: IPv4Address = spec.mgmt
        self.bmc: IPv4Address = spec.bmc
        self._provider = provider
        self._show = show
        self._console: Console | None = None

    def type(
        self,
        command: str,
        *,
        answers: Mapping[str, str] = {},
        expect: str | None = None,
        within: float = 300,
        fails: bool = False,
    ) -> str:
        """Type a command as a person would, and return what it printed.

        `answers` maps prompts (regular expressions) to the lines typed at them. With `expect` the command is typed
        again, at most `within` seconds, until it succeeds and prints what the regular expression says (`.` matches
        newlines too). Raises LabError when the command fails (with `fails`: when it does not), or never prints what is
        expected.
        """
        if expect is None:
            return self._accept(self._console_type(command, answers, within), fails).output
        wanted = re.compile(expect, re.DOTALL)
        shown: list[str] = []
        try:
            typed = wait(
                lambda: self._type_unless_shown(command, answers, within, shown),
                lambda typed: bool(wanted.search(typed.output)) and (typed.rc != 0) == fails,
                within=within * self._provider.pace.factor,
                successes=1,
                interval=1,
            )
        except TimedOut as error:
            last = (self._accept(error.last, fails).output.strip().splitlines() or ["nothing"])[-1]
            raise LabError(
                f"{self.name}: expected `{command}` to print {expect!r} within {within:g} s; last line was {last!r}"
            ) from None
        return typed.output

    def run(self, *argv: str, input: str | None = None, timeout: float = 60) -> CommandResult:
        """Run a command out of band: not shown, not on the console. Raises LabError when the node is unreachable."""
        return self._provider.run(self.name, argv, input=input, timeout=timeout)

    def ask(self, *argv: str, input: str | None = None, timeout: float = 20) -> CommandResult:
        """Ask something out of band, with programs that no learner has changed (see Provider.ask). Raises as `run`, and
        CheckFailed when only this command hangs, as what it asks does.
        """
        return hangs.ask(self._provider, self.name, argv, input=input, timeout=timeout)

    def power(self) -> str:
        """`on`, `off`, `frozen` or `absent`, as the provider knows it."""
        return self._provider.power_states()[self.name]

    def wait_booted(self, within: float = 60) -> None:
        """Wait until the node's systemd has started all that it will start. A terminal of before is forgotten."""
        self.close()
        try:
            wait(
                self._system_state,
                lambda state: state in ("running", "degraded"),
                within=within * self._provider.pace.factor,
                successes=1,
                interval=0.1,
                tiring=False,
            )
        except TimedOut as error:
            raise LabError(
                f"{self.name}: expected its systemd to be up within {within:g} s; it is {error.last!r}"
            ) from None

    def close(self) -> None:
        if self._console:
            self._console.close()
            self._console = None

    def _system_state(self) -> str:
        try:
            return self.ask("systemctl", "is-system-running", "--wait", timeout=60).stdout.strip()
        except HalabError as error:
            return str(error)

    def _console_type(self, command: str, answers: Mapping[str, str], within: float) -> Typed:
        if self._console is None:
            argv = self._provider.console_argv(self.name, SHELL, ENVIRONMENT)
            self._console = Console(argv, self.name, lambda text: self._show(text), self._provider.pace)
        try:
            return self._console.type(command, answers, within)
        except LabError:
            self.close()
            raise

    def _type_unless_shown(self, command: str, answers: Mapping[str, str], within: float, shown: list[str]) -> Typed:
        """Type a command that is typed again and again, but show it only when it prints something new."""
        pieces: list[str] = []
        real, self._show = self._show, pieces.append
        try:
            typed = self._console_type(command, answers, within)
        finally:
            self._show = real
        if shown[-1:] != [typed.output]:
            shown.append(typed.output)
            self._show("".join(pieces))
        return typed

    def _accept(self, typed: Typed, fails: bool) -> Typed:
        if (typed.rc != 0) == fails:
            return typed
        said = cause(typed.output) or "nothing"
        expected = "to fail, but it succeeded" if fails else f"to succeed, but its exit status is {typed.rc}"
        raise LabError(f"{self.name}: expected `{typed.command.splitlines()[0]}` {expected}; it said {said!r}")


class Workstation:
    """The instance's own place on the host, with an address on every network: where clients and the learner sit."""

    name = "workstation"

    def __init__(self, provider: Provider, show: Show) -> None:
        self._provider = provider
        self._show = show

    def type(self, command: str, *, within: float = 0) -> str:
        """Type a command, show it and what it printed. One that fails is typed again, at most `within` seconds.

        Raises LabError when it fails still.
        """
        try:
            result = wait(
                lambda: self.run("sh", "-c", command),
                lambda result: result.ok,
                within=within * self._provider.pace.factor,
                successes=1,
                interval=1,
            )
        except TimedOut as error:
            result = error.last
        self._show(f"[learner@workstation ~]$ {command}\n{result.stdout}{result.stderr}")
        if not result.ok:
            raise LabError(f"workstation: expected `{command}` to succeed; it said {result.cause()!r}")
        return result.stdout

    def run(self, *argv: str, timeout: float = 60) -> CommandResult:
        return run(self._provider.workstation_argv(argv), timeout=timeout)
