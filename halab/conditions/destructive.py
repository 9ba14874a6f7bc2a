"""Conditions that break something to see what becomes of it: for exams, whose grading puts everything back."""

import time
from collections.abc import Sequence
from contextlib import suppress

from halab.conditions import causes
from halab.conditions.checks import Condition, Observation, cause, observe
from halab.conditions.cluster import online
from halab.conditions.fencing import CUTS, fenced
from halab.conditions.lab import Lab, Node
from halab.conditions.service import served_by_owner
from halab.kit.errors import LabError
from halab.kit.wait import TimedOut, wait
from halab.measure.report import Run
from halab.measure.run import summary

BACK = 60.0  # seconds that a node which was lost is given to be a member again
SILENT = 10  # looks in a row, a second apart, at which nothing is served
SERVING = 30.0  # seconds that a cluster which has just booted is given to serve
FENCING_OFF = (
    "pcs property config stonith-enabled",
    "an outage without fencing does not count, as the lost node may still be alive",
    "pcs property set stonith-enabled=true",
)
BEYOND = 10.0  # seconds that an outage is watched for after it has become too long


def survives(fault: str, *, resource: str, within: float, outages: int | None = None) -> Condition:
    """A fault hits the node that serves, and with fencing on the service is back within `within` seconds. If a node
    lost its power, a peer's Pacemaker must have fenced it.

    Only the workstation's probe is believed. It tells which pages came through the VIP, when, and from which node.
    `resource` is the VIP's. `outages` is how many interruptions there may be at most. The return of a node may be one,
    so with `outages` the node has to return.
    """
    most = "" if outages is None else f", in at most {outages} outage{'' if outages == 1 else 's'}"

    def look(lab: Lab) -> Observation:
        return _survive(lab, fault, resource, within, outages)

    hints = (
        f"inv measure {fault}, which does the same and shows where the time goes",
        "is fencing on, does the cluster notice, and may the resources be started again?",
        "pcs status --full, pcs stonith history, pcs constraint",
    )
    return Condition(f"fencing on, and after {fault} the service back within {within:g} s{most}", look, hints)


def take_over(resource: str, *, within: float) -> Condition:
    """The node that serves loses its power, and another one serves; then that one loses its power. Fencing is on."""

    def look(lab: Lab) -> Observation:
        seen = []
        for _ in range(2):
            one = _survive(lab, "power-cut", resource, within, None, elsewhere=True)
            seen.append(one.seen)
            if not one.ok:
                return Observation(False, "; ".join(seen), one.known, one.hints)
            try:
                wait(lambda: observe(online(), lab), lambda members: members.ok, within=BACK * lab.pace.factor)
            except TimedOut as error:
                return Observation(False, "; ".join([*seen, f"its node did not come back: {error.last.seen}"]))
        return Observation(True, "; ".join(seen))

    hints = (
        "inv measure power-cut, twice, which does the same and shows where the time goes",
        "is fencing on, can each node fence the other, and may each node run the service?",
        "pcs status --full, pcs stonith history, pcs constraint",
    )
    return Condition(f"fencing on, and another node serves within {within:g} s, in both directions", look, hints)


def alone_serves_nothing(resource: str, *, within: float) -> Condition:
    """All nodes but the one that serves lose their power, and it stops serving, and does not begin again."""

    def look(lab: Lab) -> Observation:
        before = _serving(lab, resource)
        if not before.ok:
            return before
        active = lab.active()
        try:
            for node in lab.others(active):
                lab.fault("power-cut", node)
            wait(
                lambda: _page(lab),
                lambda page: page == "",
                within=within * lab.pace.factor,
                successes=SILENT,
                interval=1,
            )
        except TimedOut:
            return Observation(False, f"{within:g} s after all others lost their power, {active.name} still served")
        finally:
            lab.heal()
        return Observation(True, f"all others lost their power, and {active.name} served no longer")

    hints = (
        "inv fault power-cut, for each other node; then look at the one that is left",
        "without quorum, what happens to resources is what no-quorum-policy says",
        "pcs property config no-quorum-policy; corosync-quorumtool -s",
    )
    return Condition(f"alone, the node that serves stops within {within:g} s", look, hints)


