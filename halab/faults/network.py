"""Faults of the cables between nodes. They are made at the bridge ports where the cables end, never in a node.

One nftables table (bridge family, nft(8)) holds all rules of an instance. Each fault has its own chains, one per hook.
"""

from itertools import chain, permutations

from halab.faults import Fault, Scene
from halab.kit.errors import LabError
from halab.kit.paths import name_on_host
from halab.kit.process import must, run


def _table(scene: Scene) -> str:
    return f"bridge halab-{name_on_host(scene.instance.directory)}"


def _chain(scene: Scene) -> str:
    return f"{scene.asked.name}-{scene.asked.node or 'all'}"


def _port(scene: Scene, node: str) -> str:
    return scene.instance.provider.port(node, scene.asked.options["network"])


def _drop(scene: Scene, rules: dict[str, list[str]]) -> None:
    """Set the rules of this fault, by hook. They replace its earlier ones, so it may be injected again."""
    lines = [f"add table {_table(scene)}"]
    for hook, its in rules.items():
        place = f"{_table(scene)} {_chain(scene)}-{hook}"
        lines += [f"add chain {place} {{ type filter hook {hook} priority 0; }}", f"flush chain {place}"]
        lines += [f"add rule {place} {rule}" for rule in its]
    must(scene.instance.provider.bridge_argv(["nft", "--file", "-"]), input="\n".join(lines) + "\n")


def _let_pass(scene: Scene) -> None:
    for hook in ("forward", "input", "output"):
        place = f"{_table(scene)} {_chain(scene)}-{hook}"
        run(scene.instance.provider.bridge_argv(["nft", f"flush chain {place}; delete chain {place}"]))


def _partition(scene: Scene) -> None:
    groups = [group.split(",") for group in scene.asked.options["groups"].split("/")]
    names = [node.name for node in scene.instance.spec.nodes]
    if groups == [["every node by itself"]]:
        groups = [[name] for name in names]
    named = list(chain(*groups))
    if not set(named) <= set(names) or len(set(named)) < len(named) or len(groups) < 2:
        raise LabError(f"--groups must name some of {', '.join(names)} once, as in {names[0]}/{','.join(names[1:])}")
    rules = [
        f'iifname "{_port(scene, one)}" oifname "{_port(scene, other)}" drop'
        for group, rest in permutations(groups, 2)
        for one in group
        for other in rest
    ]
    _drop(scene, {"forward": rules})


def _lose(scene: Scene) -> None:
    percent = scene.asked.options["percent"]
    if not percent.isdigit() or not 0 < int(percent) <= 100:
        raise LabError(f"--percent must be a whole number from 1 to 100, not {percent!r}")
    port, lost = _port(scene, scene.node.name), f"numgen random mod 100 < {percent} drop"
    coming, going = f'iifname "{port}" {lost}', f'oifname "{port}" {lost}'
    _drop(scene, {"forward": [coming, going], "input": [coming], "output": [going]})


def _delay(scene: Scene) -> None:
    milliseconds = scene.asked.options["ms"]
    if not milliseconds.isdigit():
        raise LabError(f"--ms must be a whole number of milliseconds, not {milliseconds!r}")
    port = _port(scene, scene.node.name)
    argv = ["tc", "qdisc", "replace", "dev", port, "root", "netem", "delay", f"{milliseconds}ms"]
    done = run(scene.instance.provider.bridge_argv(argv))
    if not done.ok:
        raise LabError(f"this host's kernel cannot delay frames, as it has no netem: {done.last_line()}")


def _hurry(scene: Scene) -> None:
    run(scene.instance.provider.bridge_argv(["tc", "qdisc", "del", "dev", _port(scene, scene.node.name), "root"]))


def _pull(scene: Scene) -> None:
    scene.instance.provider.set_carrier(scene.node.name, scene.asked.options["network"], False)


def _plug(scene: Scene) -> None:
    if scene.node.power() != "off":  # without power there is no cable, and the node boots with a whole one
        scene.instance.provider.set_carrier(scene.node.name, scene.asked.options["network"], True)


LAN = {"network": "lan"}
FAULTS = (
    Fault(
        "link-down",
        "the node's cable is pulled, and it sees that",
        _pull,
        _plug,
        outside=True,
        keeps_out=True,
        options=LAN,
    ),
    Fault(
        "partition",
        "nodes cannot reach each other, and everyone else can reach them",
        _partition,
        _let_pass,
        outside=True,
        everywhere=True,
        keeps_out=True,
        options={**LAN, "groups": "every node by itself"},
    ),
    Fault(
        "packet-loss",
        "a part of the frames to and from the node is lost",
        _lose,
        _let_pass,
        outside=True,
        options={**LAN, "percent": "30"},
    ),
    Fault(
        "delay",
        "every frame to the node comes late, where the kernel has netem",
        _delay,
        _hurry,
        outside=True,
        options={**LAN, "ms": "200"},
    ),
)
