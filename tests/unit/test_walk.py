"""Walking, checkpoints, and going on after a kill, on nodes that are not real."""

import threading
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from halab.cli.selection import Selection, instance_to_make
from halab.conditions.checks import Outcome
from halab.instance import by_hand
from halab.instance.instance import Instance
from halab.instance.power_on_due import PowerOnDue, switching
from halab.kit.audience import NOBODY
from halab.kit.errors import CheckFailed, LabError, NothingChecked
from halab.providers import REBOOTS, SWITCHED_OFF
from halab.walk import bringup, checkpoints
from halab.walk.lab import Checked
from halab.walk.walk import StepBegins, StepEnds, Walk
from tests.fakes import FakeAudience, World, instance_up

pytestmark = pytest.mark.usefixtures("world")


class Killed(KeyboardInterrupt):
    """Stands for SIGKILL: nothing of halab catches it, and nothing is cleaned up after it."""


@pytest.fixture
def instance(world: World) -> Instance:
    made = instance_up()
    world.calls.clear()
    return made


@pytest.fixture
def audience() -> FakeAudience:
    return FakeAudience()


@pytest.fixture
def walk(instance: Instance, audience: FakeAudience) -> Walk:
    return Walk(instance, audience)


def outcomes(instance: Instance) -> dict[str, str]:
    """Return the outcomes in the state file, as the next command will read them."""
    return {name: record.outcome for name, record in Instance.open(instance.name).state.steps.items()}


def perform(walk: Walk, *names: str) -> list[str]:
    return [walk.perform(walk.step(name)).outcome for name in names]


def kill_at(world: World, call: str) -> None:
    """Be killed when the provider, or a step, is next told this."""

    def killed(told: str) -> None:
        if told == call:
            world.before_call = world.before_perform = lambda told: None
            raise Killed

    world.before_call = world.before_perform = killed


def test_a_new_instance_has_a_checkpoint_of_bare_nodes(instance: Instance) -> None:
    assert checkpoints.names(instance) == ["start"]


def test_up_again_saves_nothing_anew(instance: Instance, world: World) -> None:
    bringup.up(instance, NOBODY)

    assert world.calls == ["up"]


def test_a_host_that_cannot_run_the_lab_is_told_before_anything_is_made(world: World) -> None:
    world.problems = ["no memory", "no disk"]
    made = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))

    with pytest.raises(LabError, match="no memory; no disk"):
        bringup.up(made, NOBODY)

    assert world.calls == []


def test_a_checkpoint_is_taken_after_each_verified_step(instance: Instance, walk: Walk, world: World) -> None:
    ended = perform(walk, "one", "two")

    assert ended == [Outcome.PASSED, Outcome.PASSED]
    assert checkpoints.names(instance) == ["start", "one", "two"]
    saved = [world.saved[checkpoint.saved] for checkpoint in checkpoints.everything(instance)]
    assert saved == [[], ["one"], ["one", "two"]]
    assert outcomes(instance) == {"one": "passed", "two": "passed"}


def test_a_checkpoint_knows_the_results_up_to_itself(instance: Instance, walk: Walk) -> None:
    perform(walk, "one", "two")

    known = checkpoints.find(instance, "one").steps

    assert {name: record.outcome for name, record in known.items()} == {"one": "passed"}


def test_a_failed_verify_saves_no_checkpoint_and_keeps_evidence(instance: Instance, walk: Walk) -> None:
    report = walk.verify(walk.step("one"))

    assert report.outcome == Outcome.FAILED
    assert outcomes(instance) == {"one": "failed"}
    assert checkpoints.names(instance) == ["start"]
    assert list(report.log.with_suffix(".evidence").glob("node1-*"))


def test_what_is_kept_of_a_failure_controls_no_terminal_that_shows_it(
    instance: Instance, walk: Walk, world: World
) -> None:
    def fail(name: str) -> None:
        raise LabError("node1 said \x1b[2J\x9b31m")

    world.before_perform, world.crm_mon = fail, "<!-- \x1b[2J\x9b31m -->"

    report = walk.perform(walk.step("one"))

    kept = [report.log, *report.log.with_suffix(".evidence").iterdir()]
    assert report.reason == "node1 said \x1b[2J\x9b31m"
    assert sum("\u241b[2J" in file.read_text() for file in kept) == 3  # the log, and crm_mon on two nodes
    assert not any({"\x1b", "\x9b"} & set(file.read_text()) for file in kept)


