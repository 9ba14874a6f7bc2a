"""Where the page is served: on loopback only, or elsewhere with a certificate and its key."""

import ipaddress
import json
import signal
import ssl
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.kit.typed import shown, whole
from halab.web.access import Access, Who, directory

PORT = 8717
CHANGED = signal.SIGUSR1  # tells the server that somebody's access has ended
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Listening:
    """The port, the address, and, unless that is loopback, the files of a certificate and its key."""

    port: int = PORT
    address: str = LOOPBACK
    certificate: str = ""
    key: str = ""

    @property
    def tls(self) -> bool:
        return bool(self.certificate)

    @property
    def url(self) -> str:
        """The page's address, which a browser is given."""
        name = next((name for name in self._names if "*" not in name), self.address)
        return f"{'https' if self.tls else 'http'}://{_with_port(name, self.port)}"

    @property
    def hosts(self) -> frozenset[str]:
        """What a Host header may be: exactly a name of this server, with its port."""
        hosts = {_with_port(name, self.port).lower() for name in self._names}
        if self.port == (443 if self.tls else 80):  # which a browser leaves out
            hosts |= {host.rpartition(":")[0] for host in hosts}
        return frozenset(hosts)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        if not self.tls:
            return (self.address, "localhost")
        own = () if ipaddress.ip_address(self.address).is_unspecified else (self.address,)
        return (*_names_of(self.certificate), *own)

    def context(self) -> ssl.SSLContext | None:
        """Return what makes connections secret; None on loopback. Raises LabError when the files do not fit."""
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password=_refuse_passphrase)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise LabError(f"{self.certificate} with {self.key} cannot be used: {why}") from None
        return context


def asked_for(port: str | None, address: str | None, certificate: str | None, key: str | None) -> Listening:
    """Return where the page is to be served. Raises LabError for what would be open to others without a certificate."""
    number = PORT if port is None else whole("--port", port, 1, 65_535)
    if address is None and (certificate or key):
        raise LabError("--certificate and --key are for --listen ADDRESS; on 127.0.0.1 the page needs neither")
    if address is None:
        return Listening(number)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise LabError(f"--listen takes an address of this host, not {shown(address)}") from None
    if not (certificate and key):
        raise LabError("--listen needs --certificate FILE and --key FILE: passwords of labs, and shells, go over it")
    listening = Listening(number, address, str(Path(certificate).absolute()), str(Path(key).absolute()))
    listening.context()
    return listening


def link(where: Listening, who: Who) -> str:
    """Return a new link, which is good for one login."""
    return f"{where.url}/#token={Access(directory()).link(who)}"


def remember(place: Path, listening: Listening, pid: int) -> None:
    """Keep where the page is served, for commands that print links to it."""
    write_atomically(place / "server.json", json.dumps({"pid": pid, **asdict(listening)}))


def remembered(place: Path, pid: int) -> Listening | None:
    """Return where the server of that process serves the page; None when it does not do so yet."""
    try:
        kept = json.loads((place / "server.json").read_bytes())
    except (OSError, ValueError):
        return None
    return Listening(**kept) if kept.pop("pid") == pid else None


def _refuse_passphrase() -> str:
    """OpenSSL asks for one in a terminal, which the server in the background has not."""
    raise ValueError("the key is encrypted; `openssl pkey -in FILE -out PLAIN` decrypts it")


def _with_port(name: str, port: int) -> str:
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _names_of(certificate: str) -> tuple[str, ...]:
    """Return the names and addresses that a certificate is for. Raises LabError when it is none."""
    from cryptography import x509  # which takes memory that a server on loopback needs not

    try:
        found = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    except (OSError, ValueError) as error:
        raise LabError(f"{certificate} is no certificate in PEM that can be read: {error}") from None
    dns = names.get_values_for_type(x509.DNSName)
    return (*dns, *map(str, names.get_values_for_type(x509.IPAddress)))
