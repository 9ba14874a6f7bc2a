"""What is seen of a node from outside, on the test's own files: who is accused, and above all who is not."""

import os
import shutil
import socket
import stat
import struct
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from halab.exams.witness import daemons, mounts, units, wire
from halab.exams.witness.files import Files
from halab.exams.witness.reference import Reference, canonical

PACKAGED = {
    "usr/bin/env": "env",
    "usr/bin/ip": "ip",
    "usr/sbin/crm_mon": "crm_mon",
    "usr/lib/ocf/resource.d/heartbeat/nginx": "agent",
    "usr/lib/x86_64-linux-gnu/libqb.so.100": "library",
    "usr/lib/python3/dist-packages/pcs/app.py": "pcs",
    "usr/lib/systemd/system/corosync.service": "[Service]\nExecStart=/usr/sbin/corosync -f\n",
    "etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
}
OWNERS = {
    "/bin/ip": "iproute2",
    "/usr/bin/env": "coreutils",
    "/usr/sbin/crm_mon": "pacemaker-cli-utils",
    "/usr/lib/ocf/resource.d/heartbeat/nginx": "resource-agents",
    "/usr/lib/systemd/system/corosync.service": "corosync",
    "/usr/lib/x86_64-linux-gnu/libqb.so.100": "libqb100",
    "/usr/lib/python3/dist-packages/pcs/app.py": "pcs",
}

