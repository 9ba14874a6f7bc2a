"""The trial of what a distro's nodes are made from: one node is made of it, gets what labs install, and is thrown away.

So what a distro does otherwise than its documentation says is met here, before a learner meets it.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from halab.instance.instance import Instance
from halab.instance.nodes import Node, Workstation
from halab.instance.state import State
from halab.kit.errors import CheckFailed, LabError
from halab.kit.files import one_at_a_time
from halab.kit.paths import cache_dir, state_dir
from halab.providers import verdicts
from halab.spec import distros
from halab.spec.distros import Distro
from halab.spec.models import Credentials

Say = Callable[[str], None]
PINGED_WITHIN = 20  # seconds after the node's boot


def ensure(instance: Instance, say: Say) -> None:
    """Make what the instance's nodes are made from, and try it, unless both was done before.

    Raises LabError with the reason and the path of a log.
    """
    distro, provider = distros.load(instance.state.distro), instance.state.provider
    try:
        made = instance.provider.make_image(say)
        if made is None:
            return
        tried = hashlib.sha256(f"{made} {distro.commands.model_dump_json()}".encode()).hexdigest()
        if verdicts.passed(distro, provider, tried):
            return
        with one_at_a_time(f"trial-{distro.name}"):
            if verdicts.passed(distro, provider, tried):  # as another command was at it
                return
            _try(instance, distro, say)
            verdicts.keep(distro, provider, tried=tried)
    except LabError as error:
        with suppress(OSError):  # the disk may be full
            verdicts.keep(distro, provider, failure=str(error))
        raise


def commands(distro: Distro, credentials: Credentials) -> list[tuple[str, dict[str, str]]]:
    """Return what is typed in a trial, with the answers to prompts: what the first steps of labs type."""
    its = distro.commands
    install = [*its.install_cluster, *its.open_cluster_ports, *its.enable_pcsd]
    return [
        ("firewall-cmd --state", {}),
        *((command, {}) for command in install),
        ("passwd hacluster", dict.fromkeys(("New password: ", "Retype new password: "), credentials.hacluster)),
        *((command, {}) for command in its.install_web),
        ("nginx -t", {}),
    ]


def _try(instance: Instance, distro: Distro, say: Say) -> None:
    log = cache_dir() / f"{distro.name}-trial.log"
    say(f"{distro.name}: trying that on one node, once; on a container it takes half a minute; the log is {log}")
    one = instance.spec.model_copy(update={"nodes": instance.spec.nodes[:1]})
    state = State(lab=instance.state.lab, provider=instance.state.provider, distro=distro.name, spec=one)
    thrown_away = Instance(f"trial-{distro.name}", state)
    thrown_away.directory = state_dir() / "trials" / distro.name  # where it is none of the user's instances
    with log.open("w") as shown:
        try:
            if thrown_away.directory.exists():  # a trial that was killed has left it
                thrown_away.down()
            thrown_away.up()
            _prove(thrown_away, distro, shown)
        except (LabError, CheckFailed) as error:
            raise LabError(f"{distro.name} did not pass its trial: {error} (the log is {log})") from error
        finally:
            thrown_away.down()


def _prove(instance: Instance, distro: Distro, shown: TextIO) -> None:
    """See one node boot, and type what the first steps of labs type. Raises LabError for what does not work."""

    def show(text: str) -> None:
        shown.write(text)
        shown.flush()

    node = Node(instance.spec.nodes[0], instance.provider, show)
    try:
        node.wait_booted()
        if failed := node.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").stdout.split():
            raise LabError(f"{node.name}: its unit {failed[0]} failed as it booted")
        Workstation(instance.provider, show).type(f"ping -c 1 -W 5 {node.lan}", within=PINGED_WITHIN)
        for command, answers in commands(distro, instance.spec.credentials):
            node.type(command, answers=answers)
    except LabError:
        with suppress(LabError):
            show(node.run("journalctl", "--boot", "--no-pager", "--lines=300").stdout)
        raise
    finally:
        node.close()
