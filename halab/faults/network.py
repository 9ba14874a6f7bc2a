"""Faults of the cables between nodes. They are made at the bridge ports where the cables end, never in a node.

One nftables table (bridge family, nft(8)) holds all rules of an instance. Each fault has its own chains, one per hook.
"""

from collections.abc import Sequence
from itertools import chain, permutations, product

from halab.faults import Fault, Scene
from halab.kit.errors import LabError
from halab.kit.paths import name_on_host
from halab.kit.process import must, run
from halab.kit.typed import shown, whole
from halab.spec.models import Networks


def _table(scene: Scene) -> str:
    return f"bridge halab-{name_on_host(scene.instance.directory)}"


def _chain(scene: Scene) -> str:
    return f"{scene.asked.name}-{scene.asked.node or 'all'}"


def _networks(options: dict[str, str]) -> list[str]:
    return options["network"].split(",")


def _ports(scene: Scene, node: str) -> list[str]:
    """Return the node's ports at the bridges of the networks that the fault is about, in their order."""
    return [scene.instance.provider.port(node, network) for network in _networks(scene.asked.options)]


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


def _groups(options: dict[str, str], names: Sequence[str]) -> list[list[str]]:
    if options["groups"] == EVERY_NODE:
        return [[name] for name in names]
    return [group.split(",") for group in options["groups"].split("/")]


def _refuse_network(options: dict[str, str], names: Sequence[str]) -> None:
    known, asked = list(Networks.model_fields), _networks(options)
    if not set(asked) <= set(known) or len(set(asked)) < len(asked):
        raise LabError(f"--network must be {' or '.join(known)}, or {','.join(known)}, not {shown(options['network'])}")


def _refuse_groups(options: dict[str, str], names: Sequence[str]) -> None:
    _refuse_network(options, names)
    groups = _groups(options, names)
    named = list(chain(*groups))
    if names and (not set(named) <= set(names) or len(set(named)) < len(named) or len(groups) < 2):
        raise LabError(f"--groups must name some of {', '.join(names)} once, as in {names[0]}/{','.join(names[1:])}")


def _refuse_percent(options: dict[str, str], names: Sequence[str]) -> None:
    _refuse_network(options, names)
    whole("--percent", options["percent"], 1, 100)


def _refuse_ms(options: dict[str, str], names: Sequence[str]) -> None:
    _refuse_network(options, names)
    whole("--ms", options["ms"], 0, MOST_MS)


def _partition(scene: Scene) -> None:
    groups = _groups(scene.asked.options, [node.name for node in scene.instance.spec.nodes])
    rules = [
        f'iifname "{coming}" oifname "{going}" drop'
        for group, rest in permutations(groups, 2)
        for one, other in product(group, rest)
        for coming, going in zip(_ports(scene, one), _ports(scene, other), strict=True)
    ]
    _drop(scene, {"forward": rules})


def _lose(scene: Scene) -> None:
    ports, lost = _ports(scene, scene.node.name), f"numgen random mod 100 < {scene.asked.options['percent']} drop"
    coming = [f'iifname "{port}" {lost}' for port in ports]
    going = [f'oifname "{port}" {lost}' for port in ports]
    _drop(scene, {"forward": [*coming, *going], "input": coming, "output": going})


def _delay(scene: Scene) -> None:
    for port in _ports(scene, scene.node.name):
        argv = ["tc", "qdisc", "replace", "dev", port, "root", "netem", "delay", f"{scene.asked.options['ms']}ms"]
        done = run(scene.instance.provider.bridge_argv(argv))
        if not done.ok:
            advice = "on Enterprise Linux: dnf install kernel-modules-extra"
            raise LabError(f"this host's kernel cannot delay frames, as it has no netem: {done.cause()} ({advice})")


def _hurry(scene: Scene) -> None:
    for port in _ports(scene, scene.node.name):
        run(scene.instance.provider.bridge_argv(["tc", "qdisc", "del", "dev", port, "root"]))


def _pull(scene: Scene) -> None:
    for network in _networks(scene.asked.options):
        scene.instance.provider.set_carrier(scene.node.name, network, False)


def _plug(scene: Scene) -> None:
    if scene.node.power() == "off":  # without power there is no cable, and the node boots with a whole one
        return
    for network in _networks(scene.asked.options):
        scene.instance.provider.set_carrier(scene.node.name, network, True)


LAN = {"network": "lan"}
EVERY_NODE = "every node by itself"
MOST_MS = 60_000  # a minute, which is longer than anything waits
FAULTS = (
    Fault(
        "link-down",
        "the node's cable is pulled, or one of each network that is named, and it sees that",
        _pull,
        _plug,
        outside=True,
        keeps_out=True,
        options=LAN,
        refuse=_refuse_network,
    ),
    Fault(
        "partition",
        "nodes cannot reach each other, and everyone else can reach them",
        _partition,
        _let_pass,
        outside=True,
        everywhere=True,
        keeps_out=True,
        options={**LAN, "groups": EVERY_NODE},
        refuse=_refuse_groups,
    ),
    Fault(
        "packet-loss",
        "a part of the frames to and from the node is lost",
        _lose,
        _let_pass,
        outside=True,
        options={**LAN, "percent": "30"},
        refuse=_refuse_percent,
    ),
    Fault(
        "delay",
        "every frame to the node comes late, where the kernel has netem",
        _delay,
        _hurry,
        outside=True,
        options={**LAN, "ms": "200"},
        refuse=_refuse_ms,
    ),
)
