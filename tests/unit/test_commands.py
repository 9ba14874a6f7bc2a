"""The command line on a fake instance: exit statuses, what is said, and what --json says."""

import json
import subprocess
from pathlib import Path

import pytest

from halab.cli import commands
from halab.instance.instance import Instance, instances_dir
from halab.instance.power_on_due import PowerOnDue
from halab.instance.state import locked
from halab.kit import typed
from halab.kit.errors import Exit
from halab.providers import CRASHED, REBOOTS, SWITCHED_OFF, host
from halab.spec.distros import Distro
from halab.spec.models import mac
from tests.fakes import World, write_sequel
from tests.inv import Inv

FIXTURES = Path(__file__).parent.parent / "fixtures" / "crm_mon"
TYPED = '''\
"""Type [this]

And [that].
"""

from tests.fakes import done


def perform(lab):
    lab.nodes[1].type("passwd [hacluster]", answers={"New password: ": "[secret]"})


def verify(lab):
    lab.check("it is [done]", done("typed"))
'''
NODE1_ARP = "Unicast reply from 10.1.0.100 [{mac}]  0.6ms"


@pytest.fixture
def inv(chosen: Inv) -> Inv:
    return chosen


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["walk"],
        ["next"],
        ["step", "one"],
        ["check"],
        ["hint"],
        ["solve"],
        ["save", "mine"],
        ["reset"],
        ["checkpoints"],
        ["ssh", "node1"],
        ["bmc", "node1", "status"],
    ],
)
def test_commands_on_an_instance_that_is_not_up_end_with_3_and_say_what_to_do(inv: Inv, arguments: list[str]) -> None:
    code = inv(*arguments)

    assert code == Exit.LAB_BROKEN
    assert inv.err == "halab: instance tiny is not up; try: inv up\n"


def test_an_unknown_lab_ends_with_3_and_the_nearest_name(inv: Inv) -> None:
    code = inv("lab", "--name", "tinny")

    assert code == Exit.LAB_BROKEN
    assert inv.err == 'halab: there is no lab "tinny", did you mean "tiny"?\n'


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["step", "tow"], 'has no step "tow", did you mean "two"?'),
        (["walk", "--to", "tow"], 'has no step "tow", did you mean "two"?'),
        (["show", "--step", "tow"], 'has no step "tow", did you mean "two"?'),
        (["reset", "--to", "strat"], 'no checkpoint "strat", did you mean "start"?'),
        (["bmc", "nod1", "status"], 'no node "nod1", did you mean "node1"?'),
        (["ssh", "nod1"], 'no node "nod1", did you mean "node1"?'),
        (["save", "one"], '"one" cannot name a checkpoint'),
        (["save", "start"], '"start" cannot name a checkpoint'),
        (["save", "grading"], '"grading" cannot name a checkpoint'),
        (["save", "../mine"], '"../mine" cannot name a checkpoint'),
        (["step", "two"], "step two comes after one, which is not passed"),
    ],
)
def test_what_does_not_exist_ends_with_3_and_the_nearest_name(up: Inv, arguments: list[str], reason: str) -> None:
    code = up(*arguments)

    assert code == Exit.LAB_BROKEN
    assert reason in up.err


@pytest.mark.parametrize("arguments", [["walk"], ["up"], ["down"], ["reset"], ["save", "mine"], ["check"], ["hint"]])
def test_a_locked_instance_ends_with_4_and_the_owner(up: Inv, arguments: list[str]) -> None:
    with locked(instances_dir() / "tiny"):
        code = up(*arguments)

    assert code == Exit.LOCKED
    assert "halab: instance tiny is being changed by `inv" in up.err


def test_status_and_show_need_no_lock(up: Inv) -> None:
    with locked(instances_dir() / "tiny"):
        codes = [up("status"), up("show"), up("checkpoints"), up("lab")]

    assert codes == [Exit.GOOD] * 4


