"""`inv pool`: packages that the nodes may install besides those that the labs need."""

from halab.cli.report import Report
from halab.cli.selection import current, instance_to_make
from halab.kit.errors import LabError
from halab.providers import host, images, pools, rights
from halab.spec import distros


def pool(action: str, packages: str) -> None:
    """Add packages to the pool of the selected instance's distro."""
    if action != "add":
        raise LabError(f'"{action}" is nothing to do with the pool; try: inv pool add PACKAGE')
    names, say = pools.names(packages), Report().say
    if reason := rights.no_nodes_because():
        raise LabError(reason)
    host.ensure(host.TOOLS, say)
    instance = instance_to_make(current())
    distro = distros.load(instance.state.distro)
    count = images.add_to_pool(distro, names, say)
    say(f"The pool of {distro.title} has {', '.join(names)} now; that took {count} new packages.")
    install = "apt-get update && apt-get install" if distro.package_manager == "apt" else "dnf install"
    on = "a node" if instance.state.provider == "podman" else "a machine that is made from now on"
    say(f"On {on}: {install} {' '.join(names)}")
