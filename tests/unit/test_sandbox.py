"""The workstation as a learner has it: what is there, and that nothing else of the host is."""

import json
import os
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.process import CommandResult, run
from halab.providers import host, sandbox
from halab.providers.namespaces import Namespaces
from halab.providers.sandbox import Sandbox
from halab.spec.models import LabSpec
from tests.fakes import LAB_TOML

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

SPEC = LabSpec.model_validate(tomllib.loads(LAB_TOML))
OF_BWRAP_0_4 = {  # bwrap(1) of bubblewrap 0.4.1
    *("--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname"),
    *("--cap-drop", "--cap-add", "--ro-bind", "--bind", "--tmpfs", "--proc", "--dev", "--chdir", "--seccomp"),
}
# Each attempt, as Python; what it returns, or the error that ends it, is told. The words in capitals are given.
ATTEMPTS = r"""
import ctypes, fcntl, json, os, shutil, signal, socket, subprocess, sys, termios
given = json.loads(sys.argv[1])
kernel = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if kernel.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "done"

def program(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.returncode and (done.stderr or done.stdout or "no") or f"done: {done.stdout}"

def connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(1)
        client.connect(address)
    return "done"

def push():
    master, slave = os.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSTI, b"x")
    finally:
        os.close(master)
        os.close(slave)
    return "done"

def own(name):
    with open(name, "w") as file:
        file.write("1")
    return "done"

told = {}
for name, attempt in {
    **{f"read {path}": lambda path=path: os.stat(path) and "done" for path in given["paths"]},
    **{f"write {path}": lambda path=path: own(path) for path in given["written"]},
    **{" ".join(argv[:2]): lambda argv=argv: program(*argv) for argv in given["programs"]},
    **{f"call {name}": lambda number=number: call(number, *[0] * 6) for name, number in given["calls"].items()},
    "new user by clone": lambda: call(given["clone"], 0x10000000 | 17, 0, 0, 0, 0),
    "kill a process of the host": lambda: os.kill(given["pid"], 0) or "done",
    "type on the terminal": push,
    "vsock": lambda: connect(40, (2, 1)),
    "a service of the host": lambda: connect(socket.AF_INET, ("127.0.0.1", given["port"])),
    "an abstract socket of the host": lambda: connect(socket.AF_UNIX, "\0" + given["abstract"]),
    "become root": lambda: os.setuid(0) or "done",
}.items():
    try:
        told[name] = str(attempt())
    except (OSError, ValueError) as error:
        told[name] = str(error)
print(json.dumps({
    "told": told,
    "processes": [name for name in os.listdir("/proc") if name.isdigit()],
    "root": sorted(os.listdir("/")),
    "homes": os.listdir("/home") + os.listdir("/root"),
    "environment": sorted(os.environ),
    "devices": sorted(os.listdir("/dev")),
    "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in given["namespaces"]},
    "mounted": [line.split()[1] for line in open("/proc/self/mounts")],
    "status": open("/proc/self/status").read(),
    "descriptors": sorted(map(int, os.listdir("/proc/self/fd"))),
}))
"""
CALLS = {"unshare": 272, "setns": 308, "mount": 165, "ptrace": 101, "keyctl": 250, "bpf": 321, "io_uring_setup": 425}
GENERIC = {"unshare": 97, "setns": 268, "mount": 40, "ptrace": 117, "keyctl": 219, "bpf": 280, "io_uring_setup": 425}
CALLS, CLONE = (CALLS, 56) if os.uname().machine == "x86_64" else (GENERIC, 220)
PROGRAMS = (
    *(["nsenter", "--target=1", "--mount", "ls"], ["unshare", "--user", "id"], ["unshare", "--net", "id"]),
    *(["mount", "-t", "tmpfs", "x", "/mnt"], ["mount", "-o", "remount,rw", "/usr"], ["umount", "/usr/src"]),
    *(["chroot", "/usr", "ls"], ["mknod", "disk", "b", "254", "0"], ["dmesg"], ["su", "-c", "id"]),
    *(["ip", "link", "set", "lo", "down"], ["nft", "list", "ruleset"], ["bwrap", "--unshare-user", "--bind", "/", "/"]),
    *(["podman", "ps"], ["cat", "/proc/1/environ"], ["ls", "/proc/1/root/etc"]),
)
WRITTEN = (
    *("/usr/bin/x", "/etc/hosts", "/proc/sys/kernel/panic", "/proc/sysrq-trigger", "/proc/1/oom_score_adj"),
    *("/sys/kernel/uevent_helper", "/dev/kmsg", "/dev/mem", "/root/x", "/run/x"),
)


NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")


def namespaces(directory: Path) -> Namespaces:
    if lacking := host.missing(host.TOOLS):
        pytest.skip(f"this host has no {' and no '.join(tool.command for tool in lacking)}")
    found = Namespaces(directory)
    found.hold("ip link set lo up\n")
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An instance's directory, with its namespaces, and with what a learner is not to see."""
    directory = tmp_path_factory.mktemp("instances") / "alice"
    directory.mkdir()
    (directory / "state.json").write_text("{}")
    held = namespaces(directory)
    yield directory
    held.down()


@pytest.fixture(scope="module")
def learner(place: Path) -> Sandbox:
    return Sandbox(place, SPEC, Namespaces(place))


def there(learner: Sandbox, *argv: str, input: str | None = None) -> CommandResult:
    return run(learner.argv(argv, {}), input=input)


@pytest.fixture(scope="module")
def seen(place: Path, learner: Sandbox) -> Any:
    """What a program in the sandbox has tried and found, while the host has things to find."""
    home = Path.home()
    paths = ["/etc/shadow", "/etc/machine-id", "/etc/containers", *map(str, (ROOT, place, place / "state.json"))]
    paths += [str(home / name) for name in (".ssh", ".bash_history", ".local", ".cache")]
    paths += ["/run/podman", "/run/dbus", "/run/libvirt", "/run/systemd", "/var", "/sys", "/boot", "/opt", "/dev/loop0"]
    paths += ["/dev/vda", "/dev/sda", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/kmsg", str(Path(sys.executable))]
    with (
        socket.create_server(("127.0.0.1", 0)) as service,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen(["sleep", "60"]) as process,
    ):
        abstract.bind("\0halab-test")
        abstract.listen()
        given = {
            "paths": paths,
            "written": WRITTEN,
            "programs": PROGRAMS,
            "calls": CALLS,
            "clone": CLONE,
            "port": service.getsockname()[1],
            "abstract": "halab-test",
            "pid": process.pid,
            "namespaces": NAMESPACES,
        }
        tried = there(learner, "python3", "-c", ATTEMPTS, json.dumps(given))
        process.kill()
    assert tried.ok, tried.stderr
    return json.loads(tried.stdout)


@pytest.mark.rights
def test_nothing_that_a_learner_tries_reaches_the_host(seen: Any) -> None:
    done = [name for name, what in seen["told"].items() if what.startswith("done")]

    assert done == []
    assert len(seen["told"]) > 60
    assert seen["told"]["call unshare"] == seen["told"]["new user by clone"] == "[Errno 1] Operation not permitted"
    assert seen["told"]["type on the terminal"] == "[Errno 1] Operation not permitted"
    assert seen["told"]["vsock"] == "[Errno 97] Address family not supported by protocol"
    assert seen["told"]["an abstract socket of the host"] == "[Errno 111] Connection refused"


@pytest.mark.rights
def test_only_what_a_learner_needs_is_there(seen: Any) -> None:
    lines = dict(line.split(":\t") for line in seen["status"].splitlines() if ":\t" in line)

    assert len(seen["processes"]) == 2  # bubblewrap's own, and the program that asks
    assert set(seen["root"]) <= {*sandbox.PROGRAMS, "dev", "etc", "home", "mnt", "proc", "root", "run", "tmp", "usr"}
    places = {"/", *(f"/{name}" for name in (*sandbox.PLACES, *sandbox.PROGRAMS)), *map(str, sandbox.NOT_PROGRAMS)}
    assert not [at for at in seen["mounted"] if at not in places and not at.startswith(("/etc/", "/proc", "/dev"))]
    own = {name for name in NAMESPACES if seen["namespaces"][name] != os.readlink(f"/proc/self/ns/{name}")}  # noqa: PTH115
    assert own == {*NAMESPACES} - {"user"}
    assert seen["homes"] == ["learner"]
    assert set(seen["environment"]) <= {"HOME", "LANG", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "USER"}
    assert not [name for name in seen["devices"] if name.startswith(("loop", "vd", "sd", "nvme", "mapper", "kvm"))]
    assert seen["descriptors"][:3] == [0, 1, 2]
    assert len(seen["descriptors"]) == 4  # and that which the list was read by
    assert {lines[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {f"{1 << 13:016x}"}
    assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")
    assert min(map(int, lines["Uid"].split())) >= sandbox.FIRST_UID
    assert lines["Groups"].strip() in ("", lines["Gid"].split()[0])


@pytest.mark.rights
def test_what_labs_have_typed_on_the_workstation_can_be_typed_there(learner: Sandbox) -> None:
    for typed, said in {
        "ping -c 1 -W 1 127.0.0.1": "1 received",
        "arping -V": "arping",
        "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'; echo raw": "raw",
        "curl --silent file:///etc/hostname": "workstation",
        "ipmitool -V": "ipmitool",
        "ssh -T -G node1 | grep ^user": "user root",
        "getent hosts node2": "10.1.0.11",
        "ip -brief address show lo": "127.0.0.1/8",
        "whoami; hostname; pwd": "learner\nworkstation\n/home/learner",
        "echo out > /dev/stdout; echo in > /dev/shm/x; cat /dev/shm/x": "out\nin",
        "df --output=size -B M ~ /tmp | tail -1": "M",
    }.items():
        done = there(learner, "sh", "-c", typed)

        assert said in done.stdout, f"{typed}: {done}"
        assert done.stderr == "", f"{typed}: {done}"


@pytest.mark.rights
def test_a_learners_files_are_there_in_the_next_shell_and_only_so_many(learner: Sandbox, place: Path) -> None:
    there(learner, "sh", "-c", "echo 'echo made' > script; chmod 755 script; echo y > /tmp/y", input="")
    full = there(learner, "dd", "if=/dev/zero", "of=big", "bs=1M", "count=400")
    there(learner, "rm", "big")

    assert there(learner, "sh", "-c", "./script; cat /tmp/y").stdout == "made\ny\n"
    assert "No space left" in full.stderr or not sandbox.CONTROL.exists()
    assert not list((place / "workstation/files").iterdir()) or not sandbox.CONTROL.exists()  # as the host sees it


@pytest.mark.rights
def test_two_instances_have_another_user_each_and_other_files(learner: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / "bob"
    directory.mkdir()
    held = namespaces(directory)
    bob = Sandbox(directory, SPEC, held)

    there(learner, "sh", "-c", "touch of-alice /tmp/of-alice")
    uids = [there(each, "id", "-u").stdout for each in (learner, bob)]
    found = there(bob, "sh", "-c", "ls -A ~ /tmp; ls /proc | grep -c '^[0-9]'")
    held.down()

    assert uids[0] != uids[1]
    assert "of-alice" not in found.stdout
    assert int(found.stdout.split()[-1]) < 6


@pytest.mark.rights
def test_shells_and_what_they_left_behind_end_with_their_command_and_with_the_instance(tmp_path: Path) -> None:
    held = namespaces(tmp_path)
    learner = Sandbox(tmp_path, SPEC, held)
    argv = learner.argv(["sh", "-c", "setsid sleep 61.4242 & echo ready; exec sleep 61.4243"], {})

    shells = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(2)]
    for shell in shells:
        assert shell.stdout
        shell.stdout.readline()
    shells[0].kill()
    shells[0].communicate(timeout=10)
    left = run(["pgrep", "--full", "^sleep 61[.]424"]).stdout.split()
    held.down()
    shells[1].communicate(timeout=10)

    assert len(left) == 2  # of the other shell
    assert not run(["pgrep", "--full", "^sleep 61[.]424"]).ok


@pytest.mark.rights
def test_a_command_ends_with_its_own_status_and_an_interrupt_is_its_own(learner: Sandbox) -> None:
    waiting = ["bash", "-c", "trap 'echo interrupted; exit 9' INT; echo ready; sleep 20 & wait"]

    with subprocess.Popen(learner.argv(waiting, {}), stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout
        shell.stdout.readline()
        os.killpg(shell.pid, 2)  # as a terminal does
        said = shell.stdout.read()

    assert (said, shell.returncode) == (b"interrupted\n", 9)
    assert there(learner, "sh", "-c", "exit 7").rc == 7


@pytest.mark.rights
def test_what_is_below_usr_and_no_program_is_covered(learner: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "ROOT", Path("/usr/share/misc"))

    covered = there(learner, "ls", "-A", "/usr/share/misc", "/usr/local", "/usr/src").stdout.split()

    assert covered == ["/usr/local:", "/usr/share/misc:", "/usr/src:"]


def test_the_command_has_only_what_bubblewrap_of_every_distribution_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Namespaces, "enter", lambda self, argv: ["enter", *argv])
    monkeypatch.setattr(sandbox, "must", lambda argv: None)
    monkeypatch.setattr(sandbox, "CONTROL", tmp_path / "none")
    monkeypatch.setenv("SECRET", "of the host")

    argv = Sandbox(tmp_path, SPEC, Namespaces(tmp_path)).argv(["id", "-u"], {"TERM": "xterm"})

    options = argv[argv.index("bwrap") + 1 : argv.index("/usr/bin/setpriv")]
    assert {word for word in options if word.startswith("--")} <= OF_BWRAP_0_4
    assert argv[:3] == ["env", f"HALAB_MARK={tmp_path}/workstation", "enter"]
    assert argv[-3:] == ["TERM=xterm", "id", "-u"]
    assert "SECRET" not in " ".join(argv)
    bound = {options[at + 1] for at, word in enumerate(options) if word == "--bind"}
    assert bound == {f"{tmp_path}/workstation/files/{name}" for name in ("home", "tmp", "shm")}


def test_the_files_of_its_etc_are_right_whatever_umask_made_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Namespaces, "enter", lambda self, argv: list(argv))
    monkeypatch.setattr(sandbox, "must", lambda argv: None)
    monkeypatch.setattr(sandbox, "CONTROL", tmp_path / "none")
    before = os.umask(0o077)

    for _ in range(2):
        Sandbox(tmp_path, SPEC, Namespaces(tmp_path)).argv(["id"], {})
    os.umask(before)

    etc = tmp_path / "workstation/root/etc"
    assert (etc / "hosts").read_text() == (
        "127.0.0.1 localhost\n10.1.0.1 workstation\n10.1.0.10 node1\n10.1.0.11 node2\n"
    )
    assert {stat.S_IMODE((etc / name).stat().st_mode) for name in ("hosts", "passwd")} == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (etc, etc / "ssh", etc.parent)} == {0o755}
    assert "shadow" not in os.listdir(etc)  # noqa: PTH208


def test_there_is_no_workstation_without_an_instance_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="try: inv up"):
        Sandbox(tmp_path, SPEC, Namespaces(tmp_path)).argv(["id"], {})

    assert list(tmp_path.iterdir()) == []