def test_a_walk_performs_every_step(up: Inv, world: World) -> None:
    code = up("walk")

    assert code == Exit.GOOD
    assert world.done == ["one", "two", "three"]
    assert "Step three is passed: 1 checks" in up.out


def test_a_walk_may_end_at_a_step(up: Inv, world: World) -> None:
    code = up("walk", "--to", "two")

    assert code == Exit.GOOD
    assert world.done == ["one", "two"]


@pytest.mark.parametrize("arguments", [["walk"], ["walk", "--to", "one"], ["next"], ["check"], ["hint"]])
def test_when_all_is_passed_there_is_nothing_to_do_and_the_end_is_2(up: Inv, arguments: list[str]) -> None:
    up("walk")

    code = up(*arguments)

    assert code == Exit.NOTHING_CHECKED
    assert "every step is passed" in up.err


def test_a_failed_check_ends_with_1_and_the_path_of_the_log(up: Inv) -> None:
    code = up("check")

    log = instances_dir() / "tiny" / "logs" / "one.log"
    assert code == Exit.CHECK_FAILED
    assert f"step one is not passed; everything it printed is in {log}" in up.err
    assert log.exists()
    assert "FAIL one is done\n       expected: one is among what is done\n       seen:     done: []" in up.out


def test_a_check_that_cannot_be_told_ends_with_2(up: Inv, world: World) -> None:
    world.looks_broken = True

    code = up("check")

    assert code == Exit.NOTHING_CHECKED
    assert "step one could not be checked" in up.err
    assert "ERROR one is done" in up.out


def test_next_and_solve_perform_one_step(up: Inv, world: World) -> None:
    codes = [up("next"), up("solve")]

    assert codes == [Exit.GOOD, Exit.GOOD]
    assert world.done == ["one", "two"]


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(up: Inv, world: World) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    world.before_perform = interrupt

    code = up("walk", "--to", "two")

    assert code == Exit.INTERRUPTED
    assert "halab: interrupted" in up.err
    assert up.err.rstrip().endswith("inv walk --to two")
    world.before_perform = lambda name: None
    assert up("walk", "--to", "two") == Exit.GOOD


def test_what_is_to_be_typed_again_is_what_a_person_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["invoke", "--search-root", "/a/checkout", "walk", "--to", "a b"])

    assert typed.command_line() == "inv walk --to 'a b'"


