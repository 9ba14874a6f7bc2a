"""Three nodes on which a single one may go on alone, in a way that is drawn."""

from halab.conditions import Exam, Lab, alone_serves_nothing, command, survives
from halab.kit.chance import Chance
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn

WAYS = {
    "last man standing": "last_man_standing=1 wait_for_all=1",
    "tie breaker": "auto_tie_breaker=1 wait_for_all=0",
}


def draw(random: Chance, spec: LabSpec) -> Draw:
    return spec, {"way": random.choice(sorted(WAYS))}


def begin(lab: Lab, drawn: Drawn) -> None:
    first = lab.nodes[0]
    lines = [
        "pcs property set no-quorum-policy=ignore stonith-enabled=false",
        "pcs cluster stop --all",
        f"pcs quorum update {WAYS[drawn['way']]}",
        "pcs cluster start --all --wait=60",
    ]
    for line in lines:
        done = first.run("sh", "-c", line, timeout=180)
        if not done.ok:
            raise LabError(f"`{line}` failed on {first.name}: {done.cause()}")


def look(exam: Exam, drawn: Drawn) -> None:
    first = exam.nodes[0]
    with exam.task("rules"):
        asked = "crm_attribute --type crm_config --name no-quorum-policy --query --quiet --default stop"
        policy = command(
            first,
            asked,
            r"^stop\s*$",
            "no-quorum-policy is stop, which is the default",
            ("pcs property config no-quorum-policy", "pcs property set no-quorum-policy=stop"),
        )
        exam.check("a part without quorum stops", policy, points=10, within=10)
        rules = (
            r"Expected votes:\s+3\b.*Quorum:\s+2\b(?!.*(LastManStanding|AutoTieBreaker|2Node)).*Flags:[^\n]*WaitForAll"
        )
        votes = command(
            first, "corosync-quorumtool -s", rules, "three votes, two needed, WaitForAll, and no other rule"
        )
        hints = (
            "corosync-quorumtool -s: votes, and the flags that change how they are counted",
            "votequorum(5) tells what last_man_standing, auto_tie_breaker and wait_for_all do",
            "pcs cluster stop --all; pcs quorum update, with 0 to turn a rule off; pcs cluster start --all",
        )
        exam.check("the votes are as three nodes need them", votes, points=30, within=30, hint=hints)


def shake(exam: Exam, drawn: Drawn) -> None:
    with exam.task("minority"):
        exam.check(
            "alone, the node that serves stops serving", alone_serves_nothing("virtual_ip", within=30), points=40
        )
        exam.afresh()
    with exam.task("majority"):
        exam.check(
            "two nodes go on when the third one is lost",
            survives("power-cut", resource="virtual_ip", within=30),
            points=20,
        )
