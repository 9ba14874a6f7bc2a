"""`inv forward`, and the relay behind it. The fake workstation's network is this host's."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from halab.cli import forwarding
from halab.instance.instance import Instance
from halab.kit import relay
from halab.kit.errors import Exit, LabError
from tests.inv import Inv

# A relay in a process of its own, as it needs signals; it prints what it says, and ends with "ended"
RELAY = """
import os, signal, socket, sys
from halab.kit import relay
def make():
    if sys.argv[2] == "gone":
        raise OSError("the instance is not up")
    if sys.argv[2] == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    return socket.socket()
listening = relay.listen(0)
print(listening.getsockname()[1], flush=True)
relay.serve(listening, make, ("127.0.0.1", int(sys.argv[1])), lambda text: print(text, flush=True))
print("ended", flush=True)
"""

Relay = Callable[..., tuple[int, "subprocess.Popen[str]"]]


@pytest.fixture
def start() -> Iterator[Relay]:
    """A function that starts a relay to a port, and returns its own port and its process."""
    processes: list[subprocess.Popen[str]] = []

    def start(port: int, how: str = "up") -> tuple[int, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", RELAY, str(port), how],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        assert process.stdout
        return int(process.stdout.readline()), process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it got, in capitals, once it has got all of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(client: socket.socket) -> None:
            with client:
                got = b""
                while data := client.recv(65536):
                    got += data
                client.sendall(got.upper())

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[client], daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def ask(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while more := client.recv(65536):
            got += more
        return got


def test_what_is_sent_comes_back_after_one_side_has_ended_its_way(start: Relay, echo: int) -> None:
    port, _ = start(echo)

    assert ask(port, b"x" * 3_000_000) == b"X" * 3_000_000


def test_many_connections_at_once_are_all_served(start: Relay, echo: int) -> None:
    port, process = start(echo)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]

    assert ask(port, b"still there") == b"STILL THERE"

    for client in idle:
        client.close()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "ended\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_with_connections_open(start: Relay, echo: int, number: signal.Signals) -> None:
    port, process = start(echo)
    ask(port, b"it serves")

    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"half")
        process.send_signal(number)
        with suppress(ConnectionResetError):  # it ended before it took the connection
            assert client.recv(10) == b""

    assert process.communicate(timeout=20)[0] == "ended\n"
    assert process.returncode == 0


def test_it_ends_while_it_connects(start: Relay, echo: int) -> None:
    port, process = start(echo, "interrupted")

    with socket.create_connection(("127.0.0.1", port), timeout=20):
        assert process.communicate(timeout=20)[0] == "ended\n"


@pytest.mark.parametrize(("how", "reason"), [("up", "Connection refused"), ("gone", "the instance is not up")])
def test_what_cannot_be_reached_is_told_in_a_line_and_its_client_sees_the_end(
    start: Relay, how: str, reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    port, process = start(closed, how)

    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        assert client.recv(10) == b""

    assert process.stdout
    assert process.stdout.readline() == f"127.0.0.1 port {closed} cannot be reached: {reason}\n"


def test_it_ends_when_nobody_reads_what_it_says(start: Relay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    port, process = start(closed)
    assert process.stdout
    process.stdout.close()

    with suppress(OSError):
        ask(port, b"x")

    assert process.wait(timeout=20) == 1  # with a BrokenPipeError, which a command ends with quietly


def test_a_server_that_reads_nothing_does_not_fill_memory(start: Relay) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, process = start(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            sent, until = 0, time.monotonic() + 1
            while time.monotonic() < until:
                try:
                    sent += client.send(b"x" * 65536)
                except BlockingIOError:
                    time.sleep(0.05)
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])

    assert sent < 30_000_000  # what the kernel's buffers take
    assert pages * os.sysconf("SC_PAGE_SIZE") < 100 * 2**20


def test_it_listens_on_loopback_only() -> None:
    with relay.listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("target", "means"),
    [
        ("", ("10.1.0.100", 80)),
        ("8080", ("10.1.0.100", 8080)),
        ("vip:443", ("10.1.0.100", 443)),
        ("node2", ("10.1.0.11", 80)),
        ("node1:2224", ("10.1.0.10", 2224)),
        ("workstation:8000", ("127.0.0.1", 8000)),
        ("10.1.0.101:81", ("10.1.0.101", 81)),
    ],
)
def test_a_target_is_the_vip_or_a_node_or_an_address_of_the_lab(
    instance: Instance, target: str, means: tuple[str, int]
) -> None:
    assert forwarding.destination(instance.spec, target) == means


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nod1:80", 'did you mean "node1"'),
        ("node1:0", "is no port"),
        ("node1:x", '"x" is no port'),
        ("node1:65536", "is no port"),
        ("node1:²", "is no port"),
        ("8.8.8.8:53", "no address of the lab's networks"),
    ],
)
def test_another_target_is_refused(instance: Instance, target: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        forwarding.destination(instance.spec, target)


def test_the_url_is_told_and_a_port_that_is_taken_is_refused(
    instance: Instance, inv: Inv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "serve", lambda *_: None)
    inv("lab", "--name", "tiny", "--provider", "fake", "--distro", "debian12")

    assert inv("forward", "node1:2224", "--port", "0") == Exit.GOOD
    told = inv.out
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert inv("forward", "--port", port) == Exit.LAB_BROKEN

    assert told.startswith("https://127.0.0.1:")
    assert "is port 2224 of 10.1.0.10" in told
    assert f"port {port} of 127.0.0.1 cannot be had: Address already in use" in inv.err
