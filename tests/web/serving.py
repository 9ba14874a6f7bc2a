"""The page's real server as a test has it: a process that can be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
from typing import Any

from halab.kit.paths import ROOT


class Served:
    """`inv page` on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return once it is served."""
        self._process = subprocess.Popen(_inv("--port", str(self.port)), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        for line in self._process.stdout:
            if self.address in line:
                return
        raise AssertionError("the page was not served")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def link(self, *options: str) -> str:
        """Return the link that `inv page` prints with these options."""
        printed = subprocess.run(_inv(*options), capture_output=True, text=True, check=True).stdout
        return next(line for line in printed.splitlines() if line.startswith(self.address))

    def revoke(self, name: str) -> None:
        subprocess.run(_inv("--revoke", name), capture_output=True, check=True)

    def _end(self, number: int) -> None:
        if self._process:
            os.kill(self._process.pid, number)
            self._process.communicate(timeout=20)
            self._process = None


def _inv(*options: str) -> list[str]:
    return [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "page", *options]


def statuses(page: Any, requests: list[tuple[str, str]]) -> dict[str, int]:
    """Return what the server answers when a page asks for these: a method and an address each. 1006: no socket."""
    script = """async (requests) => {
      const one = async ([method, address]) => {
        if (method !== 'SOCKET') return (await fetch(address, {method, body: method === 'POST' ? '{}' : undefined,
          headers: {'Content-Type': 'application/json'}})).status;
        return new Promise((done) => {
          const socket = new WebSocket(address.startsWith('ws') ? address : `ws://${location.host}${address}`);
          socket.onmessage = () => { socket.close(); done(101); };
          socket.onclose = ({code}) => done(code);
        });
      };
      const found = {};
      for (const request of requests) found[request.join(' ')] = await one(request);
      return found;
    }"""
    answers: dict[str, int] = page.evaluate(script, requests)
    return answers


def all_of(name: str) -> list[tuple[str, str]]:
    """Return requests, as `statuses` takes them, for what only the learner of that instance, or an instructor, gets."""
    return [
        ("SOCKET", f"/instances/{name}/live"),
        ("SOCKET", f"/instances/{name}/shells/node1/abc"),
        ("SOCKET", "/board"),
        ("POST", f"/instances/{name}/actions"),
        ("GET", f"/instances/{name}/shells"),
        ("GET", f"/instances/{name}/recordings"),
        ("GET", "/instances"),
        ("GET", f"/instances/{name}/state.json"),
    ]
