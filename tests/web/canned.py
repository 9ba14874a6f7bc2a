"""What the fake server tells of: two nodes of ha-web in the middle of the lab, and a board of four learners."""

from typing import Any

PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="260" viewBox="0 0 800 260">'
    b'<text x="10" y="30">the picture of the report</text><rect x="100" y="60" width="500" height="20" fill="#4c9f5e"/>'
    b'<rect x="200" y="60" width="90" height="20" fill="#c8372d"/></svg>'
)


def node(name: str, **changed: Any) -> dict[str, Any]:
    plain = {"power": "on", "why_off": "", "bmc": "answers", "member": "online", "dc": False, "arp": False}
    return {"name": name, **plain, "resources": [], "cut": [], **changed}


def resource(id_: str, agent: str, state: str = "started") -> dict[str, Any]:
    return {"id": id_, "agent": agent, "role": "Started", "state": state}


def map_(**changed: Any) -> dict[str, Any]:
    web = [resource("virtual_ip", "ocf:heartbeat:IPaddr2"), resource("website", "ocf:heartbeat:nginx")]
    return {
        "kind": "map",
        "time": 1000.0,
        "nodes": [
            node("node1", dc=True, arp=True, resources=[*web, resource("fence_node2", "stonith:fence_ipmilan")]),
            node("node2", resources=[resource("fence_node1", "stonith:fence_ipmilan")]),
        ],
        "vip": {"address": "192.168.1.100", "owners": ["node1"]},
        "quorum": {"quorate": True, "votes": 2, "expected": 2},
        "fencing": True,
        "stopped": [],
        "constraints": [
            {"kind": "colocation", "first": "virtual_ip", "second": "website", "score": "INFINITY"},
            {"kind": "order", "first": "virtual_ip", "second": "website", "score": ""},
            {"kind": "location", "first": "fence_node1", "second": "node1", "score": "-INFINITY"},
        ],
        "faults": [],
        "reason": "",
        **changed,
    }


def fenced() -> dict[str, Any]:
    """The same cluster, a moment after node1 lost its power."""
    web = [
        resource("fence_node1", "stonith:fence_ipmilan"),
        resource("virtual_ip", "ocf:heartbeat:IPaddr2"),
        resource("website", "ocf:heartbeat:nginx", "starting"),
    ]
    return map_(
        time=1009.0,
        nodes=[
            node("node1", power="off", why_off="fenced by node2", member="offline"),
            node("node2", dc=True, arp=True, resources=web),
        ],
        vip={"address": "192.168.1.100", "owners": ["node2"]},
        quorum={"quorate": True, "votes": 1, "expected": 2},
        stopped=["fence_node2"],
        faults=[{"name": "power-cut", "node": "node1", "words": "power-cut on node1"}],
    )


STEPS = (
    ("install", "Install the cluster's software"),
    ("cluster", "Make a cluster of two nodes"),
    ("vip", "Give the service one address"),
    ("web", "Let the cluster run the web server"),
    ("constraints", "Keep address and service together"),
    ("stonith", "Fence a node that cannot be trusted"),
)


def text(*parts: str) -> dict[str, Any]:
    """A paragraph, of which every second part is code."""
    return {"kind": "text", "runs": [{"text": part, "code": bool(at % 2)} for at, part in enumerate(parts)]}


