"""The workflows for GitHub, as actionlint judges them, and what the docs say that they show."""

import re
import subprocess
import sys
from pathlib import Path

from halab.kit.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONLINT = Path(sys.executable).with_name("actionlint")


def judge(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ACTIONLINT, *files], capture_output=True, text=True, check=False)


def test_actionlint_finds_no_fault_with_the_workflows() -> None:
    assert WORKFLOWS
    judged = judge(*WORKFLOWS)
    assert judged.returncode == 0, judged.stdout


def test_actionlint_finds_fault_with_a_wrong_one(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("matrix.distro }}", "matrix.distor }}", 1))

    judged = judge(wrong)

    assert judged.returncode == 1
    assert 'property "distor" is not defined' in judged.stdout


def test_each_job_that_the_docs_name_is_one_and_keeps_its_logs() -> None:
    text = WORKFLOWS[0].read_text()
    jobs = dict(re.findall(r"^  (\w+):\n    runs-on(.*?)(?=^  \w+:\n|\Z)", text, re.MULTILINE | re.DOTALL))
    rows = re.findall(r"^\| .* \| `?(\w+)`?.* \|$", (ROOT / "docs/vagrant.md").read_text(), re.MULTILINE)

    named = {name for name in rows[rows.index("the") + 1 :] if name != "none"} - {"the"}

    assert named == {"containers", "machines"}
    assert named < jobs.keys()
    for steps in jobs.values():
        collected = steps.index(".github/collect-logs\n        if: always()")
        assert "path: logs.tar.gz" in steps[collected:]
