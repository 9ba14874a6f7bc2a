"""An exam from its beginning to its end. Each test goes on from where the last one left off."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halab.instance import by_hand
from halab.kit.wait import wait
from tests.cli import Cli

pytestmark = pytest.mark.timeout(1800)  # grading an unmended cluster waits for everything
SEED = "3"


@pytest.fixture(scope="module")
def cli(instances: Callable[..., Cli]) -> Cli:
    return instances("sat", "exam-repair")


def outcomes(grade: dict[str, Any]) -> dict[str, str]:
    return {check["sentence"]: check["outcome"] for check in grade["checks"]}


def files_of_nodes(cli: Cli) -> str:
    """Return name, time and size of the files that configure the cluster."""
    instance = cli.instance()
    look = ["sh", "-c", "stat -c '%n %Y %s' /etc/corosync/* /etc/nginx/* /etc/firewalld/*; cat /var/log/halab-seen"]
    return "".join(instance.provider.run(node.name, look).stdout for node in instance.spec.nodes)


def test_an_exam_begins_with_what_its_seed_draws(cli: Cli) -> None:
    text = cli("start", "exam-repair", "--instance", cli.name, "--seed", SEED, timeout=1800)

    sitting = cli.instance().state.sitting
    assert "Bring it back to what it was" in text
    assert sitting
    assert (sitting.seed, len(sitting.drawn["causes"])) == (SEED, 5)
    assert sitting.began


def test_a_shell_of_an_exam_is_recorded_and_says_so(cli: Cli) -> None:
    script = "echo typed $((20 + 3)) times\n"

    done = subprocess.run(cli.argv("ssh", "node1"), input=script, capture_output=True, text=True, check=True)

    recordings = [file.read_text() for file in (cli.instance().directory / "recordings").glob("*-node1.cast")]
    assert "typed 23 times" in done.stdout
    assert "recorded" in done.stderr
    assert any("typed 23 times" in recording for recording in recordings)


def test_grading_puts_the_work_back_and_says_what_it_ends(cli: Cli) -> None:
    instance = cli.instance()
    for node in instance.spec.nodes:
        instance.provider.run(node.name, ["sh", "-c", "echo my work > /var/log/halab-seen"])
    before, kept = files_of_nodes(cli), cli.json("checkpoints")

    with subprocess.Popen(cli.argv("ssh", "node1"), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shell:
        wait(lambda: by_hand.open_shells(instance), lambda nodes: nodes == ["node1"], within=20, successes=1)
        grade = cli.json("grade", expect=1, timeout=900)
        ended = shell.communicate()[1]

    assert "node1 was switched off by `inv lab --instance" in ended
    last = sorted((instance.directory / "recordings").glob("*-node1*.cast"))[-1]
    assert "this shell ended with it." in json.loads(last.read_text().splitlines()[-1])[2]
    assert set(outcomes(grade).values()) == {"failed"}
    assert (grade["points"], grade["verdict"]) == (0, "failed")
    assert files_of_nodes(cli) == before
    assert before.count("my work") == 2
    assert cli.json("checkpoints") == kept


def test_a_broken_lab_is_not_graded_and_counts_as_nothing(cli: Cli) -> None:
    cli("bmc", "node2", "off")

    said = cli("grade", expect=3)

    assert "not graded: node2 is off" in said
    assert cli.instance().state.sitting.attempts == 1  # type: ignore[union-attr]
    cli("bmc", "node2", "on")
    cli("reset", "--to", "start")


def test_an_attempt_has_reports_and_pictures_of_what_was_broken(cli: Cli, tmp_path: Path) -> None:
    attempt = cli.instance().directory / "attempts" / "1"

    cli("marks", "exam-repair", "--csv", str(tmp_path / "class.csv"))

    assert {"grade.json", "junit.xml", "report.html", "results.json"} <= {file.name for file in attempt.iterdir()}
    assert [file.suffix for file in attempt.iterdir()].count(".cast") == 2
    assert json.loads((attempt / "results.json").read_text())["score"] == 0
    assert cli.name in (tmp_path / "class.csv").read_text()


def test_what_is_handed_in_gets_the_same_grade_and_is_not_graded_again(cli: Cli, tmp_path: Path) -> None:
    key = tmp_path / "key"
    cli("make-key", str(key))
    attempts = cli.instance().directory / "attempts"

    handed_in = cli.json("finish", "--sign", str(key), expect=1, timeout=900)

    assert outcomes(handed_in) == outcomes(json.loads((attempts / "1" / "grade.json").read_text()))
    cli("verify-report", str(attempts / "2"), "--key", f"{key}.pub")
    assert "was handed in" in cli("grade", expect=3)
