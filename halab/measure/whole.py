"""What a cluster lacks to be whole: nodes, what Pacemaker still has to do, and resources that ran before."""

import re
from collections.abc import Callable

from halab.instance import crm
from halab.instance.cluster import PROMOTED, ClusterStatus
from halab.instance.instance import Instance
from halab.kit.errors import HalabError

# crm_resource lists what Pacemaker still has to do when it has waited in vain, and ends with timeout(1)'s status
PLANS = "crm_resource --wait --timeout=5s || [ $? = 124 ]"
PLANNED = re.compile(r"^\s+Action \d+: (.+)$", re.MULTILINE)


def lacking(instance: Instance, expected: set[str], wrong: Callable[[ClusterStatus], list[str]]) -> str:
    """Say which of these nodes, if the cluster knows it, is not online, what is `wrong`, and what is under way.

    What is under way is what Pacemaker's policy engine wants to be done. So nothing is waited for that is not started
    on purpose: what is disabled, banned or not managed, or a clone's instance that is not to be promoted.
    """
    try:
        planned = PLANNED.findall(crm.ask(instance, "sh", "-c", PLANS, timeout=15))
        status = crm.status(instance)
    except HalabError as error:
        return str(error)
    offline = sorted((expected & set(status.nodes)) - set(status.online))
    under_way = [f"Pacemaker is about {', '.join(' '.join(action.split()) for action in planned)}"] if planned else []
    return "; ".join([*(f"{node} is not online" for node in offline), *wrong(status), *under_way])


def failed(status: ClusterStatus) -> list[str]:
    """Say which resources run nowhere because they failed."""
    idle = [item for item in status.resources.values() if not item.nodes and item.managed and not item.disabled]
    return [f"{resource.id} has failed" for resource in idle if resource.id in status.failures]


def lost(before: ClusterStatus, now: ClusterStatus, *, whole: bool) -> list[str]:
    """Say which resources run no longer as they did. With `whole` so do all nodes, and fence devices count as well."""
    said = []
    for was in before.resources.values():
        found = now.resources.get(was.id)
        nodes, roles = (found.nodes, found.roles.values()) if found else ((), ())
        if not was.nodes or (was.is_fence_device and not whole):
            continue
        if not nodes:
            said.append(f"{was.id} runs nowhere")
        elif PROMOTED in was.roles.values() and PROMOTED not in roles:
            said.append(f"{was.id} is promoted nowhere")
        elif whole and len(nodes) < len(was.nodes):
            said.append(f"{was.id} runs on {', '.join(nodes)} only")
        elif found and (found.failed, found.blocked) > (was.failed, was.blocked):
            said.append(f"{was.id} has failed")
    return said
