"""What is wrong with the distros, providers and packages that a lab's file names."""

from collections.abc import Iterator

from halab.kit.paths import short
from halab.kit.toml import suggestion
from halab.providers import PROVIDERS
from halab.spec import distros
from halab.spec.labs import LabFolder


def wrong(lab: LabFolder) -> list[str]:
    """Return what does not exist of all that the lab is limited to, or that it is proven on, as sentences."""
    file = short(lab.path / ("exam.toml" if lab.paper else "lab.toml"))
    return [f"{file}: {problem}" for problem in _problems(lab)]


def _problems(lab: LabFolder) -> Iterator[str]:
    needs, proven_on = lab.spec.needs, lab.spec.proven_on
    wanted = (
        ("needs.distros", "distro", needs.distros, distros.names()),
        ("needs.providers", "provider", needs.providers, tuple(PROVIDERS)),
    )
    missing = [
        f'{key}: there is no {kind} "{name}", {suggestion(name, list(known))}'
        for key, kind, names, known in wanted
        for name in names
        if name not in known
    ]
    yield from missing
    if missing:
        return
    fit = distros.fit_for(needs)
    if not fit:
        yield f"needs.packages: no distro has {' and '.join(needs.packages)} in its pool"
    for name in proven_on if fit else ():
        if name not in fit:
            yield f'proven_on: the lab cannot run on "{name}", {suggestion(name, list(fit))}'
