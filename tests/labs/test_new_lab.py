"""The lab that `inv new-lab` makes, from which authors start: it works unchanged, and its checks are proven."""

from pathlib import Path

import pytest

from halab.authoring.new import new_lab
from halab.cli import selection
from halab.cli.proof_commands import prove
from halab.kit.paths import ROOT
from halab.spec import labs
from tests.labs.conftest import SESSION


@pytest.mark.timeout(1800)  # the first lab makes the image, and walks through the lab that comes before
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # BMCs live on
def test_the_lab_that_authors_start_from_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ha-web").symlink_to(ROOT / "labs" / "ha-web")
    monkeypatch.setattr(labs, "LABS", tmp_path)
    monkeypatch.setattr(selection, "_of_this_command_line", None)
    new_lab("rolling")
    selection.select("rolling", f"t{SESSION}-rolling", "podman", "debian12", None)

    prove("rolling", json=False)

    told = capsys.readouterr().out
    assert "banned: virtual_ip is started on node2: passed, as it should be" in told
    assert "another one in standby: every node is online, and none in standby: failed, as it should be" in told
