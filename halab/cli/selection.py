"""What `inv lab` selects, remembered for the commands after it: a lab, an instance of it, and what makes its nodes."""

import os
import sys
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from halab import providers
from halab.exams.draw import draw
from halab.instance.instance import Instance, instances_dir
from halab.instance.state import State, read_state
from halab.kit import full_disk
from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.frozen import Frozen
from halab.kit.paths import state_dir
from halab.kit.toml import suggestion
from halab.kit.typed import INSTANCE, shown
from halab.providers import host, images, verdicts
from halab.spec import distros, labs
from halab.spec.labs import LabFolder
from halab.spec.models import Needs

DEFAULT_LAB = "ha-web"
SETTING = "HALAB_INSTANCE"  # in the environment: the instance for all commands of one terminal


class Selection(Frozen):
    """What is selected. None stands for the default of the lab, or of halab."""

    lab: str = DEFAULT_LAB
    instance: str | None = None
    provider: str | None = None
    distro: str | None = None
    nodes: int | None = None
    disk_only: bool | None = None
    seed: str = ""  # of an exam's draw

    @property
    def instance_name(self) -> str:
        return self.instance or self.lab

    @classmethod
    def remembered(cls) -> Self:
        """Return what was selected last: for the instance that HALAB_INSTANCE names, or else by any terminal."""
        return cls.of(of_this_terminal())

    @classmethod
    def of(cls, name: str | None) -> Self:
        """Return what is selected for commands on an instance of that name; None is what any terminal selected last."""
        kept = cls._read(_file(None)) or cls()
        if own := cls._read(_file(name)) if name else None:
            return own
        if name in (None, kept.instance_name):
            return kept
        known = _readable_state(name or "")
        return cls(lab=known.lab if known else kept.lab, instance=name)

    @classmethod
    def _read(cls, file: Path) -> Self | None:
        try:
            return cls.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def remember(self) -> None:
        """Keep this for the commands that follow, unless HALAB_INSTANCE says that they use another instance."""
        name = of_this_terminal()
        if self == self.remembered() or name not in (None, self.instance_name):
            return  # the disk may be full, and `inv lab --instance X down` has to free it
        write_atomically(_file(name), self.model_dump_json(exclude_none=True))


_of_this_command_line: tuple[Selection, bool] | None = None  # and whether it names a lab or an instance


def current() -> Selection:
    """Return what this command line has selected, whatever another selects meanwhile; else what was selected last."""
    return _of_this_command_line[0] if _of_this_command_line else Selection.remembered()


def is_chosen() -> bool:
    """Return whether this command line, or HALAB_INSTANCE, says which instance it is about."""
    return bool(_of_this_command_line and _of_this_command_line[1]) or of_this_terminal() is not None


def of_this_terminal() -> str | None:
    """Return the instance that HALAB_INSTANCE names. Raises LabError when it cannot name one."""
    name = os.environ.get(SETTING)
    if not name:
        return None
    try:
        refuse_name(name)
    except LabError as error:
        raise LabError(f"{SETTING}: {error}") from None
    return name


def open_selected() -> Instance:
    """Return the selected instance. Raises LabError when it is not up."""
    name = current().instance_name
    try:
        return Instance.open(name)
    except LabError as error:
        raise LabError(f"{SETTING}: {error}" if name == of_this_terminal() else str(error)) from error


def select(
    lab: str | None,
    instance: str | None,
    provider: str | None,
    distro: str | None,
    nodes: int | None,
    disk_only: bool | None = None,
    seed: str | None = None,
) -> Selection:
    """Change the remembered selection by what is given. Everything named must exist, else LabError.

    With another lab, or another instance, all else is the default again, or what that instance already is.
    """
    if instance:
        refuse_name(instance)
    if lab:
        refuse_lab(lab, instance)
    own = instance or of_this_terminal()
    old = Selection.remembered()
    if (lab and lab != old.lab) or (instance and instance != old.instance_name):
        known = _readable_state(own or lab or "")
        old = Selection(lab=lab or (known.lab if known else old.lab), instance=own)
    given = {"lab": lab, "instance": instance, "provider": provider, "distro": distro, "nodes": nodes}
    given |= {"disk_only": disk_only, "seed": seed}
    new = old.model_copy(update={key: value for key, value in given.items() if value is not None})
    _refuse_what_does_not_exist(new)
    _refuse_another_shape(new)
    global _of_this_command_line  # tasks of one command line share nothing but their process
    _of_this_command_line = (new, bool(lab or instance))
    try:
        new.remember()
    except OSError as error:
        full = full_disk.advice(error)
        if not full or "down" not in sys.argv:
            raise
        print(f"{new.instance_name} is selected for this command line only: {full}", file=sys.stderr)
    return new


def default_provider() -> tuple[str, str]:
    """Return the provider for a user who did not ask for one, and why it is that one."""
    if obstacle := host.no_machines_because():
        return "podman", obstacle
    return "vagrant", "this host has KVM, Vagrant and libvirt"


def instance_to_make(selection: Selection) -> Instance:
    """Return the selected instance: as it is when it is up, else as `up` would make it."""
    state = read_state(instances_dir() / selection.instance_name)
    return Instance(selection.instance_name, state or _new_state(selection))


