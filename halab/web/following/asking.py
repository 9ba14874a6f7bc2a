"""Asking an instance's nodes what they know of their cluster: one process on one node, with a deadline."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from halab.instance import crm
from halab.instance.addresses import having
from halab.instance.cluster import parse_status
from halab.instance.instance import Instance
from halab.instance.members import lab_names
from halab.kit.errors import CheckFailed, HalabError, LabError
from halab.web.following.constraints import constraints
from halab.web.following.map import ClusterSeen, parse_votes

PATIENCE = 3.0  # seconds that a node is given to answer; the map need not be complete, but soon
BETWEEN = "\x1e"  # ASCII's record separator, which none of the answers has
QUESTIONS = (  # a Corosync that hangs does not keep crm_mon's answer back; its tool fails where there is no quorum
    "crm_mon --output-as=xml --inactive || exit;"
    r" printf '\036'; cibadmin --query --scope=configuration; printf '\036'; timeout 2 corosync-quorumtool -s"
)


class Asking:
    """Asks the node that answered last, as long as it is in the part of the cluster that has quorum."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._first = ""
        self._silent: set[str] = set()  # nodes that have not answered when they were asked last
        self._known: tuple[dict[str, str], dict[str, str]] = {}, {}  # ids of members, and what the lab calls them

    def prefer(self, node: str) -> None:
        """Ask this node first, as it knows what another one may not have noticed."""
        self._first = node

    def look(self, powered: Sequence[str]) -> ClusterSeen:
        """Return what the first of these nodes tells that has quorum, or else the first that tells anything.

        Raises HalabError, with the reasons, when none does.
        """
        found: ClusterSeen | None = None
        reasons = []
        for node in sorted(powered, key=lambda node: (node in self._silent, node != self._first)):
            try:
                seen = self._seen(node)
            except HalabError as error:
                reasons.append(str(error))
                continue
            found = found if found and not seen.status.quorate else seen
            if seen.status.quorate:
                self._first = node
                break
        if found is None:
            raise LabError("; ".join(reasons) or "no node has power")
        return found

    def _seen(self, node: str) -> ClusterSeen:
        spec, patience = self._instance.spec, PATIENCE / 3 if node in self._silent else PATIENCE
        self._silent.add(node)
        told = self._instance.provider.ask(node, ["sh", "-c", QUESTIONS], timeout=patience)
        self._silent.discard(node)
        monitor, cib, votes = [*told.stdout.split(BETWEEN), "", ""][:3]
        if not monitor.strip():
            missing = told.rc in (126, 127)  # a shell's exit statuses for a command that is not there
            raise CheckFailed(f"{node}: no answer from crm_mon: {'it is not installed' if missing else told.cause()}")
        status = parse_status(monitor)
        ids = {member.name: member.id for member in status.nodes.values()}
        if ids != self._known[0]:
            self._known = ids, lab_names(spec.nodes, ids, partial(crm.ask, self._instance, timeout=PATIENCE))
        seen = ClusterSeen(status.renamed(self._known[1]), parse_votes(votes))
        with suppress(HalabError):  # the cluster has gone since it told its status
            vip = tuple(resource.id for resource in having(cib, spec.vip))
            return ClusterSeen(seen.status, seen.votes, tuple(constraints(cib)), vip)
        return seen
