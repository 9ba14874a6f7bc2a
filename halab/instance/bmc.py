"""The emulated IPMI 2.0 controller (BMC) of one node: RMCP+ on UDP 623 of an address of its own.

Run as `python -m halab.instance.bmcd`, one process a node, because one BMC must answer while another one is busy, and
must outlive its node. Chassis commands: IPMI 2.0 specification, 28.2 and 28.3.

On a server, a system that reboots leaves the power on, and firmware starts it again. A container that reboots ends. So
its BMC, which is always there, plays the firmware's part too.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pyghmi.ipmi.bmc import Bmc

from halab.instance.power_on_due import OutOfService, PowerOnDue, switching
from halab.kit.errors import HalabError
from halab.providers import CRASHED, REBOOTS
from halab.spec.models import Credentials, NodeSpec

NODE_BUSY = 0xC0  # completion codes: IPMI 2.0, table 5-2
NOT_NOW = 0xD5
STARTS_AGAIN = (REBOOTS, CRASHED)  # after which of a system's own ends firmware starts it again

# Seconds between power on and the system's start, which firmware takes on real hardware. Without it a container is
# back before fence_ipmilan is done (it waits 2 s after "on"); then peers tell a member that it was fenced, and its
# Pacemaker shuts down for good: "We were allegedly just fenced".
POST = 5.0


class PowerSwitch(Protocol):
    """The part of a provider that a BMC is wired to."""

    def power_states(self) -> dict[str, str]: ...
    def power_on(self, node: str) -> None: ...
    def power_off(self, node: str) -> None: ...
    def shut_down(self, node: str) -> None: ...
    def ended(self, node: str) -> str | None: ...
    def each_end(self, node: str) -> Iterator[None]: ...


class EventLog:
    """Mixed into a pyghmi BMC: every command that changes power is written to `event_log` first, with who gave it.

    One JSON object a line: `time` (since the epoch), `action`, `from` (address). While its node is being restored, the
    BMC is busy: it carries out no command, and writes none down.
    """

    event_log: Path

    def control_chassis(self, request: dict[str, Any], session: Any) -> None:
        actions = {0: "off", 1: "on", 2: "cycle", 3: "reset", 4: "diag", 5: "soft"}
        asked = actions.get(request["data"][0], "unknown")
        event = {"time": time.time(), "action": asked, "from": session.sockaddr[0].removeprefix("::ffff:")}
        try:
            with switching(self.event_log):
                with self.event_log.open("a") as log:
                    log.write(json.dumps(event) + "\n")
                super().control_chassis(request, session)  # type: ignore[misc]
        except OutOfService:
            session.send_ipmi_response(code=NODE_BUSY)


class NodeBmc(EventLog, Bmc):  # type: ignore[misc]
    """A pyghmi BMC wired to one node.

    After "on" the chassis has power at once, and the node's system starts when the firmware is through (`post`): also
    when this process is ended meanwhile, and another one takes its place. What is due then is on disk, and whoever
    forgets it there, as a restore does, has cancelled it. When the system itself reboots, the chassis keeps its power,
    and the same happens. It is known from what the provider tells of the end, and so also by a BMC that was not there.
    """

    def __init__(
        self,
        node: NodeSpec,
        credentials: Credentials,
        switch: PowerSwitch,
        log: Path,
        post: float = POST,
        port: int = 623,
    ) -> None:
        self._post = post
        self._firmware: threading.Timer | None = None
        self._one_at_a_time = threading.RLock()  # a command, or the start or the end of the system
        self._did_not_start = False
        self._node = node.name
        self._switch = switch
        self.event_log = log
        self._due = PowerOnDue(log)
        self._guid = uuid.uuid5(uuid.NAMESPACE_URL, f"halab:{node.bmc}")
        accounts = {credentials.bmc_user: credentials.bmc_password}
        super().__init__(accounts, bmcuuid=self._guid, address=str(node.bmc), port=port)
        if (left := self._due.left()) is not None:
            self._start_in(min(left, post))
        threading.Thread(target=self._attend, daemon=True).start()

    def control_chassis(self, request: dict[str, Any], session: Any) -> None:
        with self._one_at_a_time:
            try:
                super().control_chassis(request, session)
            except (HalabError, OSError) as error:  # OSError: what it keeps cannot be written, as the disk is full
                _log(str(error))
                session.send_ipmi_response(code=NODE_BUSY)

    def get_power_state(self) -> str:
        if self._is_on():
            return "on"
        self._look_at_end()
        return "off" if self._due.at() is None else "on"

    def power_on(self) -> int:
        self._start_what_reboots()
        if not self._is_on():
            self._due.accept(self._post)
            self._start_in(self._post)
        return 0

    def power_off(self) -> int:
        self._leave_firmware()
        self._due.forget()
        self._switch.power_off(self._node)
        return 0

    def power_cycle(self) -> int:
        self._start_what_reboots()
        if not self._is_on():
            return NOT_NOW
        self._leave_firmware()
        self._due.accept(self._post)  # before the power goes: this process may be ended in between
        try:
            self._switch.power_off(self._node)
        except BaseException:
            self._due.forget()
            raise
        self._start_in(self._post)
        return 0

    def power_reset(self) -> int:
        return self.power_cycle()

    def power_shutdown(self) -> int:
        self._switch.shut_down(self._node)
        return 0

    def cold_reset(self) -> int:
        return 0

    def get_system_guid(self) -> uuid.UUID:
        return self._guid

    def _attend(self) -> None:
        """Start the node's system whenever it has ended to be started again."""
        for _ in self._switch.each_end(self._node):
            self._did_not_start = False
            self._look_at_end()

    def _look_at_end(self) -> None:
        with self._one_at_a_time:
            try:
                with switching(self.event_log):
                    self._start_what_reboots()
            except OutOfService:  # it was ended to be restored
                return
            except (HalabError, OSError) as error:
                _log(f"how the system ended is not known: {error}")

    def _start_what_reboots(self) -> None:
        """Let the firmware begin, if the node has no power because its system has ended to be started again."""
        if self._did_not_start or self._due.at() is not None:
            return
        if self._switch.ended(self._node) in STARTS_AGAIN:
            self._due.accept(self._post)
            self._start_in(self._post)

    def _leave_firmware(self) -> None:
        if self._firmware:
            self._firmware.cancel()
            self._firmware = None

    def _start_in(self, seconds: float) -> None:
        """Start the system that is due now: what is due then may be another one."""
        self._firmware = threading.Timer(seconds, self._start, [self._due.at()])
        self._firmware.start()

    def _start(self, due: float) -> None:
        with self._one_at_a_time:
            try:
                with switching(self.event_log):
                    if self._due.at() != due:
                        return
                    self._switch.power_on(self._node)
            except OutOfService:
                return
            except (HalabError, OSError) as error:
                _log(f"the system did not start: {error}")
                self._did_not_start = True
            self._due.forget()

    def _is_on(self) -> bool:
        in_firmware = self._due.at() is not None
        return in_firmware or self._switch.power_states()[self._node] != "off"


def _log(text: str) -> None:
    with suppress(OSError):  # the disk that the log is on may be full
        print(text, flush=True)
