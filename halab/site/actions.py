"""What `inv site` does: it brings a site up, completes it, looks at it, and ends it."""

import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from halab.kit.errors import LabError
from halab.kit.files import one_at_a_time, read_small, remove_all
from halab.kit.parallel import for_each
from halab.kit.toml import check as checked
from halab.kit.wait import TimedOut, wait
from halab.site import facts, files, plan, reaching, slurm, states, written
from halab.site.facts import Facts
from halab.site.plan import Plan
from halab.site.reaching import Way
from halab.spec import labs

Say = Callable[[str], object]
Result = TypeVar("Result")
JOINING = 90.0  # seconds until the head has heard of all machines
PREPARING = 3600.0  # seconds for an image, and for a lab's cluster


def up(file: Path | None, say: Say) -> Plan:
    """Make the site that a file describes, or complete it. Raises LabError.

    Without a file it is the one that is up already, or one of this machine alone. A machine that was in the site, and
    does not answer now, is left as it is, and told.
    """
    kept = files.on_head() / "site.toml"
    file = file or (kept if kept.is_file() else None)
    text = read_small(file) if file else plan.of_one()
    site = plan.read(file) if file else checked(tomllib.loads(text), kept, Plan)
    for lab in site.site.labs:
        labs.refuse_unknown(lab)
    with one_at_a_time("site"):
        before, known = written.as_it_is_up(), written.known()
        gone = [name for name in before.names if name not in site.names] if before else []
        _refuse_to_lose_seats(gone)
        ways, silent = _reached(site, known, say)
        _each(ways, lambda way: _copy(way, say))
        found = _each(ways, lambda way: _prepared(way, site, say))
        all_known = {**{name: known[name] for name in silent}, **found}
        _refuse_differences(site, all_known)
        given = written.given(site, all_known)
        written.remember(text, all_known, given[site.head.name])
        here = [way for way in ways if way.is_here]
        for group in (here, [way for way in ways if not way.is_here]):  # machines look for the head when they begin
            _each(group, lambda way: way.do("join", given[way.machine].model_dump_json(), timeout=JOINING))
        _end([_way(name, before.site.directory, False) for name in gone] if before else [], say)
        _wait_for(site, silent, say)
        for lab in site.site.labs:
            _each(ways, lambda way, lab=lab: _prepare(way, lab, say))  # type: ignore[misc]
    return site


def _way(name: str, directory: str, is_here: bool) -> Way:
    return Way(name, is_here, directory)


def ways_of(site: Plan) -> list[Way]:
    return [_way(name, site.site.directory, name == site.head.name) for name in site.names]


def _each(ways: list[Way], act: Callable[[Way], Result]) -> dict[str, Result]:
    """Do the same on each machine at once, and return what came of it. Raises LabError with a line for each failure."""
    failed: list[str] = []

    def one(way: Way) -> Result | None:
        try:
            return act(way)
        except LabError as error:
            failed.append(str(error))
            return None

    results = for_each(ways, one)
    if failed:
        raise LabError("\n".join(sorted(failed)))
    return {way.machine: result for way, result in zip(ways, results, strict=True)}  # type: ignore[misc]


def _refuse_to_lose_seats(gone: list[str]) -> None:
    for name in gone:
        if there := states.jobs_on(name):
            raise LabError(f"{name} is in the site no more, but has seats: {', '.join(there)}; first: inv class move")


def _reached(site: Plan, known: Mapping[str, Facts], say: Say) -> tuple[list[Way], list[str]]:
    """Return the ways to machines that answer, and the names of those that do not and were in the site before."""
    silent: dict[str, str] = {}

    def reach(way: Way) -> None:
        try:
            way.assure_root()
        except LabError as error:
            if way.is_here or way.machine not in known:
                raise
            silent[way.machine] = str(error)

    ways = ways_of(site)
    _each(ways, reach)
    for name in sorted(silent):
        say(f"{silent[name]}; the site goes on without it")
    return [way for way in ways if way.machine not in silent], sorted(silent)


