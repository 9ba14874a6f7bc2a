"""The fidelity rules: what a container node must have in common with a server (see docs/nodes.md)."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

from halab.cli.status import look, why_off
from halab.conditions import answers_http, bmc_power
from halab.conditions.checks import Outcome, evaluate
from halab.exams.witness.look import Witness
from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.kit.process import run
from halab.kit.wait import wait
from halab.spec.distros import load
from halab.walk import checkpoints
from halab.walk.lab import Lab
from tests.cli import Cli, addresses_of_host

pytestmark = pytest.mark.timeout(900)  # the first test makes the image, and walks through the lab that comes before

IN_MEMORY = ("/run/mark", "/dev/shm/mark")  # noqa: S108  # files in a node's memory, which are gone when it boots


@pytest.mark.core
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # BMCs live on
def test_a_node_without_power_is_gone_and_comes_back_empty(cli: Cli, lab: Lab) -> None:
    victim = lab.where("virtual_ip")
    system = victim.run("readlink", "/proc/self/ns/user").stdout.strip()
    processes = _pids_in(system)
    assert len(processes) > 10
    victim.run("touch", *IN_MEMORY)
    lab.node(victim.name).run("pcs", "property", "set", "stonith-enabled=false")

    with Path("/proc", processes[0], "ns/user").open("rb"):  # otherwise the next node to boot may be given its number
        cli("bmc", victim.name, "off")

        assert cli("bmc", victim.name, "status").strip().endswith("Chassis Power is off")
        assert lab.workstation.run("arping", "-c", "2", "-w", "2", "-I", "lan", str(victim.lan)).rc != 0
        assert _pids_in(system) == []
    served = evaluate("served", answers_http(f"http://{lab.vip}/", lab.others(victim)[0].name), lab, within=60)
    assert served.outcome is Outcome.PASSED, served.seen

    cli("bmc", victim.name, "on")
    cli.instance().set_bmc_password(victim.name, None)  # its BMC is ended and started before the node is
    wait(victim.power, lambda state: state == "on", within=30, successes=1)
    victim.wait_booted()

    assert [victim.run("test", "-e", file).rc for file in IN_MEMORY] == [1, 1]
    assert str(lab.vip) not in victim.run("ip", "address").stdout


@pytest.mark.core
def test_root_on_a_node_is_not_root_on_the_host(lab: Lab) -> None:
    node = lab.nodes[0]

    mapping = node.run("cat", "/proc/self/uid_map").stdout.split()

    assert int(mapping[1]) >= 1_000_000
    node.type("echo 1 > /proc/sys/kernel/panic", fails=True)
    node.type("mknod /root/disk b 254 0", fails=True)


@pytest.mark.core
def test_root_on_a_node_does_not_own_the_hosts_null_device(cli: Cli, lab: Lab) -> None:
    node = lab.nodes[0]

    node.run("chmod", "600", "/dev/null")
    cli("ssh", node.name, "--", "chmod", "600", "/dev/null")
    node.type("chmod 600 /dev/null")
    hosts = Path("/dev/null").stat()
    node.run("chmod", "666", "/dev/null")

    assert (hosts.st_uid, hosts.st_gid, hosts.st_mode & 0o777) == (0, 0, 0o666)


def test_a_learner_on_the_workstation_reaches_the_lab_and_nothing_of_the_host(
    cli: Cli, lab: Lab, tmp_path: Path
) -> None:
    node, instance = lab.nodes[0], cli.instance()
    ask = shlex.join([*lab.credentials.ipmitool(node.bmc), "power", "status"])
    fence = f"--ip={node.bmc} --username={lab.credentials.bmc_user} --password={lab.credentials.bmc_password} --lanplus"
    (tmp_path / "script").write_text("echo made on the host")

    reached = {
        typed: cli("ssh", "workstation", "--", typed)
        for typed in (
            f"ping -c 1 -W 2 {node.lan}; ping -c 1 -W 2 {node.name}",
            f"arping -c 1 -w 2 -I lan {lab.vip}",
            f"curl --silent --fail --max-time 5 http://{lab.vip}/",
            ask,
            f"fence_ipmilan {fence} --action=status 2> /dev/null",
        )
    }
    cli("copy", str(tmp_path / "script"), "workstation:")
    cli("copy", "workstation:script", f"{node.name}:/root/by-way-of-the-workstation")
    refused = [
        cli("ssh", "workstation", "--", "ls", str(path), expect=2)
        for path in ("/etc/shadow", ROOT, instance.directory, instance.directory.parent, Path.home() / ".ssh")
    ]
    not_copied = cli("copy", str(tmp_path / "script"), "workstation:/etc/", expect=3)
    entered = cli(
        "ssh",
        "workstation",
        "--",
        f"nsenter --target={instance.provider.outside()[node.name].first_process()} --net true",
        expect=1,
    )

    assert reached[ask].startswith("Chassis Power is on\n")
    assert cli("ssh", "workstation", "--", "sh", "script").startswith("made on the host\n")
    assert node.run("cat", "/root/by-way-of-the-workstation").stdout == "echo made on the host"
    assert all("No such file or directory" in said for said in refused)
    assert "/etc cannot be written to" in not_copied
    assert not Path("/etc/script").exists()
    assert "No such file" in entered


def test_a_learner_on_the_workstation_logs_in_to_a_node_with_its_password_and_then_with_a_key(cli: Cli) -> None:
    shell: Any = pexpect.spawn(cli.argv("ssh", "workstation")[0], cli.argv("ssh", "workstation")[1:], timeout=60)
    shell.expect(r"learner@workstation ~\]\$ ")
    shell.sendline("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && ssh-copy-id node1")
    shell.expect(r"continue connecting.*\?")
    shell.sendline("yes")
    shell.expect("password: ")
    shell.sendline("halab")
    shell.expect(r"learner@workstation ~\]\$ ")
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
    shell.close()

    assert cli("ssh", "workstation", "--", "ssh", "node1", "hostname").splitlines()[0] == "node1"


@pytest.mark.core
def test_two_instances_have_the_same_addresses_and_do_not_meet(
    lab: Lab, instances: Callable[..., Cli], host_addresses: str
) -> None:
    other = instances("twin")
    other("up")

    twin = Lab(other.instance())

    assert twin.nodes[0].run("ping", "-c", "1", "-W", "1", str(twin.nodes[1].lan)).ok
    assert not twin.workstation.run("ping", "-c", "1", "-W", "1", str(twin.vip)).ok
    assert lab.workstation.run("ping", "-c", "1", "-W", "1", str(lab.vip)).ok
    assert addresses_of_host() == host_addresses
    other("down")


@pytest.mark.core
def test_a_checkpoint_of_a_running_cluster_changes_no_membership(cli: Cli, lab: Lab) -> None:
    def memberships() -> list[str]:
        pattern = "A new membership|A processor failed"
        return [node.run("grep", "-cE", pattern, "/var/log/corosync/corosync.log").stdout for node in lab.nodes]

    before = memberships()

    with cli.instance().lock():
        started = time.monotonic()
        checkpoints.save(cli.instance(), "while-running")
        took = time.monotonic() - started
    time.sleep(4)  # longer than corosync's token timeout, after which a lost token shows

    assert memberships() == before
    assert all(int(count) > 0 for count in before)
    assert took < 5


@pytest.mark.core
def test_reset_forgets_what_was_done_and_brings_back_what_was_lost(cli: Cli, lab: Lab) -> None:
    for node in lab.nodes:
        node.run("sh", "-c", "rm /etc/corosync/corosync.conf; echo x > /root/new; mv /etc/nginx /etc/apache; sync")

    cli("reset", "--to", "start")

    for node in lab.nodes:
        assert node.run("test", "-e", "/etc/corosync/corosync.conf").ok
        assert node.run("sh", "-c", "test -d /etc/nginx && test ! -e /etc/apache && test ! -e /root/new").ok


def test_a_powered_off_node_is_part_of_a_checkpoint_as_such(
    cli: Cli, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("bmc", "node2", "off")
    cli("save", "node2-off")
    cli("reset", "--to", "start")

    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", "0.25")  # the verification rightly waits for the node, in vain
    cli("reset", "--to", "node2-off", expect=3)

    assert cli.instance().provider.power_states() == {"node1": "on", "node2": "off"}


@pytest.mark.core
def test_a_frozen_node_answers_nothing_and_does_not_know(lab: Lab, cli: Cli) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    provider = cli.instance().provider
    lab.nodes[0].run("pcs", "property", "set", "stonith-enabled=false")
    boot = node.run("cat", "/proc/1/stat").stdout.split()[21]

    provider.freeze([node.name])

    assert provider.power_states()[node.name] == "frozen"
    assert lab.workstation.run("arping", "-c", "2", "-w", "2", "-I", "lan", str(node.lan)).rc != 0
    provider.thaw([node.name])
    assert lab.workstation.run("ping", "-c", "3", "-W", "1", str(node.lan)).ok
    assert node.run("cat", "/proc/1/stat").stdout.split()[21] == boot


def test_a_wrong_bmc_password_is_refused_and_changes_nothing(lab: Lab) -> None:
    node, account = lab.nodes[0], lab.credentials
    login = ["-H", str(node.bmc), "-U", account.bmc_user, "-P", "wrong"]

    refused = lab.workstation.run("ipmitool", "-I", "lanplus", "-R", "1", *login, "power", "off")

    assert refused.rc != 0
    assert node.power() == "on"


def test_fence_ipmilan_reaches_a_bmc_from_a_node_and_from_the_workstation(lab: Lab) -> None:
    one, two = lab.nodes
    account = lab.credentials
    login = [f"--ip={two.bmc}", f"--username={account.bmc_user}", f"--password={account.bmc_password}", "--lanplus"]

    from_node = one.run("fence_ipmilan", *login, "--action=status")
    from_workstation = lab.workstation.run("fence_ipmilan", *login, "--action=status")

    assert from_node.stdout.strip() == "Status: ON"
    assert from_workstation.stdout.strip() == "Status: ON"


def test_a_bmc_survives_many_power_cycles(cli: Cli, lab: Lab) -> None:
    lab.nodes[1].run("pcs", "property", "set", "stonith-enabled=false")  # so that nobody else switches it
    for _ in range(5):
        cli("bmc", "node1", "cycle")

    wait(lab.nodes[0].power, lambda state: state == "on", within=30, successes=1)
    lab.nodes[0].wait_booted()
    assert cli.instance().dead_bmcs() == []


@pytest.mark.core
def test_a_node_that_reboots_boots_again_with_power_all_the_time_and_keeps_its_journal(cli: Cli, lab: Lab) -> None:
    node = lab.others(lab.where("virtual_ip"))[0]
    lab.nodes[0].run("pcs", "property", "set", "stonith-enabled=false")
    boots = ("journalctl", "--list-boots", "--quiet", "--output=json")
    before = node.ask("cat", "/etc/machine-id").stdout, len(json.loads(node.ask(*boots).stdout))

    node.run("systemctl", "reboot")
    wait(node.power, lambda state: state == "off", within=60, successes=1, interval=0.05)
    meanwhile, status = bmc_power(node, "on").look(lab), why_off(look(cli.instance()))
    wait(node.power, lambda state: state == "on", within=60, successes=1)
    node.wait_booted()

    assert meanwhile.ok, meanwhile.seen
    assert status == [f"{node.name} reboots: its firmware starts the system within seconds"]
    assert (node.ask("cat", "/etc/machine-id").stdout, len(json.loads(node.ask(*boots).stdout))) == (
        before[0],
        before[1] + 1,
    )


def _pids_in(user_namespace: str) -> list[str]:
    """Return the host's processes that are in a user namespace, which /proc names so."""
    found = []
    for process in (entry for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            if str((process / "ns/user").readlink()) == user_namespace:
                found.append(process.name)
        except OSError:
            continue
    return found


def test_whatever_is_in_the_pool_can_be_installed(instances: Callable[..., Cli]) -> None:
    cli = instances("pool", "ha-web", "--nodes", "1")
    cli("up")
    install = "export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get install -y"

    witness = Witness(cli.instance())
    for package in load("debian12").pool:  # one by one, as some replace others
        done = cli.instance().provider.run("node1", ["sh", "-c", f"{install} {package}"], timeout=120)
        assert done.ok, f"{package}: {done.stdout[-2000:]}"
        assert witness.look() == []  # whatever its scripts make

    cli("down")


def test_files_ssh_and_a_browser_reach_the_nodes_from_the_host(
    cli: Cli, lab: Lab, tmp_path: Path, host_addresses: str
) -> None:
    (tmp_path / "files/below").mkdir(parents=True)
    (tmp_path / "files/below/text").write_text("from the host")
    owner, (other,) = lab.where("virtual_ip"), lab.others(lab.where("virtual_ip"))
    owner.run("firewall-cmd", "--remove-service=ssh")  # ssh needs no network, and no sshd that runs
    owner.run("systemctl", "stop", "ssh")

    cli("copy", str(tmp_path / "files"), f"{owner.name}:")
    cli("copy", f"{owner.name}:files/.", f"{other.name}:/root/twin")
    cli("copy", f"{other.name}:twin", str(tmp_path))
    config = tmp_path / "ssh.config"
    config.write_text(run(cli.argv("ssh-config")).stdout)
    there = f"{owner.name}:/root/by-scp"
    scp = run(["scp", "-F", str(config), str(tmp_path / "twin/below/text"), there])
    ssh = run(["ssh", "-F", str(config), f"{cli.name}-{owner.name}", "cat /root/by-scp; exit 7"])
    with subprocess.Popen(cli.argv("forward"), stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        url = next(word for line in forward.stdout for word in line.split() if word.startswith("http://127.0.0.1:"))
        page = run(["curl", "--silent", "--max-time", "10", url]).stdout
        addresses = addresses_of_host()
        forward.send_signal(signal.SIGINT)
        ended = forward.wait(timeout=20)

    owner.run("systemctl", "start", "ssh")
    owner.run("firewall-cmd", "--reload")
    assert scp.ok, scp.stderr
    assert (ssh.stdout, ssh.rc) == ("from the host", 7)
    assert owner.name in page
    assert ended == 0
    assert addresses == host_addresses


# Pushes characters into whatever terminal can be opened, as if they were typed there (ioctl_tty(2), TIOCSTI)
PUSH = """
import fcntl, os, termios
for place in ("/dev/tty", *(f"/proc/self/fd/{number}" for number in range(3))):
    try:
        terminal = os.open(place, os.O_RDWR)
        for letter in b"echo pushed\\n":
            fcntl.ioctl(terminal, termios.TIOCSTI, bytes([letter]))
        print(place, "pushed")
    except OSError as error:
        print(place, error.strerror)
"""
ASK = """
import sys
from halab.instance.instance import Instance
print(Instance.open(sys.argv[1]).provider.run("node1", ["python3", "-c", sys.argv[2]]).stdout)
"""


PUSH_FILE = "/root/push.py"
SHELLS = """
echo {push} | {inv}
{inv}
if read -r -t 1 line; then echo "typed on the host: $line"; else echo "nothing was typed on the host"; fi
"""


def on_a_terminal(argv: Sequence[str], typed: str = "") -> str:
    """Run a program on a terminal of its own, type something at the prompt of node1, and return all that appears."""
    seen: Any = pexpect.spawn(argv[0], list(argv[1:]), cwd=str(ROOT), encoding="utf-8", timeout=60)
    before = ""
    if typed:
        seen.expect(r"root@node1:.*# ")
        before = seen.before
        seen.sendline(typed)
    seen.expect(pexpect.EOF)
    seen.close()
    return f"{before}{seen.before}"


def test_a_program_on_a_node_cannot_type_on_the_hosts_terminal(cli: Cli) -> None:
    provider = cli.instance().provider
    provider.run("node1", ["tee", PUSH_FILE], input=PUSH)

    asked = on_a_terminal([sys.executable, "-c", ASK, cli.name, PUSH])
    shells = SHELLS.format(push=f"python3 {PUSH_FILE}", inv=shlex.join(cli.argv("ssh", "node1")))
    piped, _, typed = on_a_terminal(
        ["bash", "-c", shells], f"echo at the prompt; python3 {PUSH_FILE}; tty; exit"
    ).partition("at the prompt")

    assert "/dev/tty No such device or address" in asked
    assert "/dev/tty No such device or address" in piped
    assert "/dev/tty pushed" in typed  # there it is the node's own
    assert "/dev/pts/" in typed
    assert "nothing was typed on the host" in typed
    provider.run("node1", ["rm", PUSH_FILE])


@pytest.mark.parametrize("place", ["node1", "workstation"])
def test_a_command_has_its_input_as_it_is_and_ends_with_its_own_status(cli: Cli, place: str) -> None:
    given = bytes(range(256)) * 1000
    argv = cli.argv("ssh", place, "--", "sh", "-c", 'cat; echo "$@" >&2; exit 7', "sh", "a  b", "*")

    done = subprocess.run(argv, input=given, capture_output=True, check=False)

    assert (done.returncode, done.stdout) == (7, given)
    assert done.stderr.splitlines()[-1] == b"a  b *"


def test_ctrl_c_ends_a_command_on_its_node_where_it_has_no_terminal(cli: Cli) -> None:
    argv = cli.argv("ssh", "node1", "--", "sh", "-c", "echo ready; sleep 61.0616")

    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        status = process.wait(timeout=30)

    assert status == 130
    assert not cli.instance().provider.run("node1", ["pgrep", "-f", "61[.]0616"]).ok


# A FIFO over the file that tells the container's root, but not the host, whether it is frozen
COVER = "mkfifo /run/fifo; mount --bind /run/fifo /sys/fs/cgroup/cgroup.freeze"


def test_what_a_node_covers_does_not_hold_up_the_host(cli: Cli) -> None:
    provider = cli.instance().provider
    assert provider.run("node1", ["sh", "-c", COVER]).ok

    began = time.monotonic()
    states = provider.power_states()

    assert states == {"node1": "on", "node2": "on"}
    assert time.monotonic() - began < 5
    provider.run("node1", ["umount", "/sys/fs/cgroup/cgroup.freeze"])


def test_a_program_on_a_node_has_what_podman_gives_and_is_ended_with_its_children(cli: Cli) -> None:
    instance = cli.instance()
    tell = ["sh", "-c", "grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status; cat /proc/self/cgroup; ulimit -n"]
    script = "setsid sleep 61.0617 & sleep 61.0618"

    given = provider_and_podman(instance, tell)
    with pytest.raises(LabError, match="did not finish"):
        instance.provider.run("node1", ["sh", "-c", script], timeout=0.5)
    with pytest.raises(LabError, match="printed more than 16 MiB"):
        instance.provider.run("node1", ["cat", "/dev/zero"])

    assert given[0] == given[1]
    asked = instance.provider.ask("node1", ["grep", "-E", "^(Cap|Seccomp|NoNewPrivs)", "/proc/self/status"]).stdout
    assert given[0].startswith(asked)
    assert not instance.provider.run("node1", ["pgrep", "--full", "sleep 61.061"]).stdout


# What a learner might do who is asked for a cluster: every program that halab uses answers well, or not at all
FAKES = """
for program in crm_mon systemctl date; do
    cp --preserve $(command -v $program) /root/$program.real
    printf '#!/bin/sh\\necho fake' > $(command -v $program)
done
mv /usr/bin/env /root/env.real
site=$(python3 -m site --user-site)
mkdir -p $site
echo 'print("fake")' > $site/usercustomize.py
systemctl() { /root/systemctl.real "$@"; }
systemctl stop pcsd
"""
MEND = """
for program in crm_mon systemctl date; do cp --preserve /root/$program.real $(command -v $program); done
mv /root/env.real /usr/bin/env; rm -r /root/*.real /root/.local
systemctl start pcsd
"""
# Looks into every process that appears on the node, until it is told to stop
SPY = """
import os, sys
there, seen = set(os.listdir("/proc")), set()
print("looking", flush=True)
while not os.path.exists("/run/enough"):
    for pid in set(os.listdir("/proc")) - there:
        try:
            if open(f"/proc/{pid}/comm").read().strip() in ("python", "python3", "sleep"):
                seen.add("looked into " + ",".join(sorted(os.listdir(f"/proc/{pid}/root"))[:4]))
        except PermissionError:
            seen.add("denied")
        except OSError:
            pass
print(seen)
"""


def test_what_is_asked_on_a_node_is_told_by_programs_that_nobody_there_can_change(cli: Cli) -> None:
    provider = cli.instance().provider
    assert provider.run("node1", ["sh", "-c", FAKES]).ok

    hello = ["python3", "-c", "print('hello')"]

    own = provider.run("node1", ["crm_mon", "--output-as=xml"]).stdout
    python = [way("node1", hello).stdout for way in (provider.run, provider.ask)]
    told = provider.ask("node1", ["crm_mon", "--output-as=xml"]).stdout
    pcsd = provider.ask("node1", ["systemctl", "is-active", "pcsd"])
    status = cli("status")
    provider.run("node1", ["sh", "-c", MEND])

    assert own == "fake\n"
    assert python == ["fake\nhello\n", "hello\n"]
    assert '<node name="node2"' in told
    assert (pcsd.stdout, pcsd.rc) == ("inactive\n", 3)
    assert "Quorum: yes" in status


def test_root_of_a_node_can_look_into_nothing_that_asks_there(cli: Cli) -> None:
    provider = cli.instance().provider
    spying = subprocess.Popen(
        provider.console_argv("node1", ["python3", "-c", SPY], {}, terminal=False), stdout=subprocess.PIPE, text=True
    )
    assert spying.stdout
    spying.stdout.readline()

    for _ in range(20):
        provider.ask("node1", ["sleep", "0.05"])
    provider.run("node1", ["touch", "/run/enough"])

    seen = spying.communicate(timeout=20)[0]
    provider.run("node1", ["rm", "/run/enough"])
    assert seen.strip() == "{'denied'}"


def test_what_asks_on_a_node_keeps_nothing_of_it_alive_and_leaves_nothing_there(cli: Cli, lab: Lab) -> None:
    node, provider = lab.nodes[0], cli.instance().provider
    node.run("pcs", "property", "set", "stonith-enabled=false")  # so that nobody starts it again

    visitors = ["sh", "-c", "ls -d /sys/fs/cgroup/halab-*"]
    of_others = set(provider.run(node.name, visitors).stdout.split())  # those of `lab`, which is another's

    for _ in range(3):
        assert provider.ask(node.name, ["true"]).ok
    own = set(provider.run(node.name, visitors).stdout.split()) - of_others
    programs = provider.run(node.name, ["ps", "-e", "-o", "comm="]).stdout.split()
    provider.run(node.name, ["systemctl", "poweroff"])
    wait(lambda: provider.power_states()[node.name], lambda state: state == "off", within=60, successes=1)

    time.sleep(7)  # longer than its firmware would take
    assert f"{node.name} is off because its own system has switched it off" in cli("status")
    assert len(own) == 1
    assert "systemd" in programs
    assert not [program for program in programs if program.startswith("python")]
    assert lab.workstation.run("arping", "-c", "2", "-w", "2", "-I", "lan", str(node.lan)).rc != 0
    with pytest.raises(LabError, match="it is off"):
        provider.ask(node.name, ["true"])


def provider_and_podman(instance: Instance, argv: list[str]) -> tuple[str, str]:
    """Return what a program prints when halab runs it out of band, and when podman runs it."""
    console = instance.provider.console_argv("node1", argv, {}, terminal=False)
    return instance.provider.run("node1", argv).stdout, run(console).stdout
