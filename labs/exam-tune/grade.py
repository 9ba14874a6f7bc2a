"""A cluster that is slow, restless and blind to crashes; graded by the outages that are measured."""

from halab.conditions import Exam, Lab, survives, take_over
from halab.kit.chance import Chance
from halab.kit.errors import LabError
from halab.spec.models import LabSpec
from halab.spec.paper import Draw, Drawn


def draw(random: Chance, spec: LabSpec) -> Draw:
    return spec, {
        "token": random.choice([10000, 12000, 14000]),  # ms
        "home": random.choice([node.name for node in spec.nodes]),  # where the address would rather be
        "score": random.choice([50, 100, 200]),
    }


def begin(lab: Lab, drawn: Drawn) -> None:
    first = lab.nodes[0]
    lines = [
        f"pcs cluster config update totem token={drawn['token']}",
        "pcs resource op remove webserver monitor",
        f"pcs constraint location virtual_ip prefers {drawn['home']}={drawn['score']}",
        *(f"pcs stonith update fence_{node.name} power_wait=4" for node in lab.nodes),
    ]
    for line in lines:
        done = first.run("sh", "-c", line, timeout=120)
        if not done.ok:
            raise LabError(f"`{line}` failed on {first.name}: {done.cause()}")


def look(exam: Exam, drawn: Drawn) -> None:
    """Nothing that is graded here can be told without breaking something."""


def shake(exam: Exam, drawn: Drawn) -> None:
    with exam.task("speed"):
        exam.check("each node takes over in fifteen seconds", take_over("virtual_ip", within=15), points=40)
        exam.afresh()
    with exam.task("calm"):
        calm = survives("power-cut", resource="virtual_ip", within=60, outages=1)
        exam.check("one lost node, one outage", calm, points=30)
        exam.afresh()
    with exam.task("watchful"):
        noticed = survives("service-crash", resource="virtual_ip", within=20)
        exam.check("a crashed web server is back in twenty seconds", noticed, points=30)
