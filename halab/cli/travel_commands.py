"""What the Invoke tasks do that take a checkpoint to another machine."""

from pathlib import Path

from halab.cli import last_used
from halab.cli.acting import acting, acting_on_selected
from halab.cli.audience import audience_for
from halab.cli.report import Report
from halab.cli.selection import current, is_chosen, refuse_name, select
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import read_state
from halab.kit.errors import LabError
from halab.providers import host
from halab.spec import labs
from halab.walk import actions, parcels


def export_checkpoint(file: str, name: str | None) -> None:
    """Write a checkpoint of the selected instance to a file."""
    with acting_on_selected("export-checkpoint") as (instance, audience):
        actions.export_checkpoint(instance, audience, Path(file), name)


def import_checkpoint(file: str, instance: str | None) -> None:
    """Make an instance of a file, and select it: of the name that is given or chosen, or that it had."""
    what = parcels.about(Path(file))
    name = instance or (current().instance_name if is_chosen() else what.instance)
    refuse_name(name)
    labs.refuse_unknown(what.state.lab)
    host.ensure(host.TOOLS, Report().say)
    made = Instance(name, what.state)
    if there := read_state(instances_dir() / name):
        if there.restoring and not there.removing:
            raise LabError(f"instance {name} is there, and not all of it is up; try: inv lab --instance {name} up")
        if not there.removing:
            raise LabError(f"instance {name} is there already; try: inv down, or another one with --instance")
        with acting("import-checkpoint", Instance(name, there), audience_for(False)) as audience:
            actions.remove_rest(Instance(name, there), audience)
    try:
        with acting("import-checkpoint", made, audience_for(False)) as audience:
            actions.import_checkpoint(made, audience, Path(file), what)
    finally:
        if made.directory.is_dir():  # else it was refused; what is not as it should be is selected, too
            select(what.state.lab, name, None, None, None)
            last_used.note(name)