def lesson(**changed: Any) -> dict[str, Any]:
    done = 2
    steps = [
        {"name": name, "title": title, "outcome": "passed" if at < done else None, "current": at == done}
        for at, (name, title) in enumerate(STEPS)
    ]
    blocks = [
        text(
            "Clients should not have to know which node serves them. They are given one address that no node owns, and "
            "the cluster puts it on one of them: a resource, called ",
            "virtual_ip",
            " here, of the agent ",
            "ocf:heartbeat:IPaddr2",
            ".",
        ),
        text(
            "Pacemaker starts nothing while fencing is enabled and no fence device exists. To see the pieces one by "
            "one, fencing is turned off for now; the last step builds it and turns it on."
        ),
        {"kind": "text", "text": "Know what <b>for now</b> risks: without fencing both nodes may hold the address."},
    ]
    commands = [
        "pcs property set stonith-enabled=false",
        "pcs resource create virtual_ip ocf:heartbeat:IPaddr2 ip=192.168.1.100 cidr_netmask=24 op monitor interval=30s",
        "pcs status",
    ]
    checks = [
        "virtual_ip is started on one node",
        "that node, and no other, has the address 192.168.1.100/24",
        "the address answers from the workstation",
    ]
    entries = [{"kind": "command", "where": "node1", "text": one} for one in commands]
    entries += [{"kind": "check", "where": "", "text": one} for one in checks]
    return {
        "kind": "lesson",
        "lab": "ha-web",
        "title": "A web service of two nodes and one address",
        "exam": False,
        "sheet": None,
        "steps": steps,
        "step": {"name": STEPS[done][0], "title": STEPS[done][1], "blocks": blocks, "entries": entries},
        "checkpoints": [{"name": name, "at": 900.0} for name in ("start", "install", "cluster")],
        "faults_known": [
            {
                "name": "power-cut",
                "does": "the node loses its power, as if its plug was pulled",
                "options": [],
                "on": "node",
            },
            {
                "name": "packet-loss",
                "does": "a part of the frames to and from the node is lost",
                "options": [{"name": "network", "values": ["lan", "mgmt"]}, {"name": "percent", "help": "30"}],
                "on": "node",
            },
            {
                "name": "partition",
                "does": "nodes cannot reach each other",
                "options": [{"name": "groups", "help": "a,b/c"}],
                "on": "nodes",
            },
        ],
        "measurements": [
            {"name": "20261127-170000-power-cut", "fault": "power-cut", "directory": "x", "seconds": [9.31]},
            {"name": "20261127-171500-standby", "fault": "standby", "directory": "y", "seconds": [1.2]},
        ],
        "exam_clock": None,
        "nodes": ["node1", "node2"],
        **changed,
    }


def report() -> dict[str, Any]:
    """What the page reads of a report.json."""
    outage = {
        "span": {"start": 1000.1, "end": 1009.41},
        "ended": True,
        "phases": {"detect": 2.95, "fence": 1.18, "recover": 5.18},
    }
    return {"fault": "power-cut", "at": "2026-11-27T17:00:00+00:00", "fencing": True, "runs": [{"outages": [outage]}]}


def row(instance: str, **changed: Any) -> dict[str, Any]:
    steps = [{"name": name, "title": title, "outcome": None} for name, title in STEPS]
    plain = {"lab": "ha-web", "title": "A web service", "provider": "podman", "failing": "", "faults": []}
    plain |= {"time_left": None, "points": None, "verdict": None, "asks_for_help": False, "up": True, "holder": None}
    return {"instance": instance, "learner": instance, **plain, "steps": steps, "last_activity": 1000.0, **changed}


def rows() -> list[dict[str, Any]]:
    def passed(count: int) -> list[dict[str, Any]]:
        outcomes = ["passed"] * count + [None] * (len(STEPS) - count)
        return [
            {"name": name, "title": title, "outcome": one} for (name, title), one in zip(STEPS, outcomes, strict=True)
        ]

    return [
        row("alice", steps=passed(2), failing="virtual_ip is started on one node", last_activity=1795800000.0),
        row(
            "bob",
            attempts=[1],
            measurements=["20261127-1-standby"],
            steps=passed(5),
            faults=["power-cut on node1"],
            asks_for_help=True,
            last_activity=1795800300.0,
        ),
        row("carol", steps=passed(6), holder="inv measure", last_activity=1795800390.0),
        row("dave", lab="exam-repair", title="Repair", steps=[], time_left=1260, points=12, verdict="failed", up=False),
    ]


def recording() -> dict[str, Any]:
    return {"title": "node1", "columns": 40, "rows": 5, "events": [[0.0, "o", "$ "], [0.1, "o", "played back"]]}


def marks() -> dict[str, Any]:
    learners = [
        {"learner": "alice", "verdict": "passed", "points": 18, "percent": 90, "tasks": {"service": 12, "fence": 6}},
        {"learner": "dave", "verdict": "not graded", "points": None, "percent": None, "tasks": {}},
    ]
    return {"exam": "exam-repair", "title": "Repair", "tasks": ["service", "fence"], "learners": learners}