@pytest.mark.parametrize("arguments", [["walk", "--to", "tow"], ["step", "tow"], ["check", "--step", "tow"]])
def test_a_step_that_there_is_not_is_refused_before_anything_is_finished(
    up: Inv, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def settle(*given: object) -> None:
        raise AssertionError("this may take minutes")

    monkeypatch.setattr("halab.walk.bringup.settle", settle)

    assert up(*arguments) == Exit.LAB_BROKEN

    assert 'has no step "tow", did you mean "two"?' in up.err


def test_an_error_that_nobody_foresaw_is_no_traceback(up: Inv, world: World) -> None:
    def break_down(name: str) -> None:
        raise ZeroDivisionError("oops")

    world.before_perform = break_down

    code = up("walk")

    assert code == Exit.LAB_BROKEN
    assert up.err.startswith("halab: ")
    assert "oops" in up.err
    assert "Traceback" not in up.err


def test_a_walk_goes_on_through_steps_whose_results_were_taken_along(up: Inv, world: World) -> None:
    up("walk", "--to", "two")
    world.done.remove("one")
    assert up("check", "--step", "one") == Exit.CHECK_FAILED

    code = up("walk")

    assert code == Exit.GOOD
    assert world.done == ["one", "two", "three"]


def test_a_reset_goes_back_and_verifies(up: Inv, world: World) -> None:
    up("walk")

    code = up("reset", "--to", "one")

    assert code == Exit.GOOD
    assert world.done == ["one"]
    assert "Every node is back at one." in up.out
    assert "Checking one" in up.out


def test_a_reset_goes_to_the_last_step_that_is_passed_by_default(up: Inv, world: World) -> None:
    up("walk", "--to", "two")
    world.done.append("a mistake")

    code = up("reset")

    assert code == Exit.GOOD
    assert world.done == ["one", "two"]


def test_a_reset_to_what_does_not_verify_any_more_ends_with_1(up: Inv, world: World) -> None:
    up("walk", "--to", "one")
    world.saved = {key: [] for key in world.saved}

    code = up("reset", "--to", "one")

    assert code == Exit.CHECK_FAILED


def test_a_checkpoint_of_ones_own_can_be_gone_back_to(up: Inv, world: World) -> None:
    world.done.append("an idea")
    codes = [up("save", "mine"), up("reset", "--to", "start"), up("reset", "--to", "mine")]

    assert codes == [Exit.GOOD] * 3
    assert world.done == ["an idea"]


def test_down_removes_the_instance_and_down_again_has_nothing_to_do(up: Inv) -> None:
    codes = [up("down"), up("down")]

    assert codes == [Exit.GOOD, Exit.GOOD]
    assert "Instance tiny is not there: nothing to remove." in up.out
    assert not (instances_dir() / "tiny").exists()


def test_down_removes_an_instance_whose_state_is_spoilt(up: Inv) -> None:
    (instances_dir() / "tiny" / "state.json").write_text("{")
    assert up("status") == Exit.LAB_BROKEN
    assert "try: inv down" in up.err

    code = up("down")

    assert code == Exit.GOOD
    assert not (instances_dir() / "tiny").exists()


def test_the_next_step_is_shown_by_default(up: Inv) -> None:
    up("next")

    code = up("show")

    assert code == Exit.GOOD
    assert "two: Do two\n\nWhat two is good for.\n" in up.out


def test_a_hint_is_said(up: Inv) -> None:
    code = up("hint")

    assert code == Exit.GOOD
    assert "one is done:\n  1. look\n" in up.out


def test_the_bmc_answers_through_ipmitool(up: Inv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "ipmitool"
    tool.write_text('#!/bin/sh\necho "$*"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    code = up("bmc", "node2", "off")

    assert code == Exit.GOOD
    assert up.out == "-I lanplus -H 10.2.0.111 -U admin -P fence-me power off\n"


def test_a_bmc_that_does_not_answer_ends_with_3(up: Inv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "ipmitool"
    tool.write_text("#!/bin/sh\necho 'Unable to establish session' >&2; exit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    code = up("bmc", "node2", "off")

    assert code == Exit.LAB_BROKEN
    assert "the BMC of node2 refused, or does not run: Unable to establish session" in up.err


def test_json_of_the_selection(inv: Inv) -> None:
    chosen = inv.json("lab")

    assert chosen == {
        "lab": "tiny",
        "instance": "tiny",
        "provider": "fake",
        "distro": "debian12",
        "nodes": None,
        "up": False,
    }


def test_json_of_a_walk_has_every_step_and_check(up: Inv) -> None:
    steps = up.json("walk")

    assert [(step["step"], step["outcome"]) for step in steps] == [
        ("one", "passed"),
        ("two", "passed"),
        ("three", "passed"),
    ]
    assert steps[0]["checks"][0]["sentence"] == "one is done"
    assert steps[0]["checks"][0]["outcome"] == "passed"
    assert steps[0]["log"].endswith("one.log")


def test_json_of_a_failed_check_has_what_was_expected_and_seen(up: Inv) -> None:
    code = up("check", "--json")

    (step,) = json.loads(up.out)
    assert code == Exit.CHECK_FAILED
    assert step["outcome"] == "failed"
    assert step["checks"][0]["expected"] == "one is among what is done"
    assert step["checks"][0]["seen"] == "done: []"
    assert step["checks"][0]["hints"] == ["look", "look again"]


def test_json_of_a_reset_has_the_verified_step(up: Inv) -> None:
    up("walk")

    steps = up.json("reset", "--to", "two")

    assert [(step["step"], step["outcome"]) for step in steps] == [("two", "passed")]


def test_json_of_a_reset_to_start_has_no_steps(up: Inv) -> None:
    assert up.json("reset", "--to", "start") == []


def test_json_of_checkpoints_and_table_have_the_same_names(up: Inv) -> None:
    up("walk")

    points = up.json("checkpoints")
    up("checkpoints")

    assert [point["name"] for point in points] == ["start", "one", "two", "three"]
    assert [line.split()[-1] for line in up.out.splitlines()] == ["start", "one", "two", "three"]


def test_json_of_labs_has_names_titles_and_steps(inv: Inv) -> None:
    found = inv.json("labs")
    inv("labs")

    assert found[1] == {
        "name": "tiny",
        "title": "A lab to test with",
        "continues": None,
        "steps": ["one", "two", "three"],
        "obstacle": None,
    }
    assert "tiny: A lab to test with (one, two, three)" in inv.out


def test_a_lab_that_cannot_run_here_is_listed_with_the_reason(
    inv: Inv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "no_machines_because", lambda: "this host has no KVM")
    write_sequel(tmp_path / "labs", needs='[needs]\nproviders = ["vagrant"]\n')

    (found,) = [lab for lab in inv.json("labs") if lab["name"] == "sequel"]
    inv("labs")

    assert found["continues"] == "tiny"
    assert found["obstacle"] == "it is for virtual machines, and this host has no KVM"
    assert f"cannot run here: {found['obstacle']}" in inv.out


def test_json_of_a_step_and_what_is_shown_have_the_same_commands_and_checks(inv: Inv, tmp_path: Path) -> None:
    (tmp_path / "labs" / "tiny" / "40_typed.py").write_text(TYPED)

    shown = inv.json("show", "--step", "typed")
    inv("show", "--step", "typed")

    assert (shown["step"], shown["title"], shown["prose"]) == ("typed", "Type [this]", "And [that].")
    assert [(entry["kind"], entry["where"], entry["text"]) for entry in shown["entries"]] == [
        ("command", "node2", "passwd [hacluster]"),
        ("check", "", "it is [done]"),
    ]
    assert shown["entries"][0]["answers"] == ["[secret]"]
    for text in ("typed: Type [this]", "And [that].", "On node2:", "passwd [hacluster]", "[secret]", "it is [done]"):
        assert text in inv.out


def test_a_healthy_host_has_no_problems(inv: Inv) -> None:
    assert inv.json("doctor") == {"problems": [], "not_limited": []}


def test_a_doctor_tells_what_this_host_cannot_limit_which_is_no_problem(inv: Inv, world: World) -> None:
    world.not_limited = ["the disk of a node cannot be limited on this host"]

    data, code = inv.json("doctor"), inv("doctor")

    assert code == Exit.GOOD
    assert data["not_limited"] == world.not_limited
    assert world.not_limited[0] in inv.out


def test_a_doctor_who_finds_problems_ends_with_3(inv: Inv, world: World) -> None:
    world.problems = ["this host has 1 MiB of free memory"]

    code = inv("doctor", "--json")

    assert code == Exit.LAB_BROKEN
    assert json.loads(inv.out)["problems"] == ["this host has 1 MiB of free memory"]


def test_a_doctor_is_asked_about_a_distro_that_is_not_selected(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def obstacles(distro: Distro, provider: str) -> list[str]:
        asked.append((distro.name, provider))
        return ["rocky10 cannot be made"] if distro.name == "rocky10" else []

    monkeypatch.setattr("halab.cli.commands.foreseen.obstacles", obstacles)

    code = inv("doctor", "--distro", "rocky10")
    told, selected = inv.out, inv("doctor")

    assert code == Exit.LAB_BROKEN
    assert "rocky10 cannot be made" in told
    assert selected == Exit.GOOD
    assert asked == [("rocky10", "fake"), ("debian12", "fake")]


def test_a_doctor_does_not_know_a_distro_that_there_is_not(inv: Inv) -> None:
    assert inv("doctor", "--distro", "rocky99") == Exit.LAB_BROKEN
    assert 'distro "rocky99" does not exist' in inv.err


def test_up_on_a_host_with_problems_ends_with_3(inv: Inv, world: World) -> None:
    world.problems = ["this host has 1 MiB of free memory"]

    code = inv("up")

    assert code == Exit.LAB_BROKEN
    assert "this host has 1 MiB of free memory" in inv.err


def test_status_without_a_cluster_says_why_in_both_forms(up: Inv) -> None:
    found = up.json("status")
    up("status")

    assert found["cluster"] is None
    assert "Connection refused" in found["reason"]
    assert f"No cluster: {found['reason']}" in up.out


def test_json_of_status_has_everything_the_table_shows(up: Inv, world: World) -> None:
    world.crm_mon = (FIXTURES / "failed-blocked.xml").read_text()
    up("walk", "--to", "one")

    found = up.json("status")
    up("status")

    for node in found["nodes"]:
        assert {node["name"], node["lan"], node["power"], node["bmc"], node["member"]} <= {*cells(up.out)}
    for step in found["steps"]:
        assert {step["name"], step["title"]} <= {*cells(up.out)}
    for item in found["resources"]:
        assert {item["id"], item["agent"], item["role"], ", ".join(item["nodes"])} <= {*cells(up.out)}
    assert found["steps"][0]["outcome"] == "passed"
    assert found["cluster"] == {"quorate": True, "dc": "node2", "fencing": False}
    assert "Quorum: yes. Fencing: OFF." in up.out


def test_status_tells_who_answers_for_the_vip(up: Inv, world: World) -> None:
    world.crm_mon = (FIXTURES / "started.xml").read_text()
    node1 = Instance.open("tiny").spec.nodes[0]
    world.arp = NODE1_ARP.format(mac=mac(node1.lan.packed).upper())

    found = up.json("status")
    up("status")

    assert found["vip"] == {"address": "10.1.0.100", "owners": ["node1"]}
    assert "VIP 10.1.0.100 answers from: node1." in up.out


def test_status_says_when_no_resource_has_the_vip(up: Inv, world: World) -> None:
    world.crm_mon = (FIXTURES / "started.xml").read_text()
    up("status")
    with_it = up.out
    world.answers["cibadmin"] = "<resources/>"

    up("status")

    assert "No resource has the VIP's address, 10.1.0.100." in up.out
    assert "No resource has" not in with_it


def test_status_shows_the_role_of_a_clone_on_each_node(up: Inv, world: World) -> None:
    world.crm_mon = (FIXTURES / "promotable.xml").read_text()

    found = up.json("status")
    up("status")

    clone = next(item for item in found["resources"] if item["id"] == "state")
    assert clone["roles"] == {"node1": "Promoted", "node2": "Unpromoted"}
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in up.out.splitlines() if "state" in line]
    assert [row[-2:] for row in rows] == [["Promoted", "node1"], ["Unpromoted", "node2"]]


@pytest.mark.parametrize(
    ("captured", "member"),
    [
        ("standby", "standby"),
        ("offline", "offline"),
        ("unclean", "unclean"),
        ("pending", "pending"),
        ("node-maintenance", "maintenance"),
        ("started", "online"),
    ],
)
def test_status_tells_what_kind_of_member_a_node_is(up: Inv, world: World, captured: str, member: str) -> None:
    world.crm_mon = (FIXTURES / f"{captured}.xml").read_text()

    found = up.json("status")

    assert [node["member"] for node in found["nodes"]] == ["online", member]


def test_status_tells_which_limits_a_node_has_met(up: Inv, world: World) -> None:
    world.limits_met = {"node2": ["memory", "disk"]}

    data, _ = up.json("status"), up("status")

    assert [node["limits_met"] for node in data["nodes"]] == [[], ["memory", "disk"]]
    assert "node2 had no memory left of its 1536 MiB" in up.out
    assert "node2 has no room left on its disk of 4 GiB" in up.out


def test_status_shows_a_node_without_power_and_a_dead_bmc(up: Inv, world: World) -> None:
    world.power["node1"] = "off"
    world.end_daemons(f"{instances_dir()}/tiny/bmc/node2")

    nodes = up.json("status")["nodes"]

    assert [(node["power"], node["bmc"]) for node in nodes] == [("off", "10.2.0.110"), ("on", "dead")]


def test_agents_are_no_emoji_and_a_pipe_gets_neither_colours_nor_shortened_text(up: Inv, world: World) -> None:
    long = "a_resource_with_a_name_as_long_as_people_make_them_when_nobody_stops_them"
    world.crm_mon = (FIXTURES / "started.xml").read_text().replace("virtual_ip", long)

    up("status")

    assert {"ocf:heartbeat:IPaddr2", long} <= {*cells(up.out)}
    assert "\x1b" not in up.out + up.err


def test_a_walk_in_a_pipe_has_no_colours(up: Inv) -> None:
    up("walk")

    assert "\x1b" not in up.out + up.err


def cells(table: str) -> list[str]:
    """Return the texts in the boxes of all tables."""
    return [cell.strip() for line in table.splitlines() for cell in line.split("│")]


def test_a_doctor_tells_of_a_bmc_that_does_not_run(up: Inv, world: World) -> None:
    healthy = up("doctor")
    world.end_daemons("")
    world.daemons.clear()

    code = up("doctor")

    assert healthy == Exit.GOOD
    assert code == Exit.LAB_BROKEN
    assert "the BMC of node1 does not run; `inv up` starts it again" in up.out


@pytest.mark.parametrize("where", ["node1", "workstation"])
def test_a_shell_is_told_of_a_terminal_that_is_known_where_it_runs(
    up: Inv, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shells: list[list[str]] = []
    monkeypatch.setattr(commands.shell, "run", lambda instance, node, argv, *rest: shells.append(argv))
    monkeypatch.setenv("TERM", "no-such-terminal")

    up("ssh", where)

    (argv,) = shells
    told = subprocess.run([*argv, "-c", "echo $TERM"], capture_output=True, text=True, check=True)
    assert told.stdout == "xterm-256color\n"


@pytest.mark.parametrize(
    ("how", "dead", "sentence"),
    [
        (SWITCHED_OFF, False, "node2 is off because its own system has switched it off"),
        (REBOOTS, False, "node2 reboots: its firmware starts the system within seconds."),
        (REBOOTS, True, "node2 reboots: its BMC, which would start the system, is dead; try: inv up."),
        (CRASHED, False, "node2's system has crashed: its firmware starts the system within seconds."),
    ],
)
def test_status_says_how_a_node_that_is_off_has_ended(
    up: Inv, world: World, how: str, dead: bool, sentence: str
) -> None:
    world.power["node2"], world.ended["node2"] = "off", how
    if dead:
        world.end_daemons(f"{Instance.open('tiny').directory}/bmc/node2")

    data, _ = up.json("status"), up("status")

    assert sentence in up.out
    assert [node["ended"] for node in data["nodes"]] == [None, how]


def test_status_says_that_the_firmware_of_a_node_runs(up: Inv, world: World) -> None:
    world.power["node2"] = "off"
    PowerOnDue(Instance.open("tiny").bmc_log("node2")).accept(5)

    up("status")

    assert "node2 has power: its firmware starts the system within seconds." in up.out