def instance_to_remove(selection: Selection) -> Instance | None:
    """Return the selected instance, even if its state cannot be read; None when nothing of it is there."""
    directory = instances_dir() / selection.instance_name
    if not directory.exists():
        return None
    return Instance(selection.instance_name, _readable_state(selection.instance_name) or _new_state(selection))


def obstacle(needs: Needs) -> str | None:
    """Return why a lab with these needs cannot run on this host; None when it can."""
    if needs.providers == ("vagrant",) and (reason := host.no_machines_because()):
        return f"it is for virtual machines, and {reason}"
    if needs.distros or needs.packages:
        reasons = {name: images.available(distros.load(name)) for name in distros.fit_for(needs)}
        if all(reasons.values()):
            return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return None


def refuse_name(instance: str) -> None:
    """Raise LabError for what cannot name an instance."""
    if not INSTANCE.fullmatch(instance):
        raise LabError(f"{shown(instance)} is no name for an instance: up to 41 of a-z, 0-9, dot, dash, underscore")


def refuse_lab(lab: str, instance: str | None) -> None:
    """Raise LabError for what is no lab, unless the instance is there, which can be removed all the same."""
    name = instance or of_this_terminal() or lab
    if not (INSTANCE.fullmatch(name) and _readable_state(name)):
        labs.refuse_unknown(lab)


def refuse_provider(name: str) -> None:
    if name not in providers.PROVIDERS:
        raise LabError(f"there is no provider {shown(name)}, {suggestion(name, list(providers.PROVIDERS))}")


def _file(instance: str | None) -> Path:
    """Return where a selection is kept: that of one instance for HALAB_INSTANCE, or that of all other commands."""
    return state_dir() / (f"selections/{instance}.json" if instance else "selection.json")


def _readable_state(instance: str) -> State | None:
    """Return the state; None when there is none, or a spoilt one. An instance with a spoilt one can be removed."""
    try:
        return read_state(instances_dir() / instance)
    except LabError:
        return None


def _new_state(selection: Selection) -> State:
    folder = labs.load(selection.lab)
    spec = folder.spec if selection.nodes is None else folder.with_nodes(selection.nodes).spec
    provider = selection.provider or _default_provider(folder)
    distro, *fallbacks = [selection.distro] if selection.distro else _default_distros(folder, provider)
    state = State(
        lab=selection.lab,
        provider=provider,
        distro=distro,
        fallbacks=tuple(fallbacks),
        spec=spec,
        disk_only=bool(selection.disk_only),
    )
    if folder.paper is None:
        return state
    spec, sitting = draw(folder, spec, selection.instance_name, selection.seed)
    return state.model_copy(update={"spec": spec, "sitting": sitting})


def _default_distros(folder: LabFolder, provider: str) -> tuple[str, ...]:
    """Return the distro for all labs if it will do, or else the first available one of those that the lab is for; and
    after it those to go on with when it fails.
    """
    needs = folder.spec.needs
    wanted = distros.fit_for(needs)
    if not needs.distros and {images.PREFERRED, images.FALLBACK} <= set(wanted):
        chosen, fallback = images.choose_default(print), distros.load(images.FALLBACK)
        if chosen != fallback and (reason := verdicts.failure(chosen, provider)):
            again = f"to try it again: inv lab --distro {chosen.name} up"
            print(f"using {fallback.title} instead of {chosen.title}, which failed before: {reason}; {again}")
            return (fallback.name,)
        return tuple(dict.fromkeys((chosen.name, fallback.name)))
    first = next((name for name in wanted if images.available(distros.load(name)) is None), wanted[0])
    return wanted[wanted.index(first) :]


def _default_provider(folder: LabFolder) -> str:
    return next(iter(folder.spec.needs.providers), None) or default_provider()[0]


def _refuse_what_does_not_exist(selection: Selection) -> None:
    refuse_name(selection.instance_name)
    state = _readable_state(selection.instance_name)
    if state and state.lab == selection.lab:  # it can be removed, whatever has become of its lab
        return
    folder = labs.load(selection.lab)
    if selection.provider:
        refuse_provider(selection.provider)
    if selection.disk_only and (selection.provider or default_provider()[0]) != "vagrant":
        raise LabError("disk-only is for virtual machines; checkpoints of containers are of their files anyway")
    if selection.distro:
        distros.load(selection.distro)
    if selection.nodes is not None:
        folder.with_nodes(selection.nodes)
    needs = folder.spec.needs
    for key, allowed in (("provider", needs.providers), ("distro", distros.fit_for(needs))):
        wanted = getattr(selection, key)
        if wanted and allowed and wanted not in allowed:
            why = f": it installs {' and '.join(needs.packages)}" if key == "distro" and needs.packages else ""
            raise LabError(f"lab {folder.name} is for {key} {' or '.join(allowed)}, not {wanted}{why}")


def _refuse_another_shape(selection: Selection) -> None:
    state = _readable_state(selection.instance_name)
    if not state:
        return
    there = {"lab": state.lab, "provider": state.provider, "distro": state.distro, "nodes": len(state.spec.nodes)}
    there["disk_only"] = state.disk_only
    for key, value in there.items():
        if (wanted := getattr(selection, key)) not in (None, value):
            raise LabError(
                f"instance {selection.instance_name} is up with {key} {value}, not {wanted}; "
                f"try: inv down, or another instance with --instance"
            )
