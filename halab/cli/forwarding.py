"""`inv forward`: a page of the instance in the host's browser, by a port on the host's loopback address."""

import socket
from ipaddress import AddressValueError, IPv4Address

from halab.instance.instance import Instance
from halab.instance.nodes import Workstation
from halab.kit import relay
from halab.kit.errors import LabError
from halab.kit.toml import suggestion
from halab.spec.models import LabSpec

HTTP = 80
HTTPS = (443, 2224)  # the second is pcsd's
PORTS = range(1, 65_536)


def forward(instance: Instance, target: str, port: int, say: relay.Say) -> None:
    """Pass connections on to a port of the lab until Ctrl-C. Raises LabError when that cannot begin."""
    to = destination(instance.spec, target)
    with _listening(port, to[1]) as listening:
        scheme = "https" if to[1] in HTTPS else "http"
        url = f"{scheme}://{relay.LOOPBACK}:{listening.getsockname()[1]}/"
        say(f"{url} is port {to[1]} of {to[0]}, as the workstation sees it, until Ctrl-C.")
        relay.serve(listening, instance.provider.workstation_socket, to, say)


def destination(spec: LabSpec, target: str) -> tuple[str, int]:
    """Return the address and port that NODE:PORT means, or ADDRESS:PORT; the VIP and port 80 where they are left out.

    Raises LabError when there is no such node, address or port.
    """
    name, _, number = target.rpartition(":") if ":" in target or target.isdigit() else (target, "", "")
    port = int(number) if number.isdecimal() else HTTP if not number else 0
    if port not in PORTS:
        raise LabError(f'"{number}" is no port: 1 to {PORTS[-1]}')
    known = {node.name: str(node.lan) for node in spec.nodes} | {Workstation.name: relay.LOOPBACK, "vip": str(spec.vip)}
    if name in known:
        return known[name], port
    try:
        address = IPv4Address(name) if name else spec.vip
    except AddressValueError:
        raise LabError(f'there is no node "{name}", {suggestion(name, list(known))}') from None
    if not any(address in network.subnet for _, network in spec.networks.by_name()):
        raise LabError(f"{address} is no address of the lab's networks")
    return str(address), port


def _listening(wanted: int, target: int) -> socket.socket:
    """Return a socket on the wanted port; without one, on a port that reminds of the target's, or any free one."""
    if wanted and wanted not in PORTS:
        raise LabError(f'"{wanted}" is no port: 1 to {PORTS[-1]}')
    if wanted:
        try:
            return relay.listen(wanted)
        except OSError as error:
            raise LabError(f"port {wanted} of {relay.LOOPBACK} cannot be had: {error.strerror}; try another") from None
    try:
        return relay.listen(target if target >= 1024 else 8000 + target)
    except OSError:
        return relay.listen(0)