def _copy(way: Way, say: Say) -> None:
    if not way.has_this_halab():
        say(f"{way.machine}: copying halab to {way.directory}")
        way.copy_halab()


def _prepared(way: Way, site: Plan, say: Say) -> Facts:
    role = '{"is_head": %s}' % ("true" if way.machine == site.head.name else "false")
    return Facts.model_validate_json(way.do("prepare", role, timeout=reaching.INSTALLING))


def _refuse_differences(site: Plan, found: Mapping[str, Facts]) -> None:
    """Raise LabError, with a line for each, when machines cannot be in one site."""
    own, secret = found[site.head.name], facts.key_of(written.key())
    wrong = [
        f"{name} has Slurm {its.slurm} and the head {own.slurm}; a site needs the same everywhere"
        for name, its in found.items()
        if its.slurm != own.slurm
    ]
    wrong += [
        f"{name} is in another site, as its munge key tells; end that there with `inv site down`, "
        f"or remove {files.ON_MACHINE} there"
        for name, its in found.items()
        if its.key not in (None, secret)
    ]
    seen: dict[str, str] = {}
    for name, its in found.items():
        if (other := seen.setdefault(its.hostname, name)) != name:
            wrong.append(f"{other} and {name} both call themselves {its.hostname}; give one another host name")
    if wrong:
        raise LabError("\n".join(wrong))


def _wait_for(site: Plan, silent: list[str], say: Say) -> None:
    """Wait until all machines are used, and have those used again that Slurm had taken out of use."""
    wanted = set(site.names) - set(silent)

    def ill() -> dict[str, states.State]:
        try:
            there = states.states()
        except LabError as error:  # it has just begun
            return {name: states.State(name, frozenset({"unknown"}), str(error)) for name in wanted}
        for name in sorted(wanted & there.keys()):
            if "drain" in there[name].words:
                say(f"{name} was out of use ({there[name].reason}), and is used again")
                slurm.ask(["scontrol", "update", f"NodeName={name}", "State=RESUME"])
        return {name: there[name] for name in wanted & there.keys() if not there[name].is_well}

    try:
        wait(ill, lambda left: not left, within=JOINING, successes=1, interval=0.5)
    except TimedOut as late:
        raise LabError("\n".join(f"{name} has not joined: {state}" for name, state in late.last.items())) from None


def _prepare(way: Way, lab: str, say: Say) -> None:
    """Have a machine make the image and the cluster that a lab begins with, by an instance that it then removes."""
    say(f"{way.machine}: preparing {lab}")
    made = way.ask("env", "HALAB_INSTANCE=site-prepares", f"{way.directory}/inv", "lab", lab, "up", timeout=PREPARING)
    ended = way.ask("env", "HALAB_INSTANCE=site-prepares", f"{way.directory}/inv", "down", timeout=PREPARING)
    for result in (made, ended):
        if not result.ok:
            raise LabError(f"{way.machine}: {lab} could not be prepared: {result.cause()}")


def down(say: Say) -> None:
    """End the site's daemons. Raises LabError, which names them, while there are seats."""
    site = written.current()
    with one_at_a_time("site"):
        if there := sorted({job for name in site.names for job in states.jobs_on(name)}):
            raise LabError(f"there are seats or other jobs: {', '.join(there)}; first: inv class down")
        _end([way for way in ways_of(site) if not way.is_here], say)
        _end([way for way in ways_of(site) if way.is_here], say)
        with suppress(FileNotFoundError):
            remove_all(files.on_head())


def _end(ways: list[Way], say: Say) -> None:
    """End the site on machines. One that does not answer is told, and is to be ended there by hand."""

    def end(way: Way) -> None:
        try:
            way.do("leave", timeout=JOINING)
        except LabError as error:
            say(f"{error}; there, end Slurm's daemons and remove {files.ON_MACHINE} by hand")

    _each(ways, end)
