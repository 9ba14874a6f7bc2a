"""What was measured in this lab: outages, as `inv measure` and `lab.measure` keep them."""

from halab.conditions.checks import Condition, Observation
from halab.conditions.lab import Lab
from halab.measure.report import Measurement, Run
from halab.measure.run import summary


def measured(
    fault: str,
    *,
    below: float | None = None,
    outages: int | None = None,
    at_least: int | None = None,
    ended: bool = False,
    fencing: bool | None = None,
    split_brain: bool | None = None,
    lost: range | None = None,
    recovery_point: float | None = None,
    now: bool = False,
    networks: str = "",
) -> Condition:
    """There is a measurement of the fault, one of whose runs is as follows.

    `below` is in seconds, for all outages of the run together; `outages` is how many there were at most, and `at_least`
    how many at least; `split_brain` whether several nodes had the VIP at once; `lost` how many writes were acknowledged
    and are gone, `recovery_point` of how many seconds, at most. With `ended` they ended before the fault was healed.
    With `now` it was made of the cluster as it is configured now. `networks` are those that the fault was about, as
    `--network` has them.
    """
    wanted = [
        *([f"an outage of less than {below:g} s"] if below is not None else []),
        *([f"at most {outages} outage{'' if outages == 1 else 's'}"] if outages is not None else []),
        *([f"{at_least} outages or more"] if at_least is not None else []),
        *(["the service back before all was healed"] if ended else []),
        *([f"fencing {'on' if fencing else 'off'}"] if fencing is not None else []),
        *([f"{'a' if split_brain else 'no'} split-brain"] if split_brain is not None else []),
        *([_words(lost)] if lost is not None else []),
        *([f"acknowledged writes of at most {recovery_point:g} s lost"] if recovery_point is not None else []),
        *(["the cluster configured as it is now"] if now else []),
        *([f"--network {networks}"] if networks else []),
    ]
    expected = f"a measurement of {fault}" + (f", with {', '.join(wanted)}" if wanted else "")

    def fits(found: Measurement, configuration: str) -> bool:
        return (
            (fencing is None or found.fencing == fencing)
            and (not now or found.configuration == configuration)
            and (split_brain is None or bool(found.split_brain) == split_brain)
            and any(
                (below is None or run.below(below))
                and (run.ended or not ended)
                and (outages is None or len(run.outages) <= outages)
                and (at_least is None or len(run.outages) >= at_least)
                and (lost is None or (bool(run.acknowledged) and len(run.lost) in lost))
                and (recovery_point is None or (bool(run.acknowledged) and run.recovery_point <= recovery_point))
                and (not networks or _about(run) == set(networks.split(",")))
                for run in found.runs
            )
        )

    def look(lab: Lab) -> Observation:
        made = lab.measurements(fault)
        configuration = lab.configuration() if now else ""
        if any(fits(found, configuration) for found in made):
            return Observation(True, expected)
        return Observation(False, f"{len(made)} made; the last: {_seen(made[-1], configuration)}" if made else "none")

    hints = (
        f"inv measure {fault}, and look at what it says and at its picture",
        f"what counts is {expected}",
        f"inv measure {fault} --repeat 3",
    )
    return Condition(expected, look, hints)


def _about(run: Run) -> set[str]:
    """Return the networks that a fault of cables was about."""
    return set(run.fault.options.get("network", "").split(","))


def _words(lost: range) -> str:
    if lost.start == 0:
        return f"at most {lost.stop - 1} acknowledged writes lost" if lost.stop > 1 else "no acknowledged write lost"
    return f"{lost.start} acknowledged writes lost, or more"


def _seen(found: Measurement, configuration: str) -> str:
    told = [*map(summary, found.runs), f"fencing {'on' if found.fencing else 'off'}"]
    told += [f"split-brain for {found.split_brain:.1f} s"] if found.split_brain else ["no split-brain"]
    told += ["the cluster was configured in another way then"] if configuration not in ("", found.configuration) else []
    return ", ".join(told)
