"""How the exam repair breaks what was drawn."""

from types import SimpleNamespace

from halab.spec import labs


def test_what_the_cluster_carries_out_is_broken_before_the_cluster_is_told_to_do_nothing() -> None:
    typed: list[str] = []

    def run(*argv: str, timeout: float) -> SimpleNamespace:
        typed.append(argv[-1])
        return SimpleNamespace(ok=True)

    node = SimpleNamespace(name="node1", run=run)
    grade = labs.import_file(labs.load("exam-repair").path / "grade.py")

    grade.begin(SimpleNamespace(node=lambda name: node), {"node": "node1", "causes": ["maintenance", "netmask"]})

    assert ["cidr_netmask" in line for line in typed] == [True, False]
    assert "crm_resource --wait" in typed[0]