def fences(node: Node) -> Condition:
    """A peer has the node fenced, and really tells the node's BMC, over IPMI, to cut its power."""

    def look(lab: Lab) -> Observation:
        peer = lab.others(node)[0]
        with suppress(TimedOut):  # one that is being fenced already would not be told to go off once more
            wait(lambda: observe(online(node), lab), lambda member: member.ok, within=SERVING * lab.pace.factor)
        before, began = {each.name: len(lab.power_events(each)) for each in lab.nodes}, time.time()
        try:
            victim = lab.own_name(node)
            done = peer.ask("stonith_admin", "--reboot", victim, "--timeout=60", timeout=120)
        except LabError:
            if told := _orders(lab, peer, before[peer.name], lab.nodes):
                return Observation(False, f"{peer.name} had its own power cut: its BMC was told: {_told(told)}")
            raise
        orders = _orders(lab, node, before[node.name], [peer])
        cut = any(event["action"] in CUTS for event in orders)
        known = bool(fenced(lab, node, began))
        said = f"stonith_admin on {peer.name}: {'done' if done.ok else done.cause()}"
        said += "" if known or not done.ok else ", and its fencer knows nothing of it"
        return Observation(done.ok and cut and known, f"{said}; the BMC of {node.name} was told: {_told(orders)}")

    hints = (
        f"on a peer: pcs stonith config; stonith_admin --list {node.name}",
        "address, account and pcmk_host_list of the device: which node does its BMC belong to?",
        f"on a peer: pcs stonith fence {node.name}",
    )
    return Condition(f"a peer can really fence {node.name}", look, hints)


def _survive(
    lab: Lab, fault: str, resource: str, within: float, outages: int | None, elsewhere: bool = False
) -> Observation:
    before = _serving(lab, resource)
    if not before.ok:
        return before
    active = lab.active()
    if not lab.status().fencing:
        return Observation(False, f"{before.seen}; fencing is off, so nothing was broken", hints=lambda: FENCING_OFF)
    left = cause(lambda: causes.held(lab, resource, active))
    within *= lab.pace.slowness
    run = lab.outage(fault, active, within + BEYOND).runs[0]
    ok = run.ended and run.seconds <= within and (outages is None or len(run.outages) <= outages)
    told = f"{fault} on {active.name}: {summary(run)}"
    if ok and fault == "power-cut" and not fenced(lab, active, run.injected):
        return Observation(False, f"{told}; but no Pacemaker of a peer had {active.name} fenced")
    if outages is not None and not (back := observe(online(active), lab)).ok:
        return Observation(False, f"{told}; then {active.name} did not come back: {back.seen}", back.known)
    if not elsewhere:
        return Observation(ok, told, hints=lambda: left)
    named = _last_named(run)
    heir = len(named) == 1 and named != (active.name,)
    return Observation(ok and heir, f"{told}; then {_served_by(named)}", hints=lambda: left)


def _serving(lab: Lab, resource: str) -> Observation:
    """Return whether there is a service at all that could survive something."""
    try:
        return wait(
            lambda: observe(served_by_owner(resource), lab), lambda now: now.ok, within=SERVING * lab.pace.factor
        )
    except TimedOut as error:
        last = error.last
        return Observation(False, f"before anything was broken: {last.seen}", last.known, last.hints)


def _page(lab: Lab) -> str:
    return lab.workstation.run("curl", "--silent", "--max-time", "2", f"http://{lab.vip}/").stdout.strip()


def _last_named(run: Run) -> tuple[str, ...]:
    """Return the nodes that the last page named."""
    return next((sample.named for sample in reversed(run.samples) if sample.named is not None), ())


def _served_by(named: tuple[str, ...]) -> str:
    if len(named) > 1:
        return f"the page named {' and '.join(named)}, so it does not tell who served it"
    return f"served by {named[0]}" if named else "the page named no node"


def _orders(lab: Lab, node: Node, known: int, by: Sequence[Node]) -> list[dict[str, object]]:
    """Return what some nodes told the BMC of a node, after its first `known` orders."""
    addresses = {str(each.mgmt) for each in by}
    return [event for event in lab.power_events(node)[known:] if event["from"] in addresses]


def _told(orders: list[dict[str, object]]) -> str:
    return ", ".join(str(event["action"]) for event in orders) or "nothing"
