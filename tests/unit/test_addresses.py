"""Which resource has the lab's address: it is found by the address, whatever it is called and wherever it is."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from halab.faults import registry
from halab.instance import crm
from halab.instance.addresses import AddressResource, having
from halab.instance.instance import Instance
from halab.kit.errors import CheckFailed, LabError
from tests.fakes import World, instance_up

VIP = IPv4Address("10.1.0.100")
STARTED = (Path(__file__).parent.parent / "fixtures" / "crm_mon" / "started.xml").read_text()


def primitive(name: str, ip: str, agent: str = "IPaddr2", more: str = "") -> str:
    attributes = f'<instance_attributes id="{name}-a"><nvpair id="{name}-ip" name="ip" value="{ip}"/>'
    return f'<primitive id="{name}" class="ocf" type="{agent}"{more}>{attributes}</instance_attributes></primitive>'


def found(*parts: str) -> list[tuple[str, str]]:
    text = f"<resources>{''.join(parts)}</resources>"
    return [(resource.id, resource.moved) for resource in having(text, VIP)]


def test_the_resource_with_the_address_is_found_whatever_comes_first() -> None:
    assert found(primitive("a", "10.1.0.101"), primitive("z", "10.1.0.100"), primitive("b", "10.1.0.10")) == [
        ("z", "z")
    ]
    assert found(primitive("z", "10.1.0.100"), primitive("a", "10.1.0.101")) == [("z", "z")]


def test_a_resource_in_a_group_is_named_itself_and_one_in_a_clone_by_the_clone() -> None:
    group = f'<group id="g">{primitive("other", "10.1.0.5")}{primitive("z", "10.1.0.100")}</group>'

    assert found(group) == [("z", "z")]
    assert found(f'<clone id="c">{group}</clone>') == [("z", "c")]
    assert found(f'<clone id="c">{primitive("z", "10.1.0.100")}</clone>') == [("z", "c")]


def test_other_agents_have_no_address_of_a_service() -> None:
    assert found(primitive("fence", str(VIP), "fence_ipmilan"), primitive("block", str(VIP), "portblock")) == []
    assert found(primitive("old", str(VIP), "IPaddr")) == [("old", "old")]


def test_an_address_may_come_from_a_template_or_by_reference() -> None:
    template = primitive("t", str(VIP)).replace("primitive", "template")
    shared = '<instance_attributes id="x"><nvpair id="ip" name="ip" value="10.1.0.100"/></instance_attributes>'
    one = f'<primitive id="one" type="IPaddr2">{shared}</primitive>'
    two = '<primitive id="two" type="IPaddr2"><instance_attributes id-ref="x"/></primitive>'

    assert found(template, '<primitive id="z" template="t"/>') == [("z", "z")]
    assert found(template, primitive("z", "10.1.0.7", more=' template="t"')) == []
    assert found(one, two) == [("one", "one"), ("two", "two")]


@pytest.mark.parametrize("ip", ["", "vip.example.com", "10.1.0.1000"])
def test_what_is_no_address_is_not_the_address(ip: str) -> None:
    assert found(primitive("z", ip)) == []


def cluster(world: World, *parts: str) -> None:
    """Give the cluster two addresses on node1: `first` comes before `virtual_ip`."""
    resource = STARTED[STARTED.index("    <resource id=") : STARTED.index("  </resources>")]
    world.crm_mon = STARTED.replace(resource, resource.replace('"virtual_ip"', '"first"') + resource)
    world.answers["cibadmin"] = f"<resources>{''.join(parts)}</resources>"


@pytest.fixture
def instance(world: World) -> Instance:
    cluster(world, primitive("first", "10.1.0.101"), primitive("virtual_ip", "10.1.0.100"))
    return instance_up()


def test_with_two_addresses_the_active_node_is_that_of_the_labs_own(instance: Instance) -> None:
    assert crm.vip_resources(instance) == (AddressResource("virtual_ip", "virtual_ip"),)
    assert crm.active(instance) == "node1"


def test_the_labs_own_address_is_moved_and_its_ban_is_cleared(instance: Instance, world: World) -> None:
    world.answers["pcs"] = world.answers["crm_resource"] = world.answers["test"] = ""

    registry.inject(instance, "move")
    registry.heal(instance)

    assert [line for line in world.typed if line.startswith(("pcs", "crm_resource"))] == [
        "pcs resource ban virtual_ip node1",
        "crm_resource --clear --resource=virtual_ip --node=node1",
    ]


def test_two_resources_with_the_address_on_one_node_have_one_active_node(instance: Instance, world: World) -> None:
    cluster(world, primitive("first", "10.1.0.100"), primitive("virtual_ip", "10.1.0.100"))

    assert crm.active(instance) == "node1"


def test_that_no_resource_has_the_address_is_said(instance: Instance, world: World) -> None:
    cluster(world, primitive("first", "10.1.0.101"))

    with pytest.raises(LabError, match=r"no resource of the cluster has the address 10\.1\.0\.100; use --node$"):
        registry.inject(instance, "power-cut")
    with pytest.raises(LabError, match=r"no resource has the address 10\.1\.0\.100, so none can be"):
        registry.inject(instance, "move", "node1")
    assert instance.state.faults == ()


def test_an_address_that_is_active_nowhere_is_said(instance: Instance, world: World) -> None:
    world.answers["cibadmin"] = f"<resources>{primitive('gone', '10.1.0.100')}</resources>"

    with pytest.raises(CheckFailed, match=r"gone, with the address 10\.1\.0\.100, is active on no node, expected one"):
        crm.active(instance)
