"""The instructor's board in a browser, with a server that tells it what the test makes up."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web import canned
from tests.web.conftest import axe
from tests.web.fake_server import Fake, Shell, World

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def world() -> World:
    return World(role="instructor")


def learners(page: Page) -> list[str]:
    return page.locator("table.rows tbody th").all_inner_texts()


def test_rows_come_by_themselves_and_are_sorted_and_filtered(fake: Fake, page: Page) -> None:
    rows = page.locator("table.rows tbody tr")
    expect(rows).to_have_count(4)
    assert learners(page) == ["alice", "bob", "carol", "dave"]

    page.get_by_role("button", name="Steps").click()
    expect(page.locator("th.progress")).to_have_attribute("aria-sort", "descending")
    assert learners(page) == ["carol", "bob", "alice", "dave"]
    page.get_by_role("button", name="Steps").press("Enter")
    expect(page.locator("th.progress")).to_have_attribute("aria-sort", "ascending")
    assert learners(page) == ["dave", "alice", "bob", "carol"]

    page.get_by_role("searchbox", name="Filter").fill("power-cut")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox", name="Filter").fill("")
    page.get_by_label("Show", exact=True).select_option("help")
    expect(rows).to_have_count(1)

    fake.board([canned.row("erin", asks_for_help=True), *canned.rows()])
    expect(rows).to_have_count(2)
    expect(page.locator("#news")).to_have_text("erin asks for help.")


def test_a_click_watches_a_terminal_and_types_nothing_into_it(fake: Fake, page: Page) -> None:
    shell = Shell("node1")
    shell.print("[root@node1 ~]# pcs status")
    fake.do(lambda: fake.world.shells.update(one=shell))

    page.get_by_role("button", name="bob").click()

    expect(page.locator("#watched .xterm-rows")).to_contain_text("pcs status")
    page.locator("#watched .xterm-screen").click()
    page.keyboard.type("rm -rf /")
    fake.do(lambda: shell.print("\r\nlater\x1b[c"))
    expect(page.locator("#watched .xterm-rows")).to_contain_text("later")
    assert shell.typed == ""
    assert shell.sizes == []

    page.get_by_role("button", name="Close").click()
    expect(page.locator("#one")).to_be_hidden()
    fake.do(lambda: None)
    assert shell.sockets == []


def test_an_instance_is_reset_healed_and_its_reports_are_read(fake: Fake, page: Page) -> None:
    page.get_by_role("button", name="bob").click()
    page.locator("#board-reset").select_option("vip")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_role("button", name="Heal 1").click()
    page.get_by_role("button", name="Help was given").click()

    expect(page.get_by_role("link", name="Attempt 1")).to_have_attribute(
        "href", "/instances/bob/attempts/1/report.html"
    )
    expect(page.get_by_role("link", name="20261127-1-standby")).to_be_visible()
    assert fake.asked(3) == [("reset", {"to": "vip"}), ("heal", {}), ("help", {"asked": False})]
    page.get_by_role("button", name="carol").click()
    expect(page.get_by_role("button", name="Reset", exact=True)).to_be_disabled()


def test_the_learners_page_is_looked_at_without_opening_a_shell_there(fake: Fake, page: Page) -> None:
    page.get_by_role("button", name="alice").click()
    page.get_by_role("button", name="Open the page").click()

    expect(page.get_by_role("heading", name="Give the service one address")).to_be_visible()
    assert fake.world.shells == {}
    page.get_by_role("button", name="Board").click()
    expect(page.locator("table.rows tbody tr")).to_have_count(4)


def test_a_recording_is_played_back(fake: Fake, page: Page) -> None:
    page.get_by_role("button", name="bob").click()
    page.get_by_role("button", name="node1-1").click()

    expect(page.locator("#played pre")).to_contain_text("played back")
    page.get_by_role("button", name="alice").click()
    expect(page.locator("#played pre")).to_have_count(0)


def test_marks_are_a_table_with_csv(fake: Fake, page: Page) -> None:
    page.get_by_role("button", name="Marks").click()

    expect(page.locator("table.marks tbody tr")).to_have_text(
        [re.compile(r"alice\s*passed\s*18\s*90\s*12\s*6"), re.compile("dave")]
    )
    expect(page.get_by_role("link", name="CSV", exact=True)).to_have_attribute("href", "/marks/exam-repair.csv")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_also_in_a_narrow_window(fake: Fake, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 1024, "height": 700})
    shell = Shell("node1")
    shell.print("\x1b[31mred \x1b[32mgreen \x1b[34mblue \x1b[90mgrey")
    fake.do(lambda: fake.world.shells.update(one=shell))
    expect(page.locator("table.rows tbody tr")).to_have_count(4)

    found = axe(page)
    page.get_by_role("button", name="bob").click()
    expect(page.locator("#watched .xterm-rows")).to_contain_text("blue")
    found += axe(page)
    page.get_by_role("button", name="Marks").click()
    expect(page.locator("table.marks")).to_be_visible()
    found += axe(page)

    assert found == []


def test_no_instance_is_told_with_what_to_type(fake: Fake, page: Page) -> None:
    fake.board([])

    expect(page.get_by_text("There is no instance on this machine.")).to_be_visible()
    fake.stop()
    expect(page.get_by_role("alert")).to_contain_text("No connection; trying again")