Write = Callable[[str, str], Path]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A tools root of a few files."""
    root = tmp_path / "tools"
    for path, text in PACKAGED.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "etc/hosts").symlink_to("/proc/1/root/etc/hosts")
    (root / "bin").symlink_to("usr/bin")
    (root / ".owners").write_text("".join(f"{package}\t{path}\n" for path, package in OWNERS.items()))
    return root


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """What the node wrote: nothing yet."""
    (tmp_path / "upper").mkdir()
    return tmp_path / "upper"


@pytest.fixture
def write(upper: Path) -> Write:
    def written(path: str, text: str) -> Path:
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text(text)
        return upper / path

    return written


@pytest.fixture
def look(tools: Path, upper: Path, tmp_path: Path) -> Callable[[], dict[str, str]]:
    files = Files(upper, tmp_path / "lower", Reference(tools))
    return lambda: {path: judgement.wrong for path, judgement in files.look().items()}


def test_a_node_that_installed_its_packages_is_accused_of_nothing(write: Write, look: Callable[[], object]) -> None:
    for path, text in PACKAGED.items():
        write(path, text)

    assert look() == {}


@pytest.mark.parametrize("path", [path for path in PACKAGED if path.startswith("usr/")])
def test_what_is_replaced_in_place_is_named(path: str, write: Write, look: Callable[[], dict[str, str]]) -> None:
    write(path, PACKAGED[path][::-1])

    assert look() == {path: "is not that of its package"}


def test_what_is_put_back_is_named_no_longer(write: Write, look: Callable[[], object]) -> None:
    write("usr/bin/env", "vne")
    look()
    write("usr/bin/env", "env")

    assert look() == {}


def test_the_package_to_install_again_is_told(tools: Path, upper: Path, write: Write) -> None:
    write("usr/bin/ip", "pi")

    found = Files(upper, upper, Reference(tools)).look()

    assert found["usr/bin/ip"].package == "iproute2"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("etc/ld.so.preload", "/opt/quiet.so\n"),
        ("etc/ld.so.conf", "/opt\n"),
        ("etc/ld.so.conf.d/mine.conf", "/opt\n"),
        ("etc/ld.so.cache", "\0libqb.so.100\0/opt/libqb.so.100\0"),
        ("usr/sbin/ip", "in front of /usr/bin/ip"),
        ("usr/local/sbin/crm_mon", "first in PATH"),
        ("usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libqb.so.100", "library"),
        ("usr/local/lib/libqb.so.100", "library"),
        ("usr/local/lib/python3.11/dist-packages/pcs/app.py", "pcs"),
        ("usr/lib/python3/dist-packages/quiet.pth", "import quiet"),
        ("etc/python3.11/sitecustomize.py", "import quiet"),
        ("etc/systemd/system/corosync.service.d/mine.conf", "[Service]\nExecStart=\nExecStart=/opt/corosync\n"),
        ("etc/systemd/system/pacemaker.service", "[Service]\nExecStart=/opt/pacemakerd\n"),
        ("etc/systemd/system/pacemaker.service.d/x.conf", "[Service]\nEnvironment=LD_PRELOAD=/opt/quiet.so\n"),
        ("etc/systemd/system/service.d/x.conf", "[Service]\nBindPaths=/opt/usr:/usr\n"),
        ("etc/default/corosync", "LD_LIBRARY_PATH=/opt\n"),
        ("etc/environment", "LD_PRELOAD=/opt/quiet.so\n"),
    ],
)
def test_what_brings_other_code_into_daemons_is_named(
    path: str, text: str, write: Write, look: Callable[[], dict[str, str]]
) -> None:
    write(path, text)

    assert list(look()) == [path]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("usr/local/bin/look-at-it", "my own"),
        ("usr/bin/mine", "my own"),
        ("usr/lib/ocf/resource.d/mine/agent", "my own"),
        ("usr/lib/ocf/lib/heartbeat/__pycache__/ocf.cpython-311.pyc", "compiled"),
        ("usr/lib/python3/dist-packages/pcs/__pycache__/app.cpython-311.pyc", "compiled"),
        ("usr/share/man/man8/crm_mon.8.gz", "a page"),
        ("usr/local/share/notes", "my own"),
        ("etc/ld.so.preload", ""),
        ("etc/ld.so.cache", "\0libqb.so.100\0/lib/x86_64-linux-gnu/libqb.so.100\0"),
        ("etc/hosts", "192.168.1.1 node1\n"),
        ("etc/default/corosync", "# LD_PRELOAD=no\nCOROSYNC_MAIN_CONFIG_FILE=/etc/corosync/corosync.conf\n"),
        ("etc/systemd/system/mine.service", "[Service]\nExecStart=/usr/local/bin/mine\n"),
        ("etc/systemd/system/corosync.service.d/slow.conf", "[Unit]\nAfter=network-online.target\n"),
        ("etc/systemd/system/corosync.service", "[Service]\nExecStart=/usr/sbin/corosync -f\nRestart=always\n"),
        ("etc/systemd/system/corosync.service.d/wait.conf", "[Service]\nExecStartPre=/usr/bin/sleep 60\n"),
        ("etc/systemd/system/nginx.service.d/wait.conf", "[Service]\nExecStartPre=/usr/bin/sleep 1\n"),
    ],
)
def test_what_a_learner_may_well_write_is_not_named(
    path: str, text: str, write: Write, look: Callable[[], object]
) -> None:
    write(path, text)

    assert look() == {}


def test_what_each_system_makes_for_itself_is_held_against_nobody(
    tools: Path, write: Write, look: Callable[[], object]
) -> None:
    (tools / "usr/lib/gconv-modules.cache").write_text("of the image")
    write("usr/lib/gconv-modules.cache", "of the node")
    link = write("usr/lib/x86_64-linux-gnu/x", "").parent / "libqb.so"
    link.symlink_to("libqb.so.100")

    assert look() == {}


@pytest.mark.parametrize(("target", "named"), [("/usr/sbin/crm_mon", []), ("/bin/ip", ["usr/bin/crm_mon"])])
def test_a_program_by_another_path_is_the_same_program(
    write: Write, look: Callable[[], dict[str, str]], target: str, named: list[str]
) -> None:
    (write("usr/bin/mine", "").parent / "crm_mon").symlink_to(target)

    assert list(look()) == named


def test_a_library_that_is_a_link_out_of_all_packages_is_named(
    write: Write, look: Callable[[], dict[str, str]]
) -> None:
    link = write("usr/lib/x86_64-linux-gnu/x", "").parent / "libnew.so.1"
    link.symlink_to("/opt/libnew.so.1")

    assert list(look()) == ["usr/lib/x86_64-linux-gnu/libnew.so.1"]


def test_a_depth_without_end_is_not_followed(write: Write, look: Callable[[], object]) -> None:
    write(f"usr/lib/{'a/' * 40}libqb.so.100", "library")

    assert look() == {}


def test_a_directory_that_became_a_link_is_named(upper: Path, look: Callable[[], dict[str, str]]) -> None:
    (upper / "usr/lib/ocf/resource.d").mkdir(parents=True)
    (upper / "usr/lib/ocf/resource.d/heartbeat").symlink_to("/opt/heartbeat")

    assert list(look()) == ["usr/lib/ocf/resource.d/heartbeat"]


def test_bin_that_leads_elsewhere_is_named(upper: Path, look: Callable[[], dict[str, str]]) -> None:
    (upper / "bin").symlink_to("opt/bin")

    assert list(look()) == ["bin"]


def test_an_alternative_must_lead_to_a_package(upper: Path, look: Callable[[], dict[str, str]]) -> None:
    (upper / "etc/alternatives").mkdir(parents=True)
    (upper / "etc/alternatives/mine").symlink_to("/opt/ip")
    (upper / "etc/alternatives/ip").symlink_to("/bin/ip")
    (upper / "etc/alternatives/ip.8.gz").symlink_to("/usr/share/man/man8/ip.8.gz")

    assert list(look()) == ["etc/alternatives/mine"]


def test_no_pipe_and_no_device_of_a_node_is_opened(upper: Path, look: Callable[[], dict[str, str]]) -> None:
    (upper / "usr/bin").mkdir(parents=True)
    (upper / "etc/default").mkdir(parents=True)
    for path in ("usr/bin/env", "etc/ld.so.conf", "etc/default/corosync"):
        os.mkfifo(upper / path)

    assert set(look()) == {"usr/bin/env", "etc/ld.so.conf"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what overlayfs has in place of a removed file")
def test_a_program_that_was_removed_is_missing_but_not_a_whole_package(
    upper: Path, look: Callable[[], dict[str, str]], tools: Path
) -> None:
    with (tools / ".owners").open("a") as owners:
        owners.write("coreutils\t/usr/bin/true\n")
    (upper / "usr/bin").mkdir(parents=True)
    for name in ("env", "ip"):
        os.mknod(upper / "usr/bin" / name, stat.S_IFCHR, os.makedev(0, 0))

    assert look() == {"usr/bin/env": "is missing"}


def test_bin_is_usr_bin() -> None:
    assert [canonical(path) for path in ("/bin/ip", "lib64/ld.so", "/usr/bin/ip", "/library/x")] == [
        "usr/bin/ip",
        "usr/lib64/ld.so",
        "usr/bin/ip",
        "library/x",
    ]


ROOT = "584 521 0:66 / / rw,relatime - overlay overlay rw,lowerdir=/a"


@pytest.mark.parametrize(
    ("line", "covered"),
    [
        ("600 584 0:70 /fake /usr/bin/crm_mon rw - tmpfs tmpfs rw", ["usr/bin/crm_mon"]),
        ("600 584 0:66 /opt/fake /usr/sbin/crm_mon rw - overlay overlay rw", ["usr/sbin/crm_mon"]),
        ("600 584 0:70 / /usr rw - tmpfs tmpfs rw", ["usr"]),
        ("600 584 0:70 /etc /etc rw - tmpfs tmpfs rw", ["etc"]),
        ("600 584 0:70 /p /etc/ld.so.preload rw - tmpfs tmpfs rw", ["etc/ld.so.preload"]),
        ("600 584 0:66 /usr /usr ro - overlay overlay rw", []),
        ("600 584 0:23 /systemd/inaccessible/dir /usr/lib/modules rw - tmpfs tmpfs rw", []),
        ("600 584 0:70 / /srv/pool ro - ext4 /dev/vda rw", []),
        ("600 584 0:70 / /usr/share/nginx/html rw - fuse.sshfs node3:/srv rw", []),
        ("600 584 0:70 / /usr/local/data rw - nfs4 node3:/srv rw", []),
        ("600 584 0:70 / /usr/share/fence rw - tmpfs tmpfs rw", ["usr/share/fence"]),
        ("600 584 0:70 /hosts /etc/hosts rw - tmpfs tmpfs rw", []),
    ],
)
def test_what_is_mounted_over_programs_is_named(line: str, covered: list[str]) -> None:
    assert list(mounts.covering(mounts.parse(f"{ROOT}\n{line}\n"))) == covered


def test_a_reset_of_a_setting_runs_nothing() -> None:
    assert units.runs_otherwise("[Service]\nExecStart=\n", "") is None


@pytest.fixture
def sleeper(tools: Path) -> Path:
    """A tools root that has `sleep` as Corosync, with the libraries that it needs."""
    (tools / "usr/sbin").mkdir(exist_ok=True)
    shutil.copy("/usr/bin/sleep", tools / "usr/sbin/corosync")
    told = subprocess.run(["ldd", "/usr/bin/sleep"], capture_output=True, text=True, check=True).stdout
    for word in told.split():
        if word.startswith("/"):
            place = tools / canonical(word)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(os.path.realpath(word), place)
            shutil.copy(os.path.realpath(word), tools / canonical(os.path.realpath(word)))
    return tools


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads what other processes have mapped")
@pytest.mark.parametrize(
    ("program", "environment", "wrong"),
    [
        ("/usr/bin/sleep", {}, ""),
        ("/usr/bin/sleep", {"LD_PRELOAD": "libm.so.6"}, "was started with LD_PRELOAD=libm.so.6"),
        ("/usr/bin/tail", {}, "runs "),
    ],
)
def test_a_daemon_must_be_the_program_of_its_package(
    sleeper: Path, tmp_path: Path, program: str, environment: dict[str, str], wrong: str
) -> None:
    shutil.copy(program, tmp_path / "corosync")
    arguments = ["60"] if program.endswith("sleep") else ["--follow", "/dev/null"]
    running = subprocess.Popen([tmp_path / "corosync", *arguments], env=environment)
    process = daemons.Process(running.pid)
    try:
        while process.read("comm").strip() != b"corosync" or not process.read("maps"):
            pass
        watched = daemons.Daemons(Reference(sleeper))
        fault = watched._fault(process, "corosync")  # it is in the host's pid namespace, with all others
    finally:
        running.kill()
        running.wait()

    assert (fault or "").startswith(wrong)
    assert bool(fault) is bool(wrong)


def packet(source: str, target: str, port: int, protocol: int = socket.IPPROTO_UDP) -> bytes:
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 36, 0, 0, 64, protocol, 0, *map(socket.inet_aton, (source, target)))
    return head + struct.pack(">HHHH", port, port, 16, 0) + b"8 bytes."


@pytest.mark.parametrize(
    ("sent", "sender"),
    [
        (packet("192.168.1.1", "192.168.1.2", 5405), "192.168.1.1"),
        (packet("192.168.1.1", "239.255.1.1", 5405), "192.168.1.1"),
        (packet("192.168.1.1", "192.168.1.9", 5405), None),
        (packet("192.168.1.9", "192.168.1.1", 5405), None),
        (packet("192.168.1.1", "192.168.1.2", 623), None),
        (packet("192.168.1.1", "192.168.1.2", 2224, socket.IPPROTO_TCP), None),
        (b"", None),
        (b"\x45", None),
    ],
)
def test_corosync_is_heard_when_one_node_sends_to_another(sent: bytes, sender: str | None) -> None:
    nodes = frozenset(map(IPv4Address, ("192.168.1.1", "192.168.1.2")))

    assert wire.sent_by(sent, nodes) == (IPv4Address(sender) if sender else None)
