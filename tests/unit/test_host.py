"""The host's tools, memory, disk and podman, tried on stub commands in the test's own PATH."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from halab.kit.errors import LabError
from halab.providers import host
from halab.providers.host import Tool
from halab.providers.vagrant import command

FROB = Tool("halab-frob", "frobs the nodes", "frob-deb", "frob-rpm")
VAGRANT = Tool("vagrant", "makes machines", "vagrant-libvirt", None)
DEB_ONLY = Tool("halab-deboot", "bootstraps images", "deboot", None)

Stub = Callable[[str, str], Path]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Returns a function that makes a command of a shell script.

    The command is in the only directory of PATH, which scripts know as $HERE.
    """
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HERE", str(tmp_path))

    def make(name: str, script: str) -> Path:
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
        return command

    return make


INSTALLS_FROB = """
echo "$0 $*" >>$HERE/log
printf '#!/bin/sh' >$HERE/halab-frob && /bin/chmod +x $HERE/halab-frob
"""


def test_only_tools_that_are_nowhere_are_missing(stub: Stub) -> None:
    stub("halab-frob", "")

    missing = host.missing([FROB, DEB_ONLY])

    assert missing == (DEB_ONLY,)


def test_a_command_that_does_as_well_is_as_good(stub: Stub) -> None:
    stub("virtqemud", "")
    libvirt = next(tool for tool in host.MACHINE_TOOLS if tool.command == "libvirtd")

    assert host.missing([libvirt]) == ()


@pytest.mark.usefixtures("stub")
def test_sbin_is_searched_though_path_lacks_it() -> None:
    in_sbin = Tool("ldconfig", "is in sbin everywhere", None, None)

    missing = host.missing([in_sbin])

    assert missing == ()


def test_nothing_is_done_or_said_when_nothing_is_missing(stub: Stub) -> None:
    stub("halab-frob", "")
    said: list[str] = []

    host.ensure([FROB], said.append)

    assert said == []


@pytest.mark.parametrize(("manager", "package"), [("apt-get", "frob-deb"), ("dnf", "frob-rpm")])
@pytest.mark.usefixtures("as_root")
def test_root_gets_what_is_missing_and_is_told_which_and_why(
    stub: Stub, tmp_path: Path, manager: str, package: str
) -> None:
    stub(manager, INSTALLS_FROB)
    said: list[str] = []

    host.ensure([FROB], said.append)

    assert said == [f"installing {package} with {manager}: halab-frob frobs the nodes"]
    assert (tmp_path / "log").read_text().endswith(f" {package}\n")
    assert host.missing([FROB]) == ()


@pytest.mark.usefixtures("as_root")
def test_a_package_of_two_missing_tools_is_asked_for_once(stub: Stub, tmp_path: Path) -> None:
    stub("apt-get", f"{INSTALLS_FROB}\n/bin/cp $HERE/halab-frob $HERE/halab-unfrob")
    twin = Tool("halab-unfrob", "unfrobs the nodes", "frob-deb", "frob-rpm")

    host.ensure([FROB, twin], lambda _: None)

    assert (tmp_path / "log").read_text().count("frob-deb") == 1


@pytest.mark.usefixtures("as_root")
def test_apt_lists_are_updated_when_the_first_install_fails(stub: Stub, tmp_path: Path) -> None:
    stub(
        "apt-get",
        f'[ "$1" = update ] && exec /bin/touch $HERE/lists\n[ -e $HERE/lists ] || exit 100\n{INSTALLS_FROB}',
    )

    host.ensure([FROB], lambda _: None)

    assert (tmp_path / "lists").exists()
    assert host.missing([FROB]) == ()


@pytest.mark.usefixtures("as_root")
def test_a_failed_install_is_reported_with_its_cause(stub: Stub) -> None:
    stub("apt-get", "echo Reading...; echo 'E: Unable to locate package frob-deb' >&2; exit 100")

    with pytest.raises(LabError) as caught:
        host.ensure([FROB], lambda _: None)

    assert "apt-get install" in str(caught.value)
    assert "E: Unable to locate package frob-deb" in str(caught.value)


@pytest.mark.usefixtures("as_root")
def test_an_install_that_brings_nothing_is_not_believed(stub: Stub) -> None:
    stub("apt-get", "exit 0")

    with pytest.raises(LabError, match="but not halab-frob"):
        host.ensure([FROB], lambda _: None)