def test_a_verify_that_cannot_see_is_unknown_and_saves_no_checkpoint(
    instance: Instance, walk: Walk, world: World
) -> None:
    world.looks_broken = True

    report = walk.verify(walk.step("one"))

    assert report.outcome == Outcome.UNKNOWN
    assert outcomes(instance) == {"one": "unknown"}
    assert checkpoints.names(instance) == ["start"]


def test_work_done_by_hand_passes_and_is_saved(instance: Instance, walk: Walk, world: World) -> None:
    world.done.append("one")

    report = walk.verify(walk.step("one"))

    assert report.outcome == Outcome.PASSED
    assert checkpoints.names(instance) == ["start", "one"]


def test_a_step_that_is_passed_and_verified_again_is_not_saved_again(
    instance: Instance, walk: Walk, world: World
) -> None:
    perform(walk, "one")
    world.calls.clear()

    walk.verify(walk.step("one"))

    assert world.calls == []


def test_a_perform_that_raises_is_unknown_with_its_reason(instance: Instance, walk: Walk, world: World) -> None:
    def fail(name: str) -> None:
        raise LabError(f"node1: {name} did not work")

    world.before_perform = fail

    report = walk.perform(walk.step("one"))

    assert (report.outcome, report.reason) == (Outcome.UNKNOWN, "node1: one did not work")
    assert "node1: one did not work" in report.log.read_text()
    assert checkpoints.names(instance) == ["start"]


def test_a_step_waits_for_the_steps_before_it(walk: Walk, world: World) -> None:
    with pytest.raises(LabError, match="step two comes after one, which is not passed; try: inv walk --to two"):
        walk.perform(walk.step("two"))

    assert world.done == []


def test_a_passed_step_waits_too_for_one_before_it_that_is_not_passed_any_more(walk: Walk, world: World) -> None:
    perform(walk, "one", "two")
    world.done.remove("one")
    walk.verify(walk.step("one"))

    with pytest.raises(LabError, match="step two comes after one"):
        walk.perform(walk.step("two"))


def test_a_step_that_was_done_is_done_again_from_the_checkpoint_before_it(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World
) -> None:
    perform(walk, "one", "two", "three")

    perform(walk, "two")

    assert world.done == ["one", "two"]
    assert any("going back to one" in said for said in audience.said)


def test_going_back_forgets_the_results_of_later_steps(instance: Instance, walk: Walk) -> None:
    perform(walk, "one", "two", "three")

    perform(walk, "two")

    assert outcomes(instance) == {"one": "passed", "two": "passed"}
    assert [step.name for step in walk.left()] == ["three"]


def test_a_failed_step_is_done_again_from_the_checkpoint_before_it(walk: Walk, world: World) -> None:
    perform(walk, "one")
    world.done.append("a mistake of the learner")
    walk.verify(walk.step("two"))

    perform(walk, "two")

    assert world.done == ["one", "two"]


def look_at(walk: Walk, how: str, instance: Instance) -> None:
    """Look at the step as a learner does who thinks that it is done."""
    if how == "check":
        walk.verify(walk.step("one"))
    elif how == "hint":
        walk.hint(walk.step("one"))
    else:
        by_hand.note(instance)


@pytest.mark.parametrize("how", ["check", "hint", "shell"])
def test_what_is_right_by_now_is_passed_as_it_is(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World, how: str
) -> None:
    look_at(walk, how, instance)
    world.done += ["one", "work of the learner"]
    world.calls.clear()

    assert perform(walk, "one") == [Outcome.PASSED]

    assert world.done == ["one", "work of the learner"]
    assert world.calls == ["save"]
    assert audience.said == ["Step one is right as it is, so nothing is typed."]


@pytest.mark.parametrize("how", ["check", "hint", "shell"])
def test_what_is_half_done_is_done_afresh_and_that_is_said_before(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World, how: str
) -> None:
    world.done.append("half of one")
    look_at(walk, how, instance)
    said_before: list[str] = []
    world.before_call = lambda call: said_before.extend(audience.said if call == "restore" else ())

    assert perform(walk, "one") == [Outcome.PASSED]

    assert world.done == ["one"]
    assert said_before == [
        "Step one is not right as it is; going back to start to do it afresh. "
        "What was done on the nodes since then is lost; to keep it, type first: inv save my-work"
    ]


