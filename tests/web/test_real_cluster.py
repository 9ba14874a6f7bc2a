"""The page on a real cluster: a walk through ha-web, and what happens to it meanwhile. The tests follow each other."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from halab.instance.instance import instances_dir
from halab.instance.state import holder
from halab.kit.wait import wait
from halab.web.running import Running
from tests.cli import Cli
from tests.labs.conftest import instances, state_home
from tests.web.conftest import SOON, axe
from tests.web.serving import Served, all_of, statuses

__all__ = ["instances", "state_home"]
pytestmark = [
    pytest.mark.rights,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # BMCs and shells live on
]
STEP = 120_000  # milliseconds that a step may take


@pytest.fixture(scope="module")
def alice(instances: Callable[..., Cli]) -> Cli:
    cli = instances("alice")
    cli("status", expect=3)  # selects, and is not up
    return cli


@pytest.fixture(scope="module")
def served(alice: Cli) -> Iterator[Served]:
    served = Served()
    served.start()
    yield served
    served.stop()
    Running().interrupt(alice.name)  # of a test that failed
    wait(lambda: holder(instances_dir() / alice.name), lambda who: who is None, within=120)


@pytest.fixture(scope="module")
def page(opened: Callable[..., Page], served: Served, alice: Cli) -> Page:
    return opened(served.link("--for", alice.name))


@pytest.fixture(scope="module")
def bob(instances: Callable[..., Cli]) -> Cli:
    return instances("bob")


@pytest.fixture(scope="module")
def bobs(opened: Callable[..., Page], served: Served, bob: Cli) -> Page:
    return opened(served.link("--for", bob.name))


def shown(page: Page, place: str) -> str:
    return page.locator(f"#pane-{place} .xterm-rows").inner_text().replace("\xa0", " ")


def until(page: Page, place: str, text: str | re.Pattern[str], timeout: float = SOON) -> None:
    expect(page.locator(f"#pane-{place} .xterm-rows")).to_contain_text(text, timeout=timeout)


def type_on(page: Page, number: int, line: str) -> None:
    """Type a line into the terminal of that number, without the mouse."""
    page.keyboard.press(f"Alt+Shift+Digit{number}")
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def passed(page: Page, count: int) -> None:
    """Wait until so many steps are passed."""
    expect(page.locator("#prose .progress i.passed")).to_have_count(count, timeout=STEP)
    expect(page.locator("#actions .doing")).to_have_class(re.compile("quiet"), timeout=SOON)


@pytest.mark.timeout(600)  # it may have to make the image
def test_an_instance_is_brought_up_and_its_first_steps_done_with_the_mouse(page: Page) -> None:
    page.get_by_role("button", name="Bring it up").click()
    expect(page.locator("svg .node.on")).to_have_count(2, timeout=400_000)
    until(page, "node1", re.compile(r"node1\b.*[#$]"))
    steps = page.locator("#prose .progress i").count()
    assert steps >= 6

    for done in (1, 2, 3):
        page.get_by_role("button", name="Next", exact=True).click()
        passed(page, done)
    expect(page.locator(".results .check.passed").first).to_be_visible()
    expect(page.locator("svg .node.online")).to_have_count(2, timeout=SOON)


def test_a_step_is_done_by_hand(page: Page) -> None:
    for command in page.locator("#prose .command code").all_inner_texts():
        type_on(page, 1, f"{command} && echo do'ne'")
        until(page, "node1", "done", timeout=60_000)
        page.keyboard.type("clear")
        page.keyboard.press("Enter")
        expect(page.locator("#pane-node1 .xterm-rows")).not_to_contain_text("done")
    expect(page.locator("svg .resource.started", has_text="virtual_ip")).to_be_visible(timeout=SOON)


def test_a_server_that_is_killed_in_mid_command_loses_and_doubles_nothing(page: Page, served: Served) -> None:
    type_on(page, 1, "clear; for i in $(seq 100 299); do printf '%s ' $i; sleep 0.02; done; echo end")
    until(page, "node1", "105")
    page.keyboard.press("Alt+Shift+KeyC")
    expect(page.locator("#actions")).to_contain_text("Checking step", timeout=SOON)

    served.kill()
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    served.start()

    expect(page.get_by_role("alert")).to_have_count(0, timeout=20_000)
    until(page, "node1", "end", timeout=30_000)
    numbers = re.findall(r"\d{3}", shown(page, "node1").replace("\n", ""))
    assert numbers == [str(number) for number in range(100, 300)]
    passed(page, 4)


def test_the_rest_of_the_walk_is_done_by_keyboard_alone(page: Page) -> None:
    steps = page.locator("#prose .progress i").count()

    for done in range(5, steps + 1):
        page.keyboard.press("Alt+Shift+KeyN")
        passed(page, done)

    expect(page.locator(".badges")).to_contain_text(re.compile(r"Fencing\s*on"), timeout=SOON)
    expect(page.get_by_text("All steps are passed.")).to_be_visible()
    assert axe(page) == []


def test_an_editor_fills_its_terminal_after_a_resize(page: Page) -> None:
    type_on(page, 1, "clear; seq 1 200 > numbers; vi numbers")
    until(page, "node1", "numbers")
    page.set_viewport_size({"width": 1024, "height": 700})
    rows = page.locator("#pane-node1 .xterm-rows > div")
    page.keyboard.type("G")
    until(page, "node1", "200")
    expect(rows.nth(rows.count() - 2)).to_have_text("200")

    page.keyboard.type(":q!\n")
    type_on(page, 1, "clear; echo lines: $(stty size)")
    until(page, "node1", f"lines: {rows.count()} ")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_output_without_end_stalls_nothing_else(page: Page) -> None:
    type_on(page, 1, "clear; yes")
    until(page, "node1", "yy")

    type_on(page, 2, "clear; echo at on'ce'")
    until(page, "node2", "at once", timeout=5_000)
    page.keyboard.press("Alt+Shift+Digit1")
    page.keyboard.press("Control+c")
    type_on(page, 1, "clear; echo it is ov'er'")
    until(page, "node1", "it is over", timeout=5_000)


def test_another_learner_reaches_nothing_of_this_one(bobs: Page, alice: Cli, bob: Cli) -> None:
    expect(bobs.get_by_text("is not up").first).to_be_visible()

    found = statuses(bobs, all_of(alice.name))

    assert set(found.values()) <= {1006, 403, 404}, found
    assert statuses(bobs, [("SOCKET", f"/instances/{bob.name}/live")]) == {f"SOCKET /instances/{bob.name}/live": 101}


def test_a_node_that_is_fenced_ends_its_shell_which_comes_back(page: Page) -> None:
    type_on(page, 2, "clear; echo I am $HOSTNAME")
    until(page, "node2", "I am node2")
    began = time.monotonic()
    type_on(page, 1, "clear; pcs stonith fence node2")

    expect(page.locator("svg .node.off", has_text="node2")).to_be_visible(timeout=30_000)
    expect(page.locator("#pane-node2")).to_contain_text("this shell ended with it", timeout=SOON)
    assert time.monotonic() - began < 60
    expect(page.locator("svg .node.on.online", has_text="node2")).to_be_visible(timeout=STEP)
    page.keyboard.press("Alt+Shift+Digit2")
    until(page, "node2", re.compile(r"ended with it\..*node2\b.*[#$]"))
    type_on(page, 2, "echo back on $HOSTNAME")
    until(page, "node2", "back on node2")


def test_an_outage_is_watched_live_and_the_picture_has_the_reports_numbers(page: Page, alice: Cli) -> None:
    page.keyboard.press("Alt+Shift+KeyB")
    page.get_by_role("combobox", name="Fault", exact=True).select_option("power-cut")
    page.get_by_role("button", name="Measure").click()

    expect(page.locator(".headline")).to_contain_text("has been away for", timeout=STEP)
    expect(page.locator(".timeline .bar.bad").first).to_be_visible()
    expect(page.locator(".headline")).to_contain_text("was away for", timeout=STEP)
    live = float(re.search(r"was away for ([\d.]+) s", page.locator(".headline").inner_text())[1])  # type: ignore[index]
    expect(page.locator(".report .picture")).to_be_visible(timeout=STEP)

    kept = sorted((instances_dir() / alice.name / "measurements").glob("*/report.json"))[-1]
    outage = json.loads(kept.read_text())["runs"][0]["outages"][0]
    seconds = outage["span"]["end"] - outage["span"]["start"]
    numbers = [seconds, *(outage["phases"][phase] for phase in ("detect", "fence", "recover"))]
    expect(page.locator(".phases tbody td")).to_have_text([f"{number:.2f} s" for number in numbers])
    assert live == pytest.approx(seconds, abs=0.01)
    expect(page.locator("#actions .doing")).to_have_class(re.compile("quiet"), timeout=STEP)


def test_the_board_shows_two_who_work_and_a_learner_is_told_who_watches(
    opened: Callable[..., Page], served: Served, page: Page, bobs: Page, alice: Cli, bob: Cli
) -> None:
    board = opened(served.link("--instructor"))
    row = board.locator("tr", has_text=alice.name)
    expect(row).to_contain_text(re.compile(r"(\d+) of \1"))
    bobs.get_by_role("button", name="Bring it up").click()
    expect(bobs.locator("svg .node.on")).to_have_count(2, timeout=STEP)
    bobs.get_by_role("button", name="Next", exact=True).click()
    expect(board.locator("tr", has_text=bob.name)).to_contain_text("1 of", timeout=STEP)

    page.get_by_role("button", name="Ask for help").click()
    expect(row).to_contain_text("asks")
    row.get_by_role("button").click()
    board.locator("#about .tab", has_text="node1").click()
    expect(page.get_by_text("An instructor watches your terminals", exact=True)).to_be_visible()
    type_on(page, 1, "clear; echo wat'ched'")
    expect(board.locator("#watched .xterm-rows")).to_contain_text("watched")
    board.locator("#watched .xterm-screen").click()
    board.keyboard.type("echo ty'ped'\n")
    type_on(page, 1, "echo af'ter'")
    until(page, "node1", "after")
    assert "typed" not in shown(page, "node1")
    assert axe(board) == []

    board.get_by_role("button", name="Help was given").click()
    expect(page.get_by_role("button", name="Ask for help")).to_be_visible()


def test_a_reset_takes_shells_along_and_brings_new_ones(page: Page) -> None:
    page.get_by_role("button", name="Checks").click()
    page.locator("#reset-to").select_option("vip")
    page.get_by_role("button", name="Reset", exact=True).click()

    passed(page, 4)
    page.keyboard.press("Alt+Shift+Digit1")
    page.keyboard.type("echo ne'w'\n")
    until(page, "node1", "new", timeout=30_000)


def test_what_inv_does_in_another_terminal_is_seen_and_locks_the_page(page: Page, alice: Cli) -> None:
    alice("next")

    passed(page, 5)
    page.get_by_role("button", name="Commands").click()
    expect(page.locator(".log")).to_contain_text("inv next")


def test_a_learner_whose_link_is_revoked_is_put_out_at_once(page: Page, served: Served, alice: Cli) -> None:
    served.revoke(alice.name)

    expect(page.get_by_text("Your link has ended")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Not logged in")).to_be_visible()
