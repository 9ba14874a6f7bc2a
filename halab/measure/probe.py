"""A client that asks the service again and again, and everyone on the network who has its address.

Run on the workstation, as `python -m halab.measure.probe VIP ADDRESS LINK`; it writes one JSON array a line:

    ["http", sent, took, node]    one GET: seconds since the epoch, seconds, the first line of the page or null
    ["arp", sent, [MAC, ...]]     who claimed the VIP in the tenth of a second after it was asked for

Requests leave at a fixed cadence whether or not earlier ones were answered, and each is bounded, so an outage is seen
with the resolution of the cadence. A reader can tell from `sent` when the probe itself was late. It ends when nobody
reads any more, so it does not outlive the command that started it.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from ipaddress import IPv4Address

INTERVAL = 0.05  # seconds from one request to the next
PATIENCE = 0.9  # seconds; less than TCP waits before it sends a lost SYN again (RFC 6298: 1 s)
ARP_INTERVAL = 0.1
ETHERTYPE_ARP = 0x0806
HTTP_PORT = 80


def tell(*record: object) -> None:
    print(json.dumps(record), flush=True)


async def get(vip: str) -> str:
    """The first line of the page. Raises OSError, ValueError or TimeoutError when there is none, or not with 200."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(vip, HTTP_PORT)
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {vip}\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode(errors="replace")
        finally:
            writer.transport.abort()  # nothing of a request may outlive it
    head, _, page = answer.partition("\r\n\r\n")
    if " 200 " not in head.partition("\r\n")[0]:
        raise ValueError(head.partition("\r\n")[0])
    return page.partition("\n")[0]


async def request(vip: str) -> None:
    sent = time.time()
    try:
        page: str | None = await get(vip)
    except (OSError, ValueError, TimeoutError):
        page = None
    tell("http", sent, time.time() - sent, page)


async def ask_for_page(vip: str) -> None:
    async with asyncio.TaskGroup() as requests:
        due = time.monotonic()
        while True:
            requests.create_task(request(vip))
            due = max(due + INTERVAL, time.monotonic())  # a probe that was late does not catch up with a burst
            await asyncio.sleep(due - time.monotonic())


async def ask_for_owners(vip: str, own: str, link: str) -> None:
    """ARP (RFC 826) on a packet(7) socket: arping(8) stops at the first answer, and the kernel keeps only one."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP)) as wire:
        wire.bind((link, ETHERTYPE_ARP))
        wire.setblocking(False)
        mac = wire.getsockname()[4]
        question = arp_request(mac, IPv4Address(own), IPv4Address(vip))
        due = time.monotonic()
        while True:
            sent = time.time()
            wire.send(question)
            due = max(due + ARP_INTERVAL, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            claims = {claim for frame in received(wire) if (claim := claimed_by(frame, IPv4Address(vip)))}
            tell("arp", sent, sorted(claims))


def arp_request(mac: bytes, own: IPv4Address, wanted: IPv4Address) -> bytes:
    ethernet = struct.pack("!6s6sH", b"\xff" * 6, mac, ETHERTYPE_ARP)
    return ethernet + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, own.packed, b"\0" * 6, wanted.packed)


def claimed_by(frame: bytes, address: IPv4Address) -> str | None:
    """The MAC address that says in this frame, answering or of its own accord, that it has the IPv4 address."""
    *_, mac, sender, _target_mac, _target = struct.unpack("!HHBBH6s4s6s4s", frame[14:42])
    return mac.hex(":") if sender == address.packed else None


def received(wire: socket.socket) -> list[bytes]:
    frames = []
    while True:
        try:
            frames.append(wire.recv(128))
        except BlockingIOError:
            return frames


async def main(vip: str, own: str, link: str) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(ask_for_page(vip))
        both.create_task(ask_for_owners(vip, own, link))


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except* (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
