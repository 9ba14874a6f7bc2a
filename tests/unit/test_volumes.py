"""What containers are shown of the host, on hosts with SELinux and without."""

from pathlib import Path

import pytest

from halab.providers import volumes
from halab.providers.podman import journals


@pytest.fixture(params=[True, False], ids=["SELinux", "no SELinux"])
def label(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a volume's options end with on this host."""
    file = tmp_path / "enforce"
    if request.param:
        file.write_text("1")
    monkeypatch.setattr(volumes, "SELINUX", file)
    return "z" if request.param else ""


def test_a_volume_is_labelled_for_containers_where_selinux_is(label: str) -> None:
    shown = volumes.volume(Path("/pool"), "/srv/pool", read_only=True)
    written = volumes.volume(Path("/pool"), "/srv/pool")

    assert shown == ("--volume=/pool:/srv/pool:ro,z" if label else "--volume=/pool:/srv/pool:ro")
    assert written == ("--volume=/pool:/srv/pool:z" if label else "--volume=/pool:/srv/pool")


def test_a_node_can_read_the_id_of_its_boot_where_selinux_is(label: str, tmp_path: Path) -> None:
    options = journals.podman_options(tmp_path, "node1")

    assert options[-1].endswith(f":ro{',z' if label else ''}")


def test_no_option_names_a_volume_in_another_way() -> None:
    rooms = [path for path in Path(volumes.__file__).parent.rglob("*.py") if path.name != "volumes.py"]

    assert [path.name for path in rooms if "--volume" in path.read_text()] == []
