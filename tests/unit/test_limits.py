"""The kernel's limits for all nodes together: they are raised, never lowered, and reported."""

import resource
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers import limits


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    """Some kernel limits with their default values, on a kernel without others."""
    for limit, value in (
        ("fs/inotify/max_user_instances", 128),
        ("fs/inotify/max_user_watches", 2**31 - 1),
        ("fs/pipe-user-pages-soft", 0),
        ("fs/file-max", 2**63 - 1),
    ):
        (tmp_path / limit).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / limit).write_text(f"{value}\n")
    return tmp_path


def test_limits_that_all_nodes_share_are_raised_once_and_never_lowered(sysctls: Path) -> None:
    said: list[str] = []

    limits.raise_limits(said.append, sysctls)
    limits.raise_limits(said.append, sysctls)

    assert (sysctls / "fs/inotify/max_user_instances").read_text() == str(2**31 - 1)
    assert (sysctls / "fs/file-max").read_text() == f"{2**63 - 1}\n"
    assert (sysctls / "fs/pipe-user-pages-soft").read_text() == "0\n"  # which is no limit
    assert len(said) == 1
    assert "fs.inotify.max_user_instances (was 128)" in said[0]


def test_a_limit_that_may_not_be_raised_is_told_with_the_command(
    sysctls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, text: str) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)

    with pytest.raises(LabError, match=r"sysctl -w fs\.inotify\.max_user_instances=2147483647"):
        limits.raise_limits(print, sysctls)


@pytest.mark.parametrize(
    ("hard", "given"), [(resource.RLIM_INFINITY, 1_048_576), (2_000_000, 1_048_576), (20_000, 20_000)]
)
def test_no_limit_is_asked_for_above_the_host_s_own(monkeypatch: pytest.MonkeyPatch, hard: int, given: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (64, hard))

    assert f"--ulimit=nofile={given}:{given}" in limits.ulimits()


@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, 700 * 2**20, 2**20])
def test_a_job_of_slurm_may_start_or_visit_a_node_that_was_made_in_a_larger_one(
    monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (hard, hard))  # what the job asks for

    assert f"--ulimit=rss={2**20}:{2**20}" in limits.ulimits()


def test_every_kind_of_limit_is_named_so_that_containers_conf_decides_none() -> None:
    """Podman has no option for the address space, and containers.conf has none either."""
    kinds = {name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")}
    host = ":".join(map(str, resource.getrlimit(resource.RLIMIT_MEMLOCK)))

    named = dict(option.removeprefix("--ulimit=").split("=") for option in limits.ulimits())

    assert set(named) == kinds - {"as", "ofile"} | {"locks"}  # ofile is another name of nofile
    assert named["memlock"] == host
