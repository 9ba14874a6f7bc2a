"""The probe as whoever measures has it: a process on the workstation, and what it has seen so far."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from halab.instance.instance import Instance
from halab.kit import audience as told
from halab.kit.audience import NOBODY, Audience
from halab.kit.errors import LabError
from halab.kit.paths import ROOT
from halab.measure.outages import Claim, Sample, Seen
from halab.measure.page import names_of
from halab.measure.writes import Write
from halab.spec.models import mac

TOLD_EVERY = 0.1  # seconds, at least, between two Samples


@dataclass(frozen=True)
class Samples(told.Event):
    """What the probe has seen since the last Samples."""

    kind = "samples"
    samples: tuple[Sample, ...]
    claims: tuple[Claim, ...]
    writes: tuple[Write, ...]

    def data(self) -> dict[str, Any]:
        return asdict(self)


def tell_between(
    lines: Iterable[str], seen: Seen, audience: Audience, clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Pass on the probe's lines, which whoever takes them adds to `seen`, and tell in between what came of them."""
    samples = claims = writes = 0
    due = clock()

    def new() -> Samples:
        return Samples(tuple(seen.samples[samples:]), tuple(seen.claims[claims:]), tuple(seen.writes[writes:]))

    for line in lines:
        yield line
        if clock() >= due:
            audience.tell(new())
            samples, claims, writes = len(seen.samples), len(seen.claims), len(seen.writes)
            due = clock() + TOLD_EVERY
    if (rest := new()) != Samples((), (), ()):
        audience.tell(rest)


class Probing:
    """The probe, running on the workstation while the block does, and what it has seen so far.

    The audience is told of that as it comes, by a thread. `own_names` are the cluster's names of nodes that have other
    names in the lab.
    """

    def __init__(
        self, instance: Instance, own_names: Mapping[str, str], writes: str, audience: Audience = NOBODY
    ) -> None:
        spec = instance.spec
        called = names_of([node.name for node in spec.nodes], own_names)
        probe = [
            "-m",
            "halab.measure.probe",
            str(spec.vip),
            str(spec.networks.lan.workstation),
            "lan",
            ",".join(called),
        ]
        probe += [writes, str(instance.pace.slowness)] if writes else []
        self._argv = instance.provider.workstation_argv(["env", f"--chdir={ROOT}", sys.executable, *probe])
        self._names = {mac(node.lan.packed): node.name for node in spec.nodes} | called
        self._seen = Seen()
        self._audience = audience

    def __enter__(self) -> "Probing":
        # it reads what nodes send, so it has no terminal (see docs/nodes.md)
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        printed: Iterable[str] = self._process.stdout or ()  # there is one, as it was asked for
        lines = tell_between(printed, self._seen, self._audience)
        self._reader = threading.Thread(target=self._seen.read, args=(lines, self._names))
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._reader.join()
        with self._process:  # closes its pipe, and waits for its end
            pass

    def since(self, at: float) -> Seen:
        """Return what was seen since then. Raises LabError when the probe has ended, as it sees nothing then."""
        if self._process.poll() is not None:
            raise LabError(f"the probe ended with exit status {self._process.returncode}; see above, and try: inv up")
        return self._seen.since(at)