def test_a_user_who_is_not_root_is_told_the_command_and_nothing_runs(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub("apt-get", INSTALLS_FROB)
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(LabError, match=r"halab-frob; as root, run: apt-get update && apt-get install .* frob-deb$"):
        host.ensure([FROB], lambda _: None)

    assert not (tmp_path / "log").exists()


@pytest.mark.usefixtures("stub")
def test_a_host_without_apt_and_dnf_is_told_to_install_by_hand() -> None:
    with pytest.raises(LabError, match="lacks halab-frob, and has neither apt-get nor dnf"):
        host.ensure([FROB], lambda _: None)


@pytest.mark.usefixtures("as_root")
def test_a_tool_that_has_no_package_here_is_named_with_its_use(stub: Stub, tmp_path: Path) -> None:
    stub("dnf", INSTALLS_FROB)

    with pytest.raises(LabError, match="halab-deboot, which bootstraps images, and dnf has no package of it"):
        host.ensure([FROB, DEB_ONLY], lambda _: None)

    assert not (tmp_path / "log").exists()


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    2097152 kB\n")
    return path


def test_enough_memory_and_disk_is_no_shortage(tmp_path: Path, meminfo: Path) -> None:
    problems = host.shortage(2 * host.GIB, 1, tmp_path, meminfo=meminfo)

    assert problems == []


def test_each_shortage_is_one_sentence_with_both_amounts(tmp_path: Path, meminfo: Path) -> None:
    problems = host.shortage(3 * host.GIB, 2**80, tmp_path / "not" / "made" / "yet", meminfo=meminfo)

    memory, disk = problems
    assert memory.startswith("3.0 GiB of memory is needed, but 2.0 GiB is available; ")
    assert f"of disk at {tmp_path} is needed" in disk


def podman_info(driver: str) -> str:
    return f"""echo '{{"store": {{"graphDriverName": "{driver}"}}}}'"""


def test_podman_on_overlay_is_no_problem(stub: Stub) -> None:
    stub("podman", podman_info("overlay"))

    assert host.podman_problem() is None


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (podman_info("vfs"), "podman's graph driver is vfs"),
        ("echo 'Error: database is locked' >&2; exit 125", "database is locked"),
        ("echo no json", "does not name its graph driver"),
        ("echo '[]'", "does not name its graph driver"),
        ("exec /bin/sleep 10", "did not finish within 0.5 s"),
    ],
)
def test_a_podman_that_cannot_be_used_is_one_sentence(stub: Stub, script: str, sentence: str) -> None:
    stub("podman", script)

    problem = host.podman_problem(timeout=0.5)

    assert problem is not None
    assert sentence in problem
    assert "\n" not in problem


@pytest.mark.usefixtures("stub")
def test_a_host_without_podman_is_told_so() -> None:
    assert "podman is not installed" in str(host.podman_problem())


def test_a_file_is_a_tool_too(tmp_path: Path) -> None:
    header = Tool(str(tmp_path / "frob.h"), "is needed to compile", "libfrob-dev", "frob-devel")

    before = host.missing([header])
    (tmp_path / "frob.h").touch()

    assert before == (header,)
    assert host.missing([header]) == ()


@pytest.mark.usefixtures("as_root")
def test_where_vagrant_has_no_package_the_exact_steps_are_told(stub: Stub) -> None:
    stub("dnf", "exit 1")

    with pytest.raises(LabError, match=r"dnf install -y vagrant.*\n.*vagrant plugin install vagrant-libvirt"):
        host.ensure([Tool("halab-none", "is no command", "x", "x"), VAGRANT], lambda _: None)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ("echo '1,vagrant-libvirt,plugin-version,0.11.2%!(VAGRANT_COMMA) system'", None),
        ("echo 1,vagrant-libvirt,plugin-version,0.12.2", None),
        ("echo 1,vagrant-libvirt,plugin-version,0.9.0", "vagrant-libvirt 0.9.0 is older than 0.11"),
        ("echo 1,,ui,info,No plugins installed.", "vagrant lacks its plug-in vagrant-libvirt"),
        ("echo 'Gem::Ext::BuildError' >&2; exit 1", "vagrant is broken: .*BuildError"),
    ],
)
def test_vagrant_needs_its_plug_in(stub: Stub, listed: str, problem: str | None) -> None:
    stub("vagrant", listed)

    found = command.problem()

    assert re.match(problem, found or "") if problem else found is None


def test_virtual_machines_are_the_default_where_all_they_need_is_there(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kvm, run = tmp_path / "kvm", tmp_path / "run"
    monkeypatch.setattr(host, "_search_path", lambda: str(tmp_path))
    run.mkdir()

    def obstacle() -> str | None:
        return host.no_machines_because(kvm=kvm, run_dir=run)

    without_kvm = obstacle()
    kvm.touch()
    without_vagrant = obstacle()
    stub("vagrant", "")
    without_libvirt = obstacle()
    stub("libvirtd", "")
    not_running = obstacle()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run / "libvirt-sock"))
        with_all = obstacle()

    assert without_kvm == "this host has no KVM"
    assert without_vagrant == "this host has no vagrant, libvirtd"
    assert without_libvirt == "this host has no libvirtd"
    assert not_running == "libvirt does not run on this host"
    assert with_all is None
