"""What nodes send to each other, as the bridges of the instance see it.

It runs where the bridges are, as `python -m halab.exams.witness.wire SECONDS ADDRESS ...`. It prints the address of
each node when it first hears from it what Corosync sends: UDP to another one of the nodes, or to all.
"""

import socket
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

ETH_P_ALL = 3  # linux/if_ether.h: this includes what a bridge passes on from one port to another
IPMI = 623
PAUSE = 0.2  # seconds between two looks at whether the time is over


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
    wire.settimeout(PAUSE)
    while time.monotonic() < deadline:
        try:
            yield wire.recv(2048)
        except TimeoutError:
            continue


def sent_by(packet: bytes, addresses: frozenset[IPv4Address]) -> IPv4Address | None:
    """Return which of the addresses sent a packet, or None.

    The packet must be UDP, not IPMI, and go to another one of the addresses, or to a group.
    """
    length = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < max(length, 20) + 8 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    source, target = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    ports = {int.from_bytes(packet[length + at : length + at + 2]) for at in (0, 2)}
    between = source in addresses and source != target and (target in addresses or target.is_multicast)
    return source if between and IPMI not in ports else None


if __name__ == "__main__":
    main()
