"""What is written for a site: its slurm.conf, and what each machine is given; and what the head remembers of it."""

import os
import secrets
import shlex
from collections.abc import Mapping

from pydantic import TypeAdapter

from halab.kit import templates
from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.paths import PROVISION
from halab.site import daemons, files, plan, slurm
from halab.site.facts import Facts
from halab.site.joining import Given
from halab.site.plan import Plan

REST = 40  # MiB of a machine, less than a step of what seats ask for
SMALLEST = 350  # MiB of a seat, so there are slots for all that fit
SPARE = 64  # slots for gradings, and for what comes home
FOR_ITSELF = 1024  # MiB that a machine keeps at least, where its file does not say what seats may have
KNOWN = TypeAdapter(dict[str, Facts])
# A version of Slurm from which it looks for cgroups although nothing of it uses them (cgroup.conf(5), CgroupPlugin)
DISABLED_SINCE = (23, 11)


def memory(site: Plan, name: str, facts: Facts) -> int:
    """Return the MiB of a machine that Slurm may give away."""
    asked = next((machine.memory for machine in site.machines if machine.name == name), None)
    all_of_it = asked or max(facts.memory - max(FOR_ITSELF, facts.memory // 8), slurm.STEP)
    return all_of_it // slurm.STEP * slurm.STEP + REST


def conf(site: Plan, facts: Mapping[str, Facts]) -> str:
    """Return the text of slurm.conf, the same for all machines."""
    graders = {machine.name: machine.graders for machine in site.machines}
    return templates.render(
        PROVISION / "slurm.conf.j2",
        plan=site,
        facts=facts,
        ports=(daemons.CTLD_PORT, daemons.SLURMD_PORT),
        run=files.RUN,
        kept=files.KEPT,
        etc=files.ON_MACHINE,
        grader=slurm.GRADER,
        seats=slurm.SEATS,
        head=slurm.HEAD,
        memory=lambda name: memory(site, name, facts[name]),
        slots=lambda name: memory(site, name, facts[name]) // SMALLEST + SPARE,
        graders=lambda name: graders.get(name, 0),
    )


def given(site: Plan, facts: Mapping[str, Facts]) -> dict[str, Given]:
    """Return what each machine is given, by name."""
    epilog = templates.render(
        PROVISION / "epilog.sh.j2",
        seats=slurm.SEATS,
        directory=site.site.directory,
        kept=files.KEPT,
        state_home=shlex.quote(os.environ.get("XDG_STATE_HOME", "")) if os.environ.get("XDG_STATE_HOME") else "",
    )
    version = tuple(map(int, facts[site.head.name].slurm.split(".")))
    others = {"cgroup.conf": "CgroupPlugin=disabled\n"} if version >= DISABLED_SINCE else {}
    text, secret = conf(site, facts), key().hex()
    return {
        name: Given(
            site=site.site.name,
            conf=text,
            key=secret,
            is_head=name == site.head.name,
            epilog=epilog,
            others=others,
        )
        for name in site.names
    }


def key() -> bytes:
    """Return the site's munge key. It is made when it is first asked for."""
    file = files.on_head() / daemons.KEY
    if not file.is_file():
        write_atomically(file, secrets.token_bytes(128))
    return file.read_bytes()


def remember(text: str, facts: Mapping[str, Facts], own: Given) -> None:
    """Keep the site as it is up: its file, what machines said of themselves, and what Slurm's programs read here."""
    place = files.on_head()
    write_atomically(place / "facts.json", KNOWN.dump_json(dict(facts), indent=2))
    for name, content in (*own.others.items(), ("slurm.conf", own.conf), ("site.toml", text)):
        write_atomically(place / name, content)


def known() -> dict[str, Facts]:
    """Return what the machines of the site said of themselves when it was last brought up."""
    file = files.on_head() / "facts.json"
    return KNOWN.validate_json(file.read_bytes()) if file.is_file() else {}


def as_it_is_up() -> Plan | None:
    """Return the site that was brought up last, if there is one."""
    file = files.on_head() / "site.toml"
    return plan.read(file) if file.is_file() else None


def current() -> Plan:
    """Return the site. Raises LabError when there is none."""
    if site := as_it_is_up():
        return site
    raise LabError("there is no site on this machine; try: inv site up")
