"""Knocks at ports, hears what a firewall lets through, and rehearses what it will let through after a boot.

It runs by itself, as `python3 -I -c SOURCE ROLE JSON`, on nodes and on the workstation, and prints JSON. So it imports
nothing of halab, and does with Python 3.9. Ports are written as firewalld does: 2224/tcp.

knock {address, ports, mark}           connects to each port of TCP, and sends each of UDP a datagram with the mark;
                                       prints the own address, and what each met: open, refused, closed, silent
hear {ports, mark, clients, seconds}   prints who has come through this host's firewall to each port, when as many
                                       clients as that have come to each, or after some seconds
rehearse {address, clients, ports}     starts the firewalls that start when this host boots, in a network namespace of
                                       their own, knocks there, and prints who has come through
"""

import ctypes
import errno
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000  # linux/sched.h
MS_REC, MS_PRIVATE = 16384, 1 << 18  # linux/mount.h
SCRATCH = b"/dev/shm"  # a directory that is always there, and that nothing here needs
PATIENCE = 2.0  # seconds for an answer
SYN, ACK = 2, 16  # RFC 9293, 3.1
REJECTED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.ENOPROTOOPT)
LOADS = {  # by unit, the commands that load its rules; those whose file is not there are left out
    "nftables": (("nft", "-f", "/etc/nftables.conf"), ("nft", "-f", "/etc/sysconfig/nftables.conf")),
    "iptables": (("iptables-restore", "/etc/sysconfig/iptables"),),
    "netfilter-persistent": (("iptables-restore", "/etc/iptables/rules.v4"),),
}


def knock(address: str, ports: list[str], mark: str, source: str = "") -> dict[str, Any]:
    with ExitStack() as opened:
        ends = {port: opened.enter_context(_end(port)) for port in ports}
        return _knock(ends, address, mark, source)


def _knock(ends: dict[str, socket.socket], address: str, mark: str, source: str) -> dict[str, Any]:
    met = dict.fromkeys(ends, "silent")
    waiting = {}
    for port, end in ends.items():
        end.setblocking(False)
        end.bind((source, 0))
        error = end.connect_ex((address, int(port.partition("/")[0])))
        source = source or end.getsockname()[0]
        if error not in (0, errno.EINPROGRESS):
            met[port] = _told(error)
        elif port.endswith("udp"):
            end.send(mark.encode())
        else:
            waiting[end] = port
    until = time.monotonic() + PATIENCE
    while waiting and (left := until - time.monotonic()) > 0:
        for end in select.select([], list(waiting), [], left)[1]:
            met[waiting.pop(end)] = _told(_error(end))
    for port, end in ends.items():
        if port.endswith("udp") and (error := _error(end)):  # what ICMP has said meanwhile
            met[port] = _told(error)
    return {"own": source, "met": met}


def _end(port: str) -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM if port.endswith("tcp") else socket.SOCK_DGRAM)


def _error(end: socket.socket) -> int:
    return end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _told(error: int) -> str:
    if not error:
        return "open"
    return "refused" if error == errno.ECONNREFUSED else "closed" if error in REJECTED else "silent"


def hear(ports: list[str], mark: str, clients: int, seconds: float) -> dict[str, list[str]]:
    """A raw socket gets what has passed the firewall, whether somebody listens or not (raw(7))."""
    heard: dict[str, set[str]] = {port: set() for port in ports}
    ears = [socket.socket(socket.AF_INET, socket.SOCK_RAW, kind) for kind in (socket.IPPROTO_TCP, socket.IPPROTO_UDP)]
    until = time.monotonic() + seconds
    while min(map(len, heard.values())) < clients and (left := until - time.monotonic()) > 0:
        for ear in select.select(ears, [], [], left)[0]:
            packet, (source, _) = ear.recvfrom(65536)
            segment = packet[(packet[0] & 15) * 4 :]
            port = int.from_bytes(segment[2:4], "big")
            if ear is ears[0] and segment[13] & (SYN | ACK) == SYN:
                heard.get(f"{port}/tcp", set()).add(source)
            if ear is ears[1] and segment[8:] == mark.encode():
                heard.get(f"{port}/udp", set()).add(source)
    return {port: sorted(sources) for port, sources in heard.items()}


