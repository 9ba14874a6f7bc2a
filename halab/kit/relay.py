"""Passing TCP connections on, from a port on this host's loopback address to sockets that a function gives."""

import asyncio
import os
import resource
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

LOOPBACK = "127.0.0.1"
CHUNK = 65_536  # bytes that are read at once; about twice as many may wait on each way of a connection
MOST = 500  # connections at a time; others wait until one ends
CONNECTING = 10.0  # seconds
# A peer that has vanished, as after a power cut, is given up after half a minute (tcp(7))
KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

Say = Callable[[str], None]


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of the loopback address, or on any free one (0). Raises OSError."""
    return socket.create_server((LOOPBACK, port), backlog=128)


def serve(listening: socket.socket, make: Callable[[], socket.socket], to: tuple[str, int], say: Say) -> None:
    """Pass connections on until SIGINT or SIGTERM. `make` returns a TCP socket that can reach `to`.

    When a connection fails, its client sees it closed, and `say` is told why. What `make` raises is an OSError.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if soft != resource.RLIM_INFINITY else soft, hard))
    asyncio.run(_serve(listening, make, to, say))


async def _serve(listening: socket.socket, make: Callable[[], socket.socket], to: tuple[str, int], say: Say) -> None:
    free, ended = asyncio.Semaphore(MOST), asyncio.Event()
    unsaid: list[OSError] = []

    async def passed_on(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # as this ends, nobody waits for a connection
            try:
                async with free:
                    await _pass_on(client, back, make, to, say)
            except OSError as error:  # nobody reads any more what is said
                unsaid.append(error)
                ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(passed_on, sock=listening, limit=CHUNK)
    await ended.wait()
    server.close()
    if unsaid:
        raise unsaid[0]


async def _pass_on(
    client: asyncio.StreamReader,
    back: asyncio.StreamWriter,
    make: Callable[[], socket.socket],
    to: tuple[str, int],
    say: Say,
) -> None:
    try:
        async with asyncio.timeout(CONNECTING):  # before Python 3.12, asyncio.wait_for may overlook that it is to end
            answers, forth = await _connect(make, to)
    except (TimeoutError, OSError) as error:
        back.close()
        late = isinstance(error, TimeoutError)
        reason = f"no answer within {CONNECTING:g} s" if late else os.strerror(error.errno) if error.errno else error
        say(f"{to[0]} port {to[1]} cannot be reached: {reason}")
        return
    try:
        await asyncio.gather(_copy(client, forth), _copy(answers, back))
    except OSError:  # one side broke the connection off, and so is the other
        back.transport.abort()
        forth.transport.abort()
    finally:
        back.close()
        forth.close()


async def _connect(
    make: Callable[[], socket.socket], to: tuple[str, int]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    made = make()
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            made.setsockopt(socket.IPPROTO_TCP, option, value)
        await asyncio.get_running_loop().sock_connect(made, to)
        return await asyncio.open_connection(sock=made, limit=CHUNK)
    except BaseException:
        made.close()
        raise


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one way until its end, which is told: the other way may go on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
