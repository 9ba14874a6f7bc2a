"""What each Invoke task about a site does."""

import sys
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from halab.classroom import seats
from halab.cli.report import Report
from halab.cli.selection import default_provider
from halab.cli.terminal import Terminal, dump
from halab.kit.errors import CheckFailed
from halab.kit.printable import printable
from halab.site import actions, looking, slurm, written
from halab.site.looking import Found
from halab.site.plan import Plan
from halab.spec import labs

TYPICAL = "ha-web"  # the lab of which seats are counted, where a site's file names none


def up(machines: str | None) -> None:
    """Make a site, or complete it."""
    site = actions.up(Path(machines) if machines else None, _say)
    others = len(site.names) - 1
    Report().say(f"The site {site.site.name} is up: {len(site.machines)} with seats, {others} besides the head.")
    Report().say("What fits, and what is missing: inv site check")


def check(json: bool) -> None:
    """Tell how many seats fit, and what is wrong. Raises CheckFailed when something is."""
    site = written.current()
    found = looking.look(site)
    fits = {one.name: fitting(site, one) for one in found}
    wrong = [sentence for one in found for sentence in one.wrong]
    if json:
        dump({"site": site.site.name, "machines": [looking.as_data(one, fits[one.name]) for one in found]})
    else:
        _print(found, fits)
        for sentence in wrong:
            print(printable(sentence))
    if wrong:
        raise CheckFailed(f"{len(wrong)} things are wrong with the site")


def fitting(site: Plan, machine: Found) -> dict[str, int]:
    """Return how many seats of each lab of the site fit on a machine."""
    provider = default_provider()[0]
    wanted = site.site.labs or (TYPICAL,)
    return {lab: machine.memory // seats.memory(labs.load(lab).spec, provider) for lab in wanted}


def _print(found: list[Found], fits: dict[str, dict[str, int]]) -> None:
    table = Table()
    for heading in ("Machine", "State", "Seats", "Memory", "Graders", "Slurm", "Images"):
        table.add_column(heading, overflow="fold")
    for one in found:
        fit = ", ".join(f"{count} of {lab}" for lab, count in fits[one.name].items()) if one.graders else "none"
        its = (one.facts.slurm, ", ".join(one.facts.images)) if one.facts else ("", "")
        memory = f"{one.memory} MiB" if one.memory else ""
        graders = str(one.graders) if one.graders else ""
        table.add_row(*map(escape, (one.name, one.state, fit, memory, graders, *its)))
    Terminal.on(sys.stdout).print(table)


def down() -> None:
    """End the site's daemons on all machines."""
    actions.down(_say)
    Report().say(f"The site has ended. Partition {slurm.SEATS} is no more; images and instances' files stay.")


def _say(sentence: object) -> None:
    print(printable(str(sentence)), flush=True)
