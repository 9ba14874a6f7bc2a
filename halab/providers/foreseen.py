"""What can be told beforehand of what keeps nodes from having a distro."""

from halab.providers import host, images, verdicts
from halab.spec.distros import Distro


def obstacles(distro: Distro, provider: str) -> list[str]:
    """Return a sentence for each thing that keeps `provider` from making nodes of `distro` on this host."""
    found = []
    if reason := images.available(distro):
        found.append(f"{distro.name} cannot be made: {reason}")
    if reason := verdicts.failure(distro, provider):
        found.append(f"{distro.name} failed before, and `inv lab --distro {distro.name} up` tries it again: {reason}")
    if provider == "vagrant":
        found += _of_machines(distro)
    return found


def _of_machines(distro: Distro) -> list[str]:
    found = [f"{tool.command} is missing, which {tool.why}" for tool in host.missing(host.MACHINE_TOOLS)]
    if distro.box_url and not images.answers(distro.box_url):
        found.append(f"its box {distro.box_url} does not answer; a box that Vagrant has already will do")
    return found
