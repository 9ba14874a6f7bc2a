"""A client that asks the service again and again, and asks everyone on the network who has its address.

It runs on the workstation, as `python -m halab.measure.probe VIP ADDRESS LINK NAMES [FOLDER SLOWNESS]`, and writes one
JSON array a line:

    ["http", sent, took, [NAME, ...]]  one GET: seconds since the epoch, seconds, which of NAMES the page has, or null
    ["arp", sent, [MAC, ...]]          who claimed the VIP in the tenth of a second after the question was sent
    ["put", sent, number, there]       one PUT of FOLDER/number, if a folder is given: whether it was acknowledged

Requests leave at a fixed cadence, whether or not earlier ones were answered, and each has a time limit. So an outage is
seen with the resolution of the cadence. Writes keep a node busy: on machines that are SLOWNESS times as slow as others
they are that much rarer, and have that much more time. `sent` shows a reader when the probe itself was late. The probe
ends when nobody reads its output any more, so it does not outlive the command that started it.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import count

from halab.measure import page

INTERVAL = 0.05  # seconds from one request to the next
PATIENCE = 0.9  # seconds; less than TCP waits before it sends a lost SYN again (RFC 6298: 1 s)
ARP_INTERVAL = 0.1
WRITE_INTERVAL = 0.1
ETHERTYPE_ARP = 0x0806
HTTP_PORT = 80


def tell(*record: object) -> None:
    print(json.dumps(record), flush=True)


async def exchange(vip: str, request: str, patience: float = PATIENCE) -> tuple[int, str]:
    """Return status and body of the answer to an HTTP request.

    Raises OSError, ValueError or TimeoutError if none comes.
    """
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection(vip, HTTP_PORT)
        try:
            writer.write(request.encode())
            read = b""
            while len(read) < page.MOST and (more := await reader.read(page.MOST - len(read))):
                read += more
        finally:
            writer.transport.abort()  # nothing of a request may outlive it
    begin, _, body = read.partition(b"\r\n\r\n")
    head = begin.decode(errors="replace")
    return int(head.split(" ")[1] if " " in head else ""), page.text_of(head, body)


async def get(vip: str, names: tuple[str, ...]) -> None:
    sent = time.time()
    named: tuple[str, ...] | None = None
    with suppress(OSError, ValueError, TimeoutError):
        status, body = await exchange(vip, f"GET / HTTP/1.1\r\nHost: {vip}\r\nConnection: close\r\n\r\n")
        named = page.names_in(body, names) if status == 200 else None
    tell("http", sent, time.time() - sent, named)


async def put(vip: str, folder: str, number: int, patience: float) -> None:
    sent, body = time.time(), f"{number}\n"
    acknowledged = False
    with suppress(OSError, ValueError, TimeoutError):
        head = f"PUT {folder}{number} HTTP/1.1\r\nHost: {vip}\r\nConnection: close\r\nContent-Length: {len(body)}"
        status, _ = await exchange(vip, f"{head}\r\n\r\n{body}", patience)
        acknowledged = status in (201, 204)  # created, or replaced
    tell("put", sent, number, acknowledged)


async def at_intervals(interval: float, act: Callable[[], Coroutine[None, None, None]]) -> None:
    """Start `act` at each interval, whether or not the one before has ended."""
    async with asyncio.TaskGroup() as begun:
        due = time.monotonic()
        while True:
            begun.create_task(act())
            due = max(due + interval, time.monotonic())  # a probe that was late does not catch up with a burst
            await asyncio.sleep(due - time.monotonic())


async def ask_for_owners(vip: str, own: str, link: str) -> None:
    """Report who answers ARP (RFC 826) for the VIP, on a packet(7) socket.

    arping(8) would stop at the first answer, and the kernel keeps only one.
    """
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
    """Return the MAC address that claims the IPv4 address in this ARP frame, asked or unasked, or None."""
    *_, mac, sender, _target_mac, _target = struct.unpack("!HHBBH6s4s6s4s", frame[14:42])
    return mac.hex(":") if sender == address.packed else None


def received(wire: socket.socket) -> list[bytes]:
    frames = []
    while True:
        try:
            frames.append(wire.recv(128))
        except BlockingIOError:
            return frames


async def main(vip: str, own: str, link: str, names: str, folder: str = "", slowness: str = "1") -> None:
    slow = float(slowness)
    numbers = count(int(time.time() / WRITE_INTERVAL))  # no number is written twice, even by a later measurement
    async with asyncio.TaskGroup() as all_at_once:
        all_at_once.create_task(ask_for_owners(vip, own, link))
        all_at_once.create_task(at_intervals(INTERVAL, lambda: get(vip, tuple(names.split(",")))))
        if folder:
            patience = PATIENCE * slow
            all_at_once.create_task(
                at_intervals(WRITE_INTERVAL * slow, lambda: put(vip, folder, next(numbers), patience))
            )


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except* (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
