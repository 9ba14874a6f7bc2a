"""A command line as a whole: one JSON document, and what is refused before its first command is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from halab.instance.instance import instances_dir
from halab.kit.errors import Exit
from halab.kit.paths import ROOT
from tests.fakes import World
from tests.inv import Inv

LONG = "x" * 300


@pytest.fixture
def inv(chosen: Inv) -> Inv:
    return chosen


@pytest.mark.parametrize(
    "chain",
    [
        ["lab", "--instance", "tiny", "status", "--json"],
        ["up", "walk", "--json"],
        ["walk", "--to", "one", "status", "--json"],
        ["lab", "--json", "walk", "--json", "status", "--json"],
        ["status", "--json", "save", "mine"],
    ],
)
def test_standard_output_has_one_document_whatever_is_chained(up: Inv, chain: list[str]) -> None:
    assert up(*chain) == Exit.GOOD

    assert json.loads(up.out)


def test_the_document_is_that_of_the_last_command_which_has_json(up: Inv) -> None:
    up("status", "--json", "checkpoints", "--json")

    assert [point["name"] for point in json.loads(up.out)] == ["start"]
    assert "tiny: lab tiny on fake" in up.err


@pytest.mark.parametrize(
    ("chain", "status", "reason"),
    [
        (["status", "--json"], Exit.LAB_BROKEN, "instance tiny is not up; try: inv up"),
        (["lab", "--json", "bmc", "node1", "status"], Exit.GOOD, None),
        (["lab", "--nodes", "0", "status", "--json"], Exit.LAB_BROKEN, "--nodes must be a whole number from 1 to 16"),
        (["status", "--json", "--nope"], Exit.LAB_BROKEN, 'inv status has no option "--nope"'),
    ],
)
def test_a_command_that_has_no_document_prints_the_reason_as_one(
    inv: Inv, chain: list[str], status: Exit, reason: str | None
) -> None:
    code = inv(*chain)

    told = json.loads(inv.out)
    assert told.get("exit_status", code) == code
    if reason:
        assert code == status
        assert told["error"].startswith(reason)
        assert f"halab: {told['error']}" in inv.err


def test_a_program_that_is_run_prints_nothing_beside_the_document(tmp_path: Path) -> None:
    script = (
        "import subprocess\n"
        "from halab.cli import chain, terminal\n"
        "with chain._one_document():\n"
        "    print('said')\n"
        "    subprocess.run(['echo', 'by a program'])\n"
        "    terminal.dump([1])\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert json.loads(done.stdout) == [1]
    assert sorted(done.stderr.split("\n")) == ["", "by a program", "said"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["lab", "--nodes", "two"], '--nodes must be a whole number from 1 to 16, not "two"'),
        (["lab", "--nodes", "0"], "--nodes must be a whole number"),
        (["lab", "--nodes", "-1"], "--nodes must be a whole number"),
        (["lab", "--nodes", "1e9"], "--nodes must be a whole number"),
        (["lab", "--nodes", "٣"], "--nodes must be a whole number"),
        (["lab", "--nodes", "50000000"], "--nodes must be a whole number"),
        (["lab", "--instance", ""], "inv lab: --instance is empty"),
        (["lab", "--name", ""], "inv lab: --name is empty"),
        (["lab", "--name", LONG], 'there is no lab "xxx'),
        (["lab", "--name", "../labs/tiny"], 'there is no lab "../labs/tiny"'),
        (["lab", "--instance", LONG], "is no name for an instance"),
        (["lab", "--instance", "a/b"], '"a/b" is no name for an instance'),
        (["lab", "--instance", "-a"], '"-a" is no name for an instance'),
        (["lab", "--instance", "a\nb"], '"a\u2424b" is no name for an instance'),
        (["lab", "--instance", "ä"], "is no name for an instance"),
        (["lab", "--instance", "\udcff"], "is no name for an instance"),
        (["lab", "--provider", LONG], "there is no provider"),
        (["lab", "--distro", LONG], "does not exist"),
        (["start", "tiny", "--seed", LONG], "--seed must be a line of at most 100 characters"),
        (["start", "tiny", "--seed", "a\nb"], "--seed must be a line"),
        (["start", "tiny", "--instance", "A"], "is no name for an instance"),
        (["fault", "nonsense"], 'there is no fault "nonsense"'),
        (["fault", "link-down", "--network", "typo"], '--network must be lan or mgmt, or lan,mgmt, not "typo"'),
        (["fault", "packet-loss", "--percent", "²"], "--percent must be a whole number from 1 to 100"),
        (["fault", "packet-loss", "--percent", "nan"], "--percent must be a whole number"),
        (["fault", "delay", "--ms", "inf"], "--ms must be a whole number"),
        (["fault", "delay", "--ms", "1000000000"], "--ms must be a whole number"),
        (["fault", "delay", "--ms=-5"], "--ms must be a whole number"),
        (["fault", "power-cut", "--network", "lan"], "power-cut does not take --network"),
        (["fault", "partition", "--node", "node1"], "partition is about all nodes"),
        (["measure", "nonsense"], 'there is no fault "nonsense"'),
        (["measure", "power-cut", "--repeat", "x"], "--repeat must be a whole number from 1 to 100"),
        (["measure", "power-cut", "--repeat", "0"], "--repeat must be a whole number"),
        (["measure", "power-cut", "--repeat", "1000000"], "--repeat must be a whole number"),
        (["measure", "power-cut", "--repeat", "5", "--below", "x"], "--below must be a number of seconds, such as 5"),
        (["measure", "power-cut", "--repeat", "5", "--below", "nan"], "--below must be a number of seconds"),
        (["measure", "power-cut", "--repeat", "5", "--below", "0"], "--below must be a number of seconds"),
        (["measure", "power-cut", "--below", "5"], "say with --repeat how many there are at most"),
        (["measure", "power-cut", "--writes", "counter"], "--writes must be the path of a folder"),
        (["measure", "power-cut", "--writes", "/$(reboot)/"], "--writes must be the path of a folder"),
        (["heal", "--fault", "nonsense"], 'there is no fault "nonsense"'),
        (["save", LONG], "cannot name a checkpoint"),
        (["save", "../mine"], '"../mine" cannot name a checkpoint'),
        (["bmc", "node1", "explode"], 'a BMC cannot do "explode"'),
        (["report", "--attempt", "last"], "--attempt must be a whole number"),
        (["report", "--attempt", "-1"], "--attempt must be a whole number"),
        (["new-lab", LONG], "is no name: at most 40"),
        (["new-step", "a/b"], '"a/b" is no name'),
        (["grade", "--sign", "/nonexistent"], '--sign: "/nonexistent" is not there'),
        (["finish", "--sign", "/usr"], '--sign: "/usr" is no file'),
        (["grade", "--sign", f"/{LONG}"], "File name too long"),
        (["make-key", "/dev/null/key"], 'FILE: "/dev/null" is no directory'),
        (["make-key", "/usr"], 'FILE: "/usr" is no file'),
        (["marks", "tiny", "--csv", "/usr"], '--csv: "/usr" is no file'),
        (["export", "tiny", "--for-learner", "/dev/null"], '--for-learner: "/dev/null" is no directory'),
        (["export", "tiny", "--for-learner", "/dev/null/x"], '--for-learner: "/dev/null" is no directory'),
        (["export", "tiny", "--for-learner", "/usr", "--learners", "a,B"], '"B" is no name for an instance'),
        (["verify-report", "/dev/null", "--key", "/dev/null"], 'DIRECTORY: "/dev/null" is no directory'),
        (["verify-report", "/usr", "--key", "/nonexistent"], '--key: "/nonexistent" is not there'),
        (["status", "--", "ls"], "words after -- are for ssh and class ssh and class do only"),
        (["statsu"], 'there is no command "statsu", did you mean "status"?'),
        (["walk", "--too", "one"], 'inv walk has no option "--too", did you mean "--to"?'),
        (["lab", "--nodes"], "inv lab: --nodes needs a value"),
        (["step"], "inv step needs NAME"),
        (["ssh", "node1", "ls"], "words for the node come after --"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_before_anything_is_done(
    inv: Inv, world: World, arguments: list[str], reason: str
) -> None:
    code = inv("up", *arguments)

    assert code == Exit.LAB_BROKEN
    assert reason in inv.err
    assert (inv.err.startswith("halab: "), inv.err.count("\n")) == (True, 1)
    assert len(inv.err) < 600
    assert not (instances_dir() / "tiny").exists()


@pytest.mark.parametrize("arguments", [["fault", "freeze", "--node", "node9"], ["measure", "freeze", "--node", ""]])
def test_a_node_that_there_is_not_is_refused_before_anything_is_waited_for(up: Inv, arguments: list[str]) -> None:
    assert up(*arguments) == Exit.LAB_BROKEN

    assert "node" in up.err
    assert up("heal") == Exit.NOTHING_CHECKED


def test_a_command_may_be_given_twice(up: Inv, world: World) -> None:
    assert up("next", "next") == Exit.GOOD

    assert world.done == ["one", "two"]


def test_invoke_itself_runs_commands_as_a_chain(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "lab", "--name", "ha-web", "lab", "--json"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}

    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)

    assert json.loads(done.stdout)["lab"] == "ha-web"