def rehearse(address: str, clients: list[str], ports: list[str]) -> dict[str, Any]:
    units = [unit for unit in ("firewalld", *LOADS) if _said("systemctl", "is-enabled", unit).strip() == "enabled"]
    listed = json.loads(_said("ip", "-json", "-4", "address", "show"))
    links = [link for link in listed if link and "LOOPBACK" not in link["flags"]]
    zones = {link["ifname"]: _zone(link["ifname"]) for link in links}
    _alone()
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    said, tell = os.pipe()
    begin, go = os.pipe()
    peer = os.fork()
    if not peer:
        try:
            os.close(go)
            _alone()
            for link in links:
                _link(link["ifname"], here)
            os.write(tell, b".")
            os.read(begin, 1)  # until addresses and firewalls are there
            for link in links:
                near = [client for client in clients if address in _addresses(link)]
                _connect(link, {client: _addresses(link)[address] for client in near})
            os.write(tell, json.dumps([knock(address, ports, "halab", client) for client in clients]).encode())
        except OSError as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    os.close(tell)
    if (first := os.read(said, 1000)) != b".":
        raise OSError(first.decode())
    for link in links:
        _connect(link, _addresses(link))
    on = _load(units, zones)
    ends = [_listening(port) for port in ports]
    os.write(go, b".")
    with os.fdopen(said) as file:
        knocked = json.loads(file.read() or "[]")
    os.waitpid(peer, 0)
    passed: dict[str, list[str]] = {client: [] for client in clients}
    for one in knocked:
        passed[one["own"]] += [port for port, met in one["met"].items() if met == "open"]
    for port, end in zip(ports, ends):  # noqa: B905  # Python 3.9 has no strict=
        while port.endswith("udp") and select.select([end], [], [], 0)[0]:
            passed[end.recvfrom(100)[1][0]].append(port)
    return {"units": units, "on": on, "passed": passed}


def _addresses(link: dict[str, Any]) -> dict[str, int]:
    """Return the prefix length of each address of a link."""
    return {held["local"]: held["prefixlen"] for held in link["addr_info"]}


def _link(name: str, there: int) -> None:
    """Make a link between this network and another one, given by a descriptor, with the same name at both ends.

    A process of the other network will not do in its place: iproute2 6.15 looks into /proc for it, where what a node is
    asked with may not look.
    """
    peer = ("peer", "name", name, "netns", f"/proc/self/fd/{there}")
    _must("ip", "link", "add", name, "type", "veth", *peer, keeps=[there])


def _connect(link: dict[str, Any], addresses: dict[str, int]) -> None:
    _must("ip", "link", "set", link["ifname"], "up")
    for address, prefix in addresses.items():
        _must("ip", "address", "add", f"{address}/{prefix}", "dev", link["ifname"])


def _load(units: list[str], zones: dict[str, str]) -> bool:
    """Start these firewalls, and return whether there is a filter of what comes in then."""
    if "firewalld" in units:
        functions: Any = import_module("firewall.functions")
        functions.FIREWALLD_TEMPDIR = f"{SCRATCH.decode()}/firewalld"
        firewall = import_module("firewall.core.fw").Firewall()  # what the daemon itself starts, without its D-Bus
        firewall.start()
        for link, zone in zones.items():
            if zone:
                firewall.zone.change_zone_of_interface(zone, link)
    for unit in units:
        for argv in LOADS.get(unit, ()):
            if Path(argv[-1]).exists():
                _said(*argv)  # which loads nothing where it fails, as at boot
    return filtered(_said("nft", "--json", "list", "ruleset"))


def filtered(ruleset: str) -> bool:
    """Return whether a ruleset, in the JSON of nft(8), has a rule or a policy for what comes in."""
    found = json.loads(ruleset or '{"nftables": []}')["nftables"]
    chains = [entry["chain"] for entry in found if entry.get("chain", {}).get("hook") == "input"]
    ruled = {
        (one["family"], one["table"], one["chain"]) for one in (entry["rule"] for entry in found if "rule" in entry)
    }
    return any(one.get("policy") == "drop" or (one["family"], one["table"], one["name"]) in ruled for one in chains)


def _listening(port: str) -> socket.socket:
    end = _end(port)
    end.bind(("", int(port.partition("/")[0])))
    if port.endswith("tcp"):
        end.listen(100)
    return end


def _zone(link: str) -> str:
    """Return the zone that NetworkManager gives a link when it comes up (nm-settings(5), connection.zone), or none."""
    with suppress(FileNotFoundError):
        connection = _said("nmcli", "--get-values", "GENERAL.CON-UUID", "device", "show", link).strip()
        return _said("nmcli", "--get-values", "connection.zone", "connection", "show", connection).strip()
    return ""


def _alone() -> None:
    """Go to a network without links, and to a place for files that nobody else sees."""
    _call("unshare", CLONE_NEWNET | CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", b"tmpfs", SCRATCH, b"tmpfs", 0, None)
    _must("ip", "link", "set", "lo", "up")


def _call(name: str, *arguments: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


def _said(*argv: str) -> str:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def _must(*argv: str, keeps: Sequence[int] = ()) -> None:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=keeps
    )
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stdout.strip()}")


ROLES: dict[str, Callable[..., Any]] = {"knock": knock, "hear": hear, "rehearse": rehearse}
if __name__ == "__main__":
    print(json.dumps(ROLES[sys.argv[1]](**json.loads(sys.argv[2]))))
