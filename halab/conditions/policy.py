"""Conditions on what Pacemaker would do, told by its own policy engine on a node; the cluster is not touched.

A cluster can look right by luck: two resources without any constraint may share a node today. So the engine is given
changed copies of the CIB (see simulate.py), and what it would do then is judged.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from halab.conditions.causes import left_over
from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab, Node
from halab.instance import simulate
from halab.kit.errors import CheckFailed, LabError


def follows(second: str, first: str) -> Condition:
    """`second` runs where `first` does, or not at all, whatever becomes of `first`. Pacemaker's policy engine tells.

    It is given copies of the CIB in which `first` may not stay, in which `second` may not stay with it, and in which
    `first` may run nowhere. No kind of constraint is asked for, so a group does as well as a colocation.
    """

    def judge(lab: Lab, cib: str) -> Observation:
        here, everywhere = lab.own_name(lab.where(first)), simulate.node_names(cib)
        elsewhere = [name for name in everywhere if name != here]
        moved = _simulated(lab, simulate.ban(cib, first, [here]))
        if not moved.get(first):
            return Observation(False, f"{first} could not leave {here}: is another node online, and allowed to it?")
        if moved.get(second) != moved[first]:
            return Observation(False, f"if {first} were {_at(moved, first)}, {second} would be {_at(moved, second)}")
        torn = _simulated(lab, simulate.ban(simulate.ban(cib, first, elsewhere), second, [here]))
        if torn.get(second):
            seen = f"if {second} could not be on {here} and {first} nowhere else, it would be {_at(torn, second)}"
            return Observation(False, seen)
        gone = _simulated(lab, simulate.ban(cib, first, everywhere))
        return Observation(not gone.get(second), f"if {first} were stopped, {second} would be {_at(gone, second)}")

    hints = (
        f"pcs constraint: that {second} and {first} share a node today may be luck",
        "is there a colocation with the score INFINITY, or a group? does some location constraint say otherwise?",
        f"pcs constraint colocation add {second} with {first} score=INFINITY",
    )
    return Condition(f"{second} runs where {first} does, or nowhere", _of_cib(judge), hints)


def independent(first: str, second: str) -> Condition:
    """`first` stays started when `second` can run nowhere. Pacemaker's policy engine tells, as in `follows`."""

    def judge(lab: Lab, cib: str) -> Observation:
        left = _simulated(lab, simulate.ban(cib, second, simulate.node_names(cib)))
        return Observation(bool(left.get(first)), f"if {second} could run nowhere, {first} would be {_at(left, first)}")

    hints = (
        f"pcs constraint: which follows, {second} or {first}?",
        f"`{second} with {first}` is not `{first} with {second}`; in a group the first member leads",
        f"delete what is the wrong way round, then: pcs constraint colocation add {second} with {first} score=INFINITY",
    )
    return Condition(f"{first} does not need {second}", _of_cib(judge), hints)


def ordered(first: str, second: str) -> Condition:
    """When a cluster starts, `second` starts only after `first`. Read from the plan of Pacemaker's policy engine."""

    def judge(lab: Lab, cib: str) -> Observation:
        graph = _asked(lab, simulate.GRAPH, simulate.cold(cib))
        waits = simulate.starts_after(graph, second, first)
        return Observation(waits, f"the start of {second} {'waits' if waits else 'does not wait'} for that of {first}")

    hints = (
        "pcs constraint: a colocation says nothing about time",
        "an order is missing, or the wrong way round",
        f"pcs constraint order {first} then {second}",
    )
    return Condition(f"{second} is started after {first}", _of_cib(judge), hints, steady=True)


def may_run(resource: str, node: Node) -> Condition:
    """A resource would be started on a node, if no other one were left to it. Pacemaker's policy engine tells."""

    def judge(lab: Lab, cib: str) -> Observation:
        own = lab.own_name(node)
        others = [name for name in simulate.node_names(cib) if name != own]
        left = _simulated(lab, simulate.ban(cib, resource, others))
        return Observation(
            left.get(resource) == (own,), f"if no other node were left, {resource} would be {_at(left, resource)}"
        )

    hints = (
        "pcs constraint location: does one keep it away from there?",
        "pcs resource move and pcs resource ban leave constraints behind; and is the node online, or in standby?",
        f"pcs resource clear {resource}",
    )
    return Condition(f"{resource} may run on {node.name}", _of_cib(judge), hints)


def _of_cib(judge: Callable[[Lab, str], Observation]) -> Callable[[Lab], Observation]:
    """Return the look that judges the CIB as if all of it were managed, as `conditions.managed` tells whether it is.

    The cause is told when failures that the CIB remembers decide.
    """

    def look(lab: Lab) -> Observation:
        cib = simulate.managed(lab.ask("cibadmin", "--query"))
        seen = judge(lab, cib)

        def hints() -> tuple[str, ...]:
            failures = simulate.failures(cib)
            return left_over(failures) if failures and judge(lab, simulate.forgiven(cib)).ok else ()

        return replace(seen, hints=hints)

    return look


def _simulated(lab: Lab, cib: str) -> Mapping[str, tuple[str, ...]]:
    return simulate.places(_asked(lab, simulate.SIMULATE, cib))


def _asked(lab: Lab, argv: tuple[str, ...], cib: str) -> str:
    """Ask the policy engine. Raises LabError when a simulation breaks, as nobody's cluster is wrong because of that,
    and CheckFailed when it does because a resource is missing.
    """
    try:
        return lab.ask(*argv, input=cib)
    except CheckFailed as error:
        if missing := simulate.banned_in_vain(cib):
            raise CheckFailed(f"there is no resource {' and no '.join(missing)}") from error
        raise LabError(str(error)) from error


def _at(places: Mapping[str, tuple[str, ...]], resource: str) -> str:
    return f"on {', '.join(places[resource])}" if places.get(resource) else "stopped"