@pytest.mark.parametrize("passed", [False, True])
@pytest.mark.parametrize("how", ["check", "shell"])
def test_nothing_is_lost_when_the_answer_is_no(
    instance: Instance, walk: Walk, world: World, how: str, passed: bool
) -> None:
    if passed:
        perform(walk, "one")
        by_hand.note(instance)
    world.done.append("work of the learner")
    look_at(walk, how, instance)

    with pytest.raises(NothingChecked, match="nothing was done, as you do not want to go on"):
        perform(Walk(instance, FakeAudience(goes_on=False)), "one")

    assert world.done[-1] == "work of the learner"


def test_nothing_is_looked_at_or_asked_where_nobody_has_worked(
    instance: Instance, walk: Walk, audience: FakeAudience, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(Walk, "_is_right", lambda self, step: looked.append(step.name))

    assert perform(walk, "one", "two", "three") == [Outcome.PASSED] * 3

    assert (looked, audience.said) == ([], [])


def test_a_shell_that_stays_open_is_asked_about_once_in_a_walk(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_hand, "open_shells", lambda instance: ["node1"])

    assert perform(walk, "one", "two", "three") == [Outcome.PASSED] * 3

    assert len(audience.said) == 1
    assert world.calls.count("restore") == 1


def test_a_shells_end_is_not_before_what_it_came_after_within_a_tick_of_the_kernel(instance: Instance) -> None:
    by_hand.note(instance)
    at = by_hand.noted(instance).stat().st_mtime

    assert by_hand.may_have_worked(instance, datetime.fromtimestamp(at + 0.004, UTC))
    assert not by_hand.may_have_worked(instance, datetime.fromtimestamp(at + 0.1, UTC))


@pytest.mark.parametrize("killed", ["grading", "step"])
def test_what_was_done_in_a_shell_since_a_kill_is_not_taken_back_unasked(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World, killed: str
) -> None:
    if killed == "grading":
        checkpoints.save(instance, checkpoints.GRADING)
    else:
        kill_at(world, "one")
        with pytest.raises(Killed):
            perform(walk, "one")
    world.done.append("work of the learner")
    by_hand.note(instance)
    with pytest.raises(NothingChecked):
        Walk(instance, FakeAudience(goes_on=False))
    assert world.done == ["work of the learner"]

    Walk(instance, audience)

    assert world.done == []
    assert audience.said[-1].endswith("What was done in shells since is lost.")


def test_a_reset_forgets_the_results_of_later_steps_and_keeps_their_checkpoints(
    instance: Instance, walk: Walk, world: World
) -> None:
    perform(walk, "one", "two", "three")

    checkpoints.restore(instance, "one")

    assert world.done == ["one"]
    assert outcomes(instance) == {"one": "passed"}
    assert checkpoints.names(instance) == ["start", "one", "two", "three"]


def test_a_reset_to_start_gives_bare_nodes(instance: Instance, walk: Walk, world: World) -> None:
    perform(walk, "one", "two")

    checkpoints.restore(instance, "start")

    assert (world.done, outcomes(instance)) == ([], {})


def test_a_reset_heals_a_node_without_power(instance: Instance, walk: Walk, world: World) -> None:
    perform(walk, "one")
    world.power["node2"] = "off"

    checkpoints.restore(instance, "one")

    assert world.power == {"node1": "on", "node2": "on"}


def test_an_unknown_checkpoint_is_refused_with_the_nearest_name(instance: Instance) -> None:
    with pytest.raises(LabError, match=r'no checkpoint "strat", did you mean "start"\?'):
        checkpoints.find(instance, "strat")


def test_a_checkpoint_of_the_same_name_replaces_the_older_one(instance: Instance, world: World) -> None:
    checkpoints.save(instance, "mine")
    world.done.append("more")

    checkpoints.save(instance, "mine")

    assert sorted(checkpoints.names(instance)) == ["mine", "start"]
    assert sorted(world.saved.values()) == [[], ["more"]]


def test_what_a_bmc_logged_goes_back_with_the_cluster(instance: Instance) -> None:
    instance.bmc_log("node1").write_text("before\n")
    checkpoints.save(instance, "mine")
    instance.bmc_log("node1").write_text("before\nafter\n")

    checkpoints.restore(instance, "mine")

    assert instance.read_bmc_log("node1") == "before\n"


def test_a_power_on_that_is_due_is_forgotten_where_a_checkpoint_decides(instance: Instance) -> None:
    due = PowerOnDue(instance.bmc_log("node1"))
    due.accept(60)

    checkpoints.restore(instance, "start")

    assert due.left() is None


def test_a_power_on_that_is_due_is_forgotten_where_up_has_carried_it_out(instance: Instance) -> None:
    due = PowerOnDue(instance.bmc_log("node1"))
    due.accept(60)

    bringup.up(instance, NOBODY)

    assert due.left() is None


def test_a_command_waits_for_a_node_that_is_about_to_boot(instance: Instance, audience: FakeAudience) -> None:
    due = PowerOnDue(instance.bmc_log("node2"))
    due.accept(60)
    carried_out = threading.Timer(0.3, due.forget)
    carried_out.start()

    bringup.settle(instance, audience)

    assert due.left() is None
    assert audience.said == ["Waiting for node2 to boot."]


def test_a_node_that_stops_to_reboot_is_waited_for_until_its_firmware_runs(instance: Instance, world: World) -> None:
    due = PowerOnDue(instance.bmc_log("node2"))
    world.answers["systemctl is-system-running"] = "stopping\n"

    def stops() -> None:
        world.power = {"node1": "off", "node2": "off"}
        world.ended = {"node1": SWITCHED_OFF, "node2": REBOOTS}
        due.accept(60)

    threading.Timer(0.3, stops).start()
    bringup.await_stops(instance)

    assert instance.starting() == ["node2"]


def test_a_node_that_never_boots_does_not_keep_a_command_for_ever(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringup, "START_WITHIN", 0.1)
    PowerOnDue(instance.bmc_log("node2")).accept(60)

    bringup.settle(instance, NOBODY)


def test_a_restore_leaves_the_bmcs_that_run(instance: Instance, world: World) -> None:
    before = dict(world.daemons)

    checkpoints.restore(instance, "start")

    assert world.daemons == before


def test_a_bmc_that_hangs_as_it_switches_a_node_is_ended_by_a_reset(
    instance: Instance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("halab.instance.instance.BMC_HANGS", 0.1)
    hanging = ExitStack()
    hanging.enter_context(switching(instance.bmc_log("node2")))

    def end(mark: str) -> None:
        world.told("end")
        world.end_daemons(mark)
        hanging.close()

    monkeypatch.setattr("halab.instance.instance.end_daemons", end)

    checkpoints.restore(instance, "start")

    assert world.calls == ["end", "restore"]
    assert instance.dead_bmcs() == []


def test_dead_bmcs_are_started_by_a_reset(instance: Instance, world: World) -> None:
    world.daemons.clear()
    assert instance.dead_bmcs() == ["node1", "node2"]

    checkpoints.restore(instance, "start")

    assert instance.dead_bmcs() == []


def test_the_hint_count_goes_up_with_every_hint_to_the_last(instance: Instance, walk: Walk) -> None:
    step = walk.step("one")

    hints = [walk.hint(step) for _ in range(3)]

    assert hints[0] == "one is done:\n  1. look"
    assert hints[1] == hints[2] == "one is done:\n  1. look\n  2. look again"
    assert Instance.open(instance.name).state.steps["one"].hints_shown == 2


def test_there_is_no_hint_for_a_step_that_passes(walk: Walk, world: World) -> None:
    world.done.append("one")

    assert walk.hint(walk.step("one")) == "Step one is passed; nothing to hint at."


def test_a_step_whose_verify_breaks_is_not_said_to_be_passed_by_a_hint(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = walk.step("one")

    def broken(lab: object) -> None:
        raise LabError("node1 is not reachable")

    def false(lab: object) -> None:
        raise CheckFailed("virtual_ip is on no node")

    with pytest.raises(LabError, match="step one cannot be checked to its end: node1 is not reachable"):
        walk.hint(type(step)(**{**vars(step), "verify": broken}))
    with pytest.raises(CheckFailed, match="step one cannot be checked to its end: virtual_ip is on no node"):
        walk.hint(type(step)(**{**vars(step), "verify": false}))


def test_steps_left_go_up_to_the_one_that_is_asked_for(walk: Walk) -> None:
    perform(walk, "one")

    assert [step.name for step in walk.left("two")] == ["two"]
    assert [step.name for step in walk.left()] == ["two", "three"]
    assert walk.current().name == "two"


def test_when_every_step_is_passed_nothing_is_current(walk: Walk) -> None:
    perform(walk, "one", "two", "three")

    with pytest.raises(NothingChecked, match="every step is passed"):
        walk.current()


def test_an_audience_is_told_of_everything_and_the_log_keeps_it(walk: Walk, audience: FakeAudience) -> None:
    report = walk.perform(walk.step("one"))

    assert [event.kind for event in audience.events] == ["step_begins", "checked", "step_ends"]
    assert [(begun.step.name, begun.doing) for begun in audience.told(StepBegins)] == [("one", "perform")]
    assert [checked.result.sentence for checked in audience.told(Checked)] == ["one is done"]
    assert [ended.report for ended in audience.told(StepEnds)] == [report]
    assert "[passed] one is done: done: ['one']" in report.log.read_text()


@pytest.mark.parametrize("end", [Killed, KeyboardInterrupt])
def test_a_step_that_was_interrupted_is_taken_back(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World, end: type[BaseException]
) -> None:
    def interrupt(name: str) -> None:
        world.done.append("half of two")
        raise end

    perform(walk, "one")
    world.before_perform = interrupt
    with pytest.raises(end):
        perform(walk, "two")
    assert outcomes(instance) == {"one": "passed", "two": "performing"}

    Walk(Instance.open(instance.name), audience)

    assert world.done == ["one"]
    assert outcomes(instance) == {"one": "passed"}
    assert audience.said[-1] == "Step two was interrupted; going back to one."


def test_the_first_step_is_taken_back_to_bare_nodes(instance: Instance, walk: Walk, world: World) -> None:
    kill_at(world, "one")
    with pytest.raises(Killed):
        perform(walk, "one")

    Walk(Instance.open(instance.name), FakeAudience())

    assert (world.done, outcomes(instance)) == ([], {})


def test_a_restore_that_was_killed_is_done_again(
    instance: Instance, walk: Walk, audience: FakeAudience, world: World
) -> None:
    perform(walk, "one", "two")
    kill_at(world, "restore")
    with pytest.raises(Killed):
        checkpoints.restore(instance, "one")
    assert Instance.open(instance.name).state.restoring == "one"

    Walk(Instance.open(instance.name), audience)

    assert world.done == ["one"]
    assert outcomes(instance) == {"one": "passed"}
    assert Instance.open(instance.name).state.restoring is None
    assert audience.said[-1] == "The reset to one was interrupted; doing it again."


def test_another_reset_takes_the_place_of_one_that_was_killed(instance: Instance, walk: Walk, world: World) -> None:
    perform(walk, "one", "two")
    kill_at(world, "restore")
    with pytest.raises(Killed):
        checkpoints.restore(instance, "one")

    checkpoints.restore(instance, "start")

    state = Instance.open(instance.name).state
    assert (world.done, state.steps, state.restoring) == ([], {}, None)


def test_a_step_that_was_killed_before_its_checkpoint_was_saved_is_not_passed(
    instance: Instance, walk: Walk, world: World
) -> None:
    kill_at(world, "save")
    with pytest.raises(Killed):
        perform(walk, "one")

    again = Walk(Instance.open(instance.name), FakeAudience())

    assert again.current().name == "one"
    assert perform(again, "one", "two") == [Outcome.PASSED, Outcome.PASSED]
    assert checkpoints.names(instance) == ["start", "one", "two"]


def test_up_that_was_killed_before_its_checkpoint_is_completed_by_up(world: World) -> None:
    made = instance_to_make(Selection(lab="tiny", provider="fake", distro="debian12"))
    kill_at(world, "save")
    with pytest.raises(Killed):
        bringup.up(made, NOBODY)
    half = Instance.open(made.name)
    with pytest.raises(LabError, match="instance tiny is only half up; try: inv up"):
        Walk(half, FakeAudience())

    bringup.up(half, NOBODY)

    assert checkpoints.names(half) == ["start"]


def test_an_instance_whose_nodes_are_gone_is_half_up(instance: Instance, world: World) -> None:
    world.power = {"node1": "on"}

    with pytest.raises(LabError, match="only half up; try: inv up"):
        Walk(instance, FakeAudience())


def test_nodes_left_frozen_by_a_save_that_was_killed_are_thawed(instance: Instance, world: World) -> None:
    world.power["node2"] = "frozen"

    Walk(instance, FakeAudience())

    assert world.power == {"node1": "on", "node2": "on"}


def test_down_leaves_no_process_and_no_file(instance: Instance, world: World) -> None:
    with instance.lock():
        instance.down()

    assert world.calls == ["down"]
    assert not instance.directory.exists()
    assert world.daemons == {}
