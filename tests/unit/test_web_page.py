"""`inv page`: what it refuses, the links that it prints, and the server that it starts and ends."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from halab.kit.errors import Exit, LabError
from halab.kit.paths import ROOT
from halab.kit.process import find_daemons
from halab.providers import rights
from halab.web import assets, listening, page
from halab.web.access import Access, directory
from halab.web.listening import Listening, asked_for
from tests.inv import Inv
from tests.page_server import free_port

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # as it is to be
ANYWHERE = "0.0.0.0"  # noqa: S104  # which only a certificate allows


@pytest.fixture
def inv(up: Inv, as_root: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inv]:
    """`inv`, with the instance `tiny` up, and the modules of the page there."""
    monkeypatch.setattr(assets, "ensure", lambda say: None)
    yield up
    page.end_daemons(f"{directory()}/server")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Files of a certificate for lab.example, *.class.example and 127.0.0.1, and of its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("lab.example"), x509.DNSName("*.class.example"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def log_in(out: str) -> str | None:
    """Return for whom the link is that was printed, as a browser learns by it."""
    url, _, token = out.split()[0].partition("/#token=")
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        headers = {"Origin": url, "Content-Type": "application/json"}
        connection.request("POST", "/login", f'{{"token": "{token}"}}', headers)
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == 200 else None
    finally:
        connection.close()


def test_a_page_is_served_in_the_background_until_it_is_stopped(inv: Inv) -> None:
    port = str(free_port())
    assert inv("page", "--port", port, "--background") == Exit.GOOD
    out = inv.out

    assert log_in(out) == '{"role": "learner", "instance": "tiny"}'
    assert log_in(out) is None
    assert inv("page", "--port", port, "--background") == Exit.LAB_BROKEN
    assert f"a page is served already, at http://127.0.0.1:{port}" in inv.err
    assert inv("page", "--stop") == Exit.GOOD
    assert find_daemons(f"{directory()}/server") == {}
    assert inv("page", "--stop") == Exit.GOOD
    assert "nothing to stop" in inv.out


def test_links_are_printed_and_access_is_ended_while_it_is_served(inv: Inv) -> None:
    assert inv("page", "--port", str(free_port()), "--background") == Exit.GOOD

    assert inv("page", "--for", "alice") == Exit.GOOD
    alice = inv.out
    assert inv("page", "--instructor") == Exit.GOOD
    board = inv.out
    assert inv("page", "--revoke", "alice") == Exit.GOOD

    assert log_in(alice) is None
    assert log_in(board) == '{"role": "instructor", "instance": null}'
    assert inv("page", "--revoke", "alice") == Exit.NOTHING_CHECKED
    assert inv("page", "--revoke", "instructor") == Exit.GOOD


def test_the_server_goes_on_until_ctrl_c_and_ends_well(inv: Inv) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "halab.web.server", str(port), "127.0.0.1", "", "", "learner", "tiny"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HALAB_MARK": f"{directory()}/server"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        link = server.stdout.readline()
        assert "is served until Ctrl-C" in server.stdout.readline()
        assert log_in(link) == '{"role": "learner", "instance": "tiny"}'
        server.send_signal(signal.SIGINT)
        assert server.wait(5) == Exit.GOOD


def test_two_servers_cannot_serve_one_state_whatever_their_ports(inv: Inv) -> None:
    assert inv("page", "--port", str(free_port()), "--background") == Exit.GOOD
    argv = [sys.executable, "-m", "halab.web.server", str(free_port()), "127.0.0.1", "", ""]

    second = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

    assert second.returncode == Exit.LAB_BROKEN
    assert second.stderr.startswith("halab: a page is served already")


def test_a_port_that_is_taken_is_told_in_a_sentence(inv: Inv) -> None:
    taken = page_socket()
    port = str(taken.getsockname()[1])
    with taken:
        assert inv("page", "--port", port, "--background") == Exit.LAB_BROKEN

    assert f"port {port} of 127.0.0.1: Address already in use; try: --port N" in inv.err


def page_socket() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--port", "0"], "--port must be a whole number from 1 to 65535"),
        (["--port", "http"], "--port must be a whole number"),
        (["--listen", ANYWHERE], "--listen needs --certificate FILE and --key FILE"),
        (["--listen", "evil.example", "--certificate", "x", "--key", "x"], "--listen takes an address"),
        (["--listen", ANYWHERE, "--certificate", "/nowhere", "--key", "/nowhere"], "cannot be used: No such file"),
        (["--certificate", "x"], "--certificate and --key are for --listen"),
        (["--for", "../alice"], "is no name for an instance"),
        (["--for", "alice", "--instructor"], "use one of them"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_sentence(inv: Inv, words: list[str], told: str) -> None:
    assert inv("page", "--background", *words) == Exit.LAB_BROKEN
    assert told in inv.err


def test_whoever_is_not_root_is_told_so(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "no_nodes_because", lambda: "become root and type the same again")

    assert inv("page", "--background") == Exit.LAB_BROKEN
    assert "become root" in inv.err


def test_without_npm_it_says_what_to_install(inv: Inv, monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(say: object) -> None:
        raise LabError("install npm, as root: apt-get install npm")

    monkeypatch.setattr(assets, "ensure", ensure)

    assert inv("page", "--background") == Exit.LAB_BROKEN
    assert "apt-get install npm" in inv.err


def test_a_host_is_one_of_loopback_with_the_port() -> None:
    assert Listening(8717).hosts == {"127.0.0.1:8717", "localhost:8717"}
    assert "127.0.0.1" in Listening(80).hosts


def test_elsewhere_a_host_is_a_name_of_the_certificate_or_the_address(certificate: tuple[str, str]) -> None:
    where = asked_for("443", "10.0.0.5", *certificate)
    anywhere = asked_for("8717", ANYWHERE, *certificate)

    assert {"lab.example", "lab.example:443", "127.0.0.1:443", "10.0.0.5"} <= where.hosts
    assert f"{ANYWHERE}:8717" not in anywhere.hosts
    assert where.url == "https://lab.example:443"


def test_a_key_with_a_passphrase_is_refused_and_asked_for_nowhere(certificate: tuple[str, str]) -> None:
    key = serialization.load_pem_private_key(Path(certificate[1]).read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x"))
    Path(certificate[1]).write_bytes(key.private_bytes(*form))

    with pytest.raises(LabError, match="the key is encrypted"):
        asked_for(None, ANYWHERE, *certificate)


def test_under_tls_logins_are_of_this_host_only(certificate: tuple[str, str]) -> None:
    where = asked_for(str(free_port()), "127.0.0.1", *certificate)
    argv = [sys.executable, "-m", "halab.web.server", str(where.port), where.address, *certificate]
    trusting = ssl.create_default_context(cafile=certificate[0])
    with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)}) as server:
        try:
            while listening.remembered(directory(), server.pid) is None:
                assert server.poll() is None
                time.sleep(0.05)
            token = Access(directory()).link(page.somebody("tiny", False))
            connection = http.client.HTTPSConnection("127.0.0.1", where.port, timeout=5, context=trusting)
            headers = {"Origin": f"https://127.0.0.1:{where.port}", "Content-Type": "application/json"}
            connection.request("POST", "/login", f'{{"token": "{token}"}}', headers)
            answer = connection.getresponse()
            connection.close()
        finally:
            server.terminate()

    cookie = answer.headers["Set-Cookie"]
    assert answer.status == 200
    assert cookie.startswith(f"__Host-halab-{where.port}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
