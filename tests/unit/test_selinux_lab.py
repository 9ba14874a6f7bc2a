"""The lab selinux, which needs machines that enforce: that it says so, and how it reads what their tools print."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from unittest.mock import create_autospec

import pytest

from halab.cli.selection import select
from halab.conditions.checks import Outcome, overall
from halab.instance.instance import Instance
from halab.instance.nodes import Node, Workstation
from halab.instance.state import State
from halab.kit.errors import LabError
from halab.kit.process import CommandResult
from halab.providers import PROVIDERS
from halab.spec import distros, labs
from halab.spec.labs import Step
from halab.walk.lab import Lab
from halab.walk.show import record
from tests.fakes import FakeProvider, World

LAB = labs.load("selinux")
STEPS = [pytest.param(step, id=step.name) for step in LAB.steps]
CRM_MON = Path(__file__).parent.parent / "fixtures" / "crm_mon" / "started.xml"
WEBSERVER = """\
    <resource id="webserver" resource_agent="ocf:heartbeat:nginx" role="Started" active="true" orphaned="false"
        blocked="false" managed="true" failed="false" failure_ignored="false" nodes_running_on="1">
      <node name="node1" id="1" cached="true"/>
    </resource>
  </resources>"""

CONTENT = "unconfined_u:object_r:httpd_sys_content_t:s0"
Answers = dict[str, tuple[int, str]]  # a part of a command line -> exit status, and what is printed
UNTOUCHED: Answers = {"getenforce": (0, "Enforcing\n")}  # and everything else fails
FINISHED: Answers = {
    "getenforce": (0, "Enforcing\n"),
    "ls -Z /usr/share/nginx/html/news.html": (0, f"{CONTENT} /usr/share/nginx/html/news.html\n"),
    "ls -Z /srv/web/docs/index.html": (0, f"{CONTENT} /srv/web/docs/index.html\n/srv/web/docs verified.\n"),
    "semanage port -l": (0, "http_port_t                    tcp      8888, 80, 81, 443, 488, 8008, 8009, 8443, 9000\n"),
    "semanage boolean -l": (0, "httpd_can_network_connect      (on   ,   on)  Allow httpd to can network connect\n"),
    "nft": (0, json.dumps({"nftables": [{"chain": {"hook": "input", "policy": "drop"}}]})),
    "rehearse": (0, json.dumps({"on": True, "passed": {"192.168.1.254": ["8888/tcp"]}})),
    "systemctl": (0, ""),
    "grep -rhE": (0, "as it was found\n"),
}


class RockyMachines(FakeProvider):
    """Nodes that answer as they are told to, and a web server behind the address."""

    answers: ClassVar[Answers]
    page: ClassVar[str]

    def run(self, node: str, argv: Sequence[str], *, input: str | None = None, timeout: float = 60) -> CommandResult:
        if argv[0] not in ("sh", "nft", "python3"):
            return super().run(node, argv, input=input, timeout=timeout)
        asked = {"sh": argv[-1], "nft": "nft", "python3": argv[-2]}[argv[0]]
        found = [answer for part, answer in self.answers.items() if part in asked]
        rc, said = found[0] if found else (1, "")
        return CommandResult(tuple(argv), rc, said, "")

    def workstation_argv(self, argv: Sequence[str]) -> list[str]:
        knocked = json.dumps({"own": "192.168.1.254", "met": {"8888/tcp": "open"}})
        return ["printf", "%s", knocked if argv[0] == sys.executable else self.page]


@pytest.fixture
def lab(world: World, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setitem(PROVIDERS, "fake", f"{__name__}:RockyMachines")
    monkeypatch.setenv("HALAB_TIMEOUT_FACTOR", "0")
    world.power = {"node1": "on", "node2": "on"}
    world.crm_mon = CRM_MON.read_text().replace("  </resources>", WEBSERVER)
    return Lab(Instance("here", State(lab="selinux", provider="fake", distro="rocky9", spec=LAB.spec)))


def verified(lab: Lab, step: Step, answers: Answers, page: str, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setattr(RockyMachines, "answers", answers, raising=False)
    monkeypatch.setattr(RockyMachines, "page", page, raising=False)
    step.verify(lab)
    return overall(lab.results)


@pytest.mark.parametrize(
    ("provider", "distro", "reason"),
    [
        ("podman", None, "lab selinux is for provider vagrant, not podman"),
    ],
)
def test_it_is_for_machines_that_have_selinux(provider: str, distro: str | None, reason: str) -> None:
    with pytest.raises(LabError, match=reason):
        select("selinux", None, provider, distro, None)


@pytest.mark.parametrize("name", distros.fit_for(LAB.spec.needs))
def test_what_it_installs_is_in_the_pool(name: str) -> None:
    typed = [entry.text for step in LAB.steps for entry in record(step, LAB.spec, name)]

    distro = distros.load(name)
    install = distro.install()
    installed = {text.removeprefix(install) for text in typed if text.startswith(install)}

    assert installed
    assert installed <= {*distro.pool, *distro.selinux}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_performed_on_every_node(lab: Lab, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    typing = create_autospec(Node.type, return_value="")
    monkeypatch.setattr(Node, "type", typing)
    monkeypatch.setattr(Workstation, "type", create_autospec(Workstation.type, return_value=""))

    step.perform(lab)

    assert {call.args[0].name for call in typing.mock_calls} == {"node1", "node2"}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_fails_before_and_passes_after(lab: Lab, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    before = verified(lab, step, UNTOUCHED, "Not Found\n404", monkeypatch)
    seen_before = {result.outcome for result in lab.results}
    lab.results.clear()

    after = verified(lab, step, FINISHED, "Served by node1\n200", monkeypatch)

    assert (before, after) == (Outcome.FAILED, Outcome.PASSED)
    assert Outcome.UNKNOWN not in seen_before


@pytest.mark.parametrize(
    ("name", "command", "answer"),
    [
        ("label", "getenforce", (0, "Permissive\n")),
        ("label", "getenforce", (1, "Enforcing\npermissive_httpd_t\n")),
        ("label", "ls -Z", (0, "unconfined_u:object_r:admin_home_t:s0 /usr/share/nginx/html/news.html\n")),
        ("directory", "ls -Z", (0, "unconfined_u:object_r:var_t:s0 /srv/web/docs/index.html\n")),
        ("directory", "ls -Z", (1, f"{CONTENT} /srv/web/docs/index.html\n... has context {CONTENT}, should be ...\n")),
        ("port", "semanage port -l", (0, "http_port_t                    udp      8888\n")),
        ("port", "semanage port -l", (0, "pegasus_http_port_t            tcp      8888\n")),
        ("boolean", "semanage boolean -l", (0, "httpd_can_network_connect      (on   ,  off)  Allow httpd\n")),
        ("boolean", "semanage boolean -l", (0, "httpd_can_network_connect      (off  ,  off)  Allow httpd\n")),
    ],
)
def test_a_page_that_is_served_today_is_not_enough(
    lab: Lab, name: str, command: str, answer: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = {command: answer, **{part: good for part, good in FINISHED.items() if command not in part}}

    outcome = verified(lab, LAB.step(name), spoilt, "Served by node1\n200", monkeypatch)

    assert outcome == Outcome.FAILED
