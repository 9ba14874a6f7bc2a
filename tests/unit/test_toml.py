"""What a user is told of a TOML file that is wrong."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from halab.kit import toml
from halab.kit.errors import LabError
from halab.kit.paths import ROOT


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Network(Frozen):
    subnet: str
    mtu: int | None = None


class Networks(Frozen):
    lan: Network
    mgmt: Network | None = None


class Node(Frozen):
    name: str
    lan: str = ""


class Lab(Frozen):
    title: str
    networks: Networks
    nodes: tuple[Node, ...] = ()

    @model_validator(mode="after")
    def _title_is_no_node(self) -> "Lab":
        if any(node.name == self.title for node in self.nodes):
            raise ValueError(f"the lab and a node are both called {self.title}")
        return self


GOOD = """
title = "a lab"
networks.lan.subnet = "192.168.1.0/24"
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    """Return what `read` says of a file, line by line, without the file's name that begins every line."""
    file = tmp_path / "lab.toml"
    file.write_text(text)
    with pytest.raises(LabError) as refused:
        toml.read(file, Lab)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_a_good_file_becomes_a_model(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(GOOD)

    lab = toml.read(file, Lab)

    assert lab == Lab(title="a lab", networks=Networks(lan=Network(subnet="192.168.1.0/24")))


def test_a_misspelt_key_is_one_problem_with_the_nearest_key_of_its_own_table(tmp_path: Path) -> None:
    text = GOOD.replace("subnet", "subnt")

    said = problems(tmp_path, text)

    assert said == ['networks.lan.subnt: unknown key, did you mean "subnet"?']


def test_a_misspelt_key_inside_an_optional_table_is_found(tmp_path: Path) -> None:
    text = GOOD + 'networks.mgmt.subnett = "10.0.9.0/24"\n'

    said = problems(tmp_path, text)

    assert said == ['networks.mgmt.subnett: unknown key, did you mean "subnet"?']


def test_a_misspelt_key_in_an_array_of_tables_tells_which_entry(tmp_path: Path) -> None:
    text = GOOD + '[[nodes]]\nname = "node1"\n[[nodes]]\nname = "node2"\nlam = "192.168.1.11"\n'

    said = problems(tmp_path, text)

    assert said == ['nodes[1].lam: unknown key, did you mean "lan"?']


def test_a_key_like_no_other_is_answered_with_all_known_ones(tmp_path: Path) -> None:
    text = 'zzzzzz = "x"\n' + GOOD

    said = problems(tmp_path, text)

    assert said == ["zzzzzz: unknown key, known are networks, nodes, title"]


def test_every_problem_of_a_file_is_told_on_a_line_of_its_own(tmp_path: Path) -> None:
    text = '[networks.lan]\nsubnet = "192.168.1.0/24"\nmtu = "big"\n'

    said = problems(tmp_path, text)

    assert said == [
        "title: missing",
        "networks.lan.mtu: input should be a valid integer, unable to parse string as an integer, not 'big'",
    ]


def test_a_rule_of_the_model_is_told_in_its_own_words(tmp_path: Path) -> None:
    text = GOOD + '[[nodes]]\nname = "a lab"\n'

    said = problems(tmp_path, text)

    assert said == ["the lab and a node are both called a lab"]


def test_malformed_toml_is_told_with_line_and_column(tmp_path: Path) -> None:
    text = 'title = "a lab"\nnetworks = {\n'

    (said,) = problems(tmp_path, text)

    assert said.startswith("not valid TOML: ")
    assert "line 2" in said


def test_text_that_is_not_utf8_is_told_as_a_problem_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_bytes(b'title = "\xff"\n')

    with pytest.raises(LabError, match=r"lab\.toml: expected text in UTF-8"):
        toml.read(file, Lab)


def test_a_missing_file_is_told_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "nowhere.toml"

    with pytest.raises(LabError, match=r"nowhere\.toml: cannot be read: No such file"):
        toml.read(file, Lab)


def test_a_file_of_the_checkout_is_told_by_its_path_in_it() -> None:
    file = ROOT / "labs" / "nowhere" / "lab.toml"

    with pytest.raises(LabError, match=r"^labs/nowhere/lab\.toml: "):
        toml.read(file, Lab)
