"""Faults of a node's BMC. Fencing cannot work then, and the cluster must wait instead of guessing."""

from halab.faults import Fault, Scene
from halab.instance import crm
from halab.kit.errors import HalabError
from halab.kit.process import must, run

TABLE = "inet halab-bmc"


def _chain(scene: Scene) -> str:
    return f"{TABLE} {scene.node.name}"


def _silence(scene: Scene) -> None:
    chain = _chain(scene)
    lines = [
        f"add table {TABLE}",
        f"add chain {chain} {{ type filter hook input priority 0; }}",
        f"flush chain {chain}",
        f"add rule {chain} ip daddr {scene.node.bmc} udp dport 623 drop",
    ]
    must(scene.instance.provider.workstation_argv(["nft", "--file", "-"]), input="\n".join(lines) + "\n")


def _let_answer(scene: Scene) -> None:
    chain = _chain(scene)
    run(scene.instance.provider.workstation_argv(["nft", f"flush chain {chain}; delete chain {chain}"]))
    _clean_up(scene)


def _change_password(scene: Scene) -> None:
    scene.instance.set_bmc_password(scene.node.name, "changed-" + scene.instance.spec.credentials.bmc_password[:12])


def _restore_password(scene: Scene) -> None:
    scene.instance.set_bmc_password(scene.node.name, None)
    _clean_up(scene)


def _clean_up(scene: Scene) -> None:
    """Have fence devices started again that failed to start meanwhile. Pacemaker does not try that twice on a node."""
    try:
        resources = crm.status(scene.instance).resources.values()
        for device in (found.id for found in resources if found.is_fence_device and not found.started):
            crm.ask(scene.instance, "crm_resource", "--cleanup", "--resource", device, timeout=20)
    except HalabError:  # no cluster runs, or it has no fence devices yet
        return


FAULTS = (
    Fault("bmc-dead", "the node's BMC answers nobody", _silence, _let_answer, outside=True),
    Fault(
        "bmc-wrong-password",
        "the password of the node's BMC is not the one that its fence device has",
        _change_password,
        _restore_password,
        outside=True,
    ),
)
