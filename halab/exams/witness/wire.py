"""What nodes send to each other, as the bridges of the instance see it.

Run where the bridges are, as `python -m halab.exams.witness.wire SECONDS ADDRESS ...`; it writes a line for each node,
by its address, when it is first heard to send what Corosync sends: UDP to another one of them, or to all.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from halab.instance import Instance

ETH_P_ALL = 3  # linux/if_ether.h: also what is passed on from one port of a bridge to another
IPMI = 623
PATIENCE = 20.0  # seconds: with a token of 14 s Corosync sends something every four seconds
PING = 0.2  # seconds between two looks at whether the time is over


class Ear:
    """Listens from now on, beside whatever else is done, to all nodes of an instance."""

    def __init__(self, instance: Instance) -> None:
        self._names = {str(address): node.name for node in instance.spec.nodes for address in (node.lan, node.mgmt)}
        argv = [sys.executable, "-m", "halab.exams.witness.wire", str(PATIENCE), *self._names]
        self._listening = subprocess.Popen(
            instance.provider.bridge_argv(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._heard: set[str] = set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def silent(self, nodes: Iterable[str]) -> list[str]:
        """Those of the nodes that send nothing; waits until all were heard, 20 s at most since it listens."""
        wanted = set(nodes)
        while wanted - self._heard and self._reader.is_alive():
            self._reader.join(PING)
        return sorted(wanted - self._heard)

    def close(self) -> None:
        self._listening.terminate()
        self._listening.wait()
        self._reader.join()
        if self._listening.stdout:
            self._listening.stdout.close()

    def _read(self) -> None:
        assert self._listening.stdout  # noqa: S101  # it was asked for
        for line in self._listening.stdout:
            self._heard.add(self._names[line.strip()])


def main() -> None:
    seconds, addresses = float(sys.argv[1]), frozenset(map(IPv4Address, sys.argv[2:]))
    heard: set[IPv4Address] = set()
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as wire:
        for packet in packets(wire, time.monotonic() + seconds):
            sender = sent_by(packet, addresses)
            if sender and sender not in heard:
                heard.add(sender)
                print(sender, flush=True)


def packets(wire: socket.socket, deadline: float) -> Iterator[bytes]:
    wire.settimeout(PING)
    while time.monotonic() < deadline:
        try:
            yield wire.recv(2048)
        except TimeoutError:
            continue


def sent_by(packet: bytes, addresses: frozenset[IPv4Address]) -> IPv4Address | None:
    """Which of the addresses sent a packet to another one of them, or to a group, by UDP and not IPMI; or None."""
    length = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < max(length, 20) + 8 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    source, target = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    ports = {int.from_bytes(packet[length + at : length + at + 2]) for at in (0, 2)}
    between = source in addresses and source != target and (target in addresses or target.is_multicast)
    return source if between and IPMI not in ports else None


if __name__ == "__main__":
    main()
