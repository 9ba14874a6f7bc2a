"""The emulated IPMI 2.0 controller (BMC) of one node: RMCP+ on UDP 623 of an address of its own.

Run as `python -m halab.bmcd`, one process a node, because one BMC must answer while another one is busy, and must
outlive its node. Chassis commands: IPMI 2.0 specification, 28.2 and 28.3.
"""

import json
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

from pyghmi.ipmi.bmc import Bmc

from halab.errors import HalabError
from halab.models import Credentials, NodeSpec

NODE_BUSY = 0xC0  # completion codes: IPMI 2.0, table 5-2
NOT_NOW = 0xD5


class PowerSwitch(Protocol):
    """The part of a provider that a BMC is wired to."""

    def power_states(self) -> dict[str, str]: ...
    def power_on(self, node: str) -> None: ...
    def power_off(self, node: str) -> None: ...
    def shut_down(self, node: str) -> None: ...


class NodeBmc(Bmc):  # type: ignore[misc]
    """A pyghmi BMC wired to one node. Every command that changes power is written to the event log first."""

    def __init__(self, node: NodeSpec, credentials: Credentials, switch: PowerSwitch, log: Path) -> None:
        self._node = node.name
        self._switch = switch
        self._log = log
        self._guid = uuid.uuid5(uuid.NAMESPACE_URL, f"halab:{node.bmc}")
        accounts = {credentials.bmc_user: credentials.bmc_password}
        super().__init__(accounts, bmcuuid=self._guid, address=str(node.bmc), port=623)

    def control_chassis(self, request: dict[str, Any], session: Any) -> None:
        actions = {0: "off", 1: "on", 2: "cycle", 3: "reset", 4: "diag", 5: "soft"}
        asked = actions.get(request["data"][0], "unknown")
        event = {"time": time.time(), "action": asked, "from": session.sockaddr[0].removeprefix("::ffff:")}
        with self._log.open("a") as log:
            log.write(json.dumps(event) + "\n")
        try:
            super().control_chassis(request, session)
        except HalabError as error:
            print(f"{asked}: {error}", flush=True)
            session.send_ipmi_response(code=NODE_BUSY)

    def get_power_state(self) -> str:
        return "on" if self._is_on() else "off"

    def power_on(self) -> int:
        self._switch.power_on(self._node)
        return 0

    def power_off(self) -> int:
        self._switch.power_off(self._node)
        return 0

    def power_cycle(self) -> int:
        if not self._is_on():
            return NOT_NOW
        self._switch.power_off(self._node)
        return self.power_on()

    def power_reset(self) -> int:
        return self.power_cycle()

    def power_shutdown(self) -> int:
        self._switch.shut_down(self._node)
        return 0

    def cold_reset(self) -> int:
        return 0

    def get_system_guid(self) -> uuid.UUID:
        return self._guid

    def _is_on(self) -> bool:
        return self._switch.power_states()[self._node] != "off"


def events(log: Path) -> list[dict[str, Any]]:
    """The power commands a BMC was given, oldest first: `time` (seconds since the epoch), `action`, `from` (address)."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
