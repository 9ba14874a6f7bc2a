"""Where a learner sits on the workstation: the instance's network, and nothing else of the host that is not a program.

bubblewrap (bwrap(1)) starts each shell with its own root directory, processes, and System V IPC. The learner is an
unprivileged user, of a number that only this instance has. The one capability is CAP_NET_RAW, for ping, arping and
tcpdump. A user namespace would take that away, as the network belongs to the host's; so there is none, and hosts that
refuse user namespaces do as well. Nothing gives a program more rights than it has (no_new_privs), and `syscalls` says
what the kernel refuses.

    workstation/root       the root directory: empty places to mount at, and the few files of /etc that are its own
    workstation/files.img  a file system of limited size, mounted in the instance's mount namespace only:
    workstation/files      home and tmp, which live as long as the instance
"""

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from halab.kit.files import write_atomically
from halab.kit.paths import ROOT, cache_dir, state_dir
from halab.kit.process import must
from halab.providers import syscalls
from halab.providers.namespaces import Namespaces
from halab.spec.models import LabSpec

USER = "learner"
HOME = f"/home/{USER}"
# Nobody else has these numbers (systemd's UIDS-GIDS.md); those of nodes begin at 1,900,000,000.
FIRST_UID, UIDS = 2_000_000_000, 100_000_000
CONTROL = Path("/dev/loop-control")  # loop(4)
SIZE = "256M"
PROCESSES = 512  # that the learner may have; threads too
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # beside /usr; links into it, on most hosts
NOT_PROGRAMS = (Path("/usr/local"), Path("/usr/src"))  # what an administrator of the host has put there
PLACES = ("usr", "proc", "dev", "run", "home", "tmp", "root", "mnt", "etc/ssh")
# Of the host's /etc, what programs of its distribution need: which program has a name, libraries, time, certificates
OF_THE_HOST = (
    *("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "terminfo", "inputrc"),
    *("protocols", "services", "ethertypes", "iproute2", "crypto-policies", "vim", "vimrc"),
    *("ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/openssl.cnf", "pki/ca-trust/extracted"),
)
CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_NET_RAW")  # all but the last are gone with root
MAKE = ("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-J", "size=4", "-E", "nodiscard")
ATTACH = """\
if [ -e {image} ] && ! mountpoint -q {files}; then mount -o loop,discard,nosuid,nodev {image} {files}; fi
cd {files}
mkdir -p -m 755 home home/learner
mkdir -p -m 1777 tmp shm
chown {uid}:{uid} home/learner
"""
# Pipes become the learner's, and so does a terminal that was made for this command alone, so that /dev/stderr can be
# opened. bwrap does not end at a Ctrl-C that is meant for what it runs. Where memory is short, the kernel ends that
# first.
START = """\
read -r -a its < /proc/$$/stat
for number in 0 1 2; do
    case $(readlink /proc/$$/fd/$number) in
    pipe:*) chown "$1" /proc/$$/fd/$number ;;
    /dev/pts/*) [ "${its[5]}" != $$ ] || chown "$1" /proc/$$/fd/$number ;;
    esac
done
trap '' INT QUIT
umask 022
ulimit -u "$2" 2> /dev/null
echo 1000 > /proc/self/oom_score_adj
exec "${@:3}" 9< "$0"
"""


class Sandbox:
    """That of one instance, in its network."""

    def __init__(self, directory: Path, spec: LabSpec, namespaces: Namespaces) -> None:
        self._spec = spec
        self._namespaces = namespaces
        self._place = directory / "workstation"
        self._root, self._files = self._place / "root", self._place / "files"
        self._uid = FIRST_UID + int(hashlib.sha256(str(directory).encode()).hexdigest()[:8], 16) % UIDS

    def argv(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Return the host's command that runs `argv` there, with these settings only, besides those of any user.

        Raises LabError when the instance is not up.
        """
        start = ["bash", "-c", START, str(self._place / "syscalls"), str(self._uid), str(PROCESSES)]
        become = [f"--reuid={self._uid}", f"--regid={self._uid}", "--clear-groups", "--no-new-privs"]
        keep = [f"--{which}=-all,+net_raw" for which in ("inh-caps", "ambient-caps", "bounding-set")]
        user = {"HOME": HOME, "USER": USER, "LOGNAME": USER, "SHELL": "/bin/bash", "PATH": PATH, "LANG": "C.UTF-8"}
        settings = [f"{name}={value}" for name, value in {**user, **env}.items()]
        learner = ["/usr/bin/setpriv", *become, *keep, "/usr/bin/env", "-i", "--default-signal=INT,QUIT", *settings]
        inside = self._namespaces.enter([*start, "bwrap", *self._options(), *learner, *argv])
        self._make()
        return ["env", f"HALAB_MARK={self._place}", *inside]

    def _options(self) -> Iterator[str]:
        """Yield bwrap's options; only such as bubblewrap 0.4 has, which Enterprise Linux 9 began with."""
        yield from ("--die-with-parent", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try")
        yield from ("--hostname", "workstation", "--cap-drop", "ALL")
        for capability in CAPABILITIES:
            yield from ("--cap-add", capability)
        yield from ("--ro-bind", str(self._root), "/", "--ro-bind", "/usr", "/usr")
        yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run")
        for name in PROGRAMS:
            if (Path("/") / name).is_dir() and not (Path("/") / name).is_symlink():
                yield from ("--ro-bind", f"/{name}", f"/{name}")
        for name in OF_THE_HOST:
            if Path("/etc", name).exists():
                yield from ("--ro-bind", f"/etc/{name}", f"/etc/{name}")
        for covered in _not_programs():
            yield from ("--tmpfs", str(covered))
        for name, where in (("home", "/home"), ("tmp", "/tmp"), ("shm", "/dev/shm")):  # noqa: S108
            yield from ("--bind", str(self._files / name), where)
        yield from ("--chdir", HOME, "--seccomp", "9")

    def _make(self) -> None:
        """Make what is missing of it. What is there may be in use."""
        self._files.mkdir(parents=True, exist_ok=True)
        with FileLock(self._place / "lock"):
            for name, text in self._own_files().items():
                _write(self._root / "etc" / name, text.encode())
            _write(self._place / "syscalls", syscalls.program())
            for name in PLACES:
                (self._root / name).mkdir(parents=True, exist_ok=True)
            for name in PROGRAMS:
                _like(Path("/") / name, self._root / name)
            for name in OF_THE_HOST:
                _like(Path("/etc", name).resolve(), self._root / "etc" / name)
            for path in (self._root, *self._root.rglob("*")):  # whatever umask(2) this process has
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() else 0o644)
            self._attach()

    def _attach(self) -> None:
        image = self._place / "files.img"
        if CONTROL.exists() and not image.exists():
            unfinished = image.with_suffix(".new")
            must([*MAKE, str(unfinished), SIZE])
            unfinished.replace(image)
        paths = {"image": shlex.quote(str(image)), "files": shlex.quote(str(self._files)), "uid": self._uid}
        must(self._namespaces.enter(["sh", "-e", "-c", ATTACH.format(**paths)]))

    def _own_files(self) -> dict[str, str]:
        """Return the files of /etc that are not the host's: no more users, names and settings than a learner needs."""
        addresses = [(self._spec.networks.lan.workstation, "workstation")]
        addresses += [(node.lan, node.name) for node in self._spec.nodes]
        return {
            "passwd": f"root:x:0:0::/root:/sbin/nologin\n{USER}:x:{self._uid}:{self._uid}::{HOME}:/bin/bash\n",
            "group": f"root:x:0:\n{USER}:x:{self._uid}:\n",
            "hostname": "workstation\n",
            "hosts": "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address, name in addresses),
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
            "resolv.conf": "# A lab has no name server: names are in /etc/hosts\n",
            "ssh/ssh_config": "Host *\n    User root\n",
        }


def impossible() -> list[str]:
    """Return what cannot be limited on this host, and why, a sentence each."""
    if CONTROL.exists():
        return []
    return [f"what a learner writes on the workstation cannot be limited on this host: {CONTROL} is missing"]


def _not_programs() -> list[Path]:
    """Return what is in /usr and is to be covered. What is below another of these is covered with it."""
    own = [path.resolve() for path in (ROOT, cache_dir(), state_dir(), Path.home())]
    found = [path for path in (*NOT_PROGRAMS, *own) if path.is_relative_to("/usr") and path.is_dir()]
    return [path for path in found if not any(other in path.parents for other in found)]


def _like(theirs: Path, ours: Path) -> None:
    """Make a link, a place to mount a file at, or one to mount a directory at, as the host has one there."""
    if os.path.lexists(ours) or not theirs.exists():
        return
    if theirs.is_symlink():
        ours.symlink_to(theirs.readlink())
    elif theirs.is_dir():
        ours.mkdir(parents=True)
    else:
        _write(ours, b"")


def _write(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        write_atomically(path, content)
