"""The learner's page in a browser, with a server that tells it what the test makes up."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.web import canned
from tests.web.conftest import axe
from tests.web.fake_server import Fake, Shell

pytestmark = pytest.mark.timeout(60)
CHECKS = (
    ("virtual_ip is started on one node", "passed"),
    ("that node, and no other, has the address", "failed"),
    ("the address answers from the workstation", "unknown"),
)


def shell_on(fake: Fake, place: str) -> Shell:
    """Return the shell that the page has opened there."""
    for _ in range(200):
        for shell in list(fake.world.shells.values()):
            if shell.place == place and shell.sockets:
                return shell
        time.sleep(0.02)
    raise AssertionError(f"no shell on {place}")


def screen(page: Page, place: str) -> str:
    """Return the text that a terminal shows."""
    return page.locator(f"#pane-{place} .xterm-rows").inner_text().replace("\xa0", " ")


def until(text: str, page: Page, place: str = "node1") -> None:
    expect(page.locator(f"#pane-{place} .xterm-rows")).to_contain_text(text)


def measure_begins(fake: Fake) -> None:
    fake.event("command_begins", "measure", 999.0)
    fake.event("begins", "measure", 999.0, doing="Measuring power-cut")
    fake.tell(canned.map_(time=999.0))
    samples = [{"at": 999 + at * 0.05, "took": 0.01, "named": ["node1"]} for at in range(20)]
    fake.event("samples", "measure", samples=samples, claims=[{"at": 999.5, "owners": ["node1"]}], writes=[])
    fake.event("run_begins", "measure", injected=1000.0)


@pytest.mark.core
def test_a_learner_reads_types_and_checks_by_keyboard(fake: Fake, page: Page) -> None:
    expect(page.get_by_role("heading", name="Give the service one address")).to_be_visible()
    until("[root@node1 ~]#", page)
    assert "token" not in page.url

    page.keyboard.press("F6")
    page.keyboard.press("F6")
    page.keyboard.type("pcs status")
    page.keyboard.press("Enter")
    until("pcs status", page)
    page.keyboard.press("Alt+Shift+C")
    expect(page.locator("#actions .doing")).to_have_class(re.compile("quiet"))
    fake.event("command_begins")
    for sentence, outcome in CHECKS:
        fake.event("checked", sentence=sentence, outcome=outcome, expected="this", seen="that", hints=["secret"])
    fake.event("command_ends", status=1, reason="step vip is not passed")

    expect(page.get_by_role("heading", name="1 of 3 checks passed")).to_be_visible()
    assert fake.asked(1) == [("check", {})]
    assert shell_on(fake, "node1").typed == "pcs status\r"
    results = page.locator(".results .check")
    assert [re.sub(r"\s+", " ", text) for text in results.all_inner_texts()] == [
        "✓ passed: virtual_ip is started on one node",
        "✗ failed: that node, and no other, has the address expected this seen that",
        "? unknown: the address answers from the workstation expected this seen that",
    ]
    expect(page.get_by_text("secret")).to_have_count(0)
    assert axe(page) == []


def test_a_click_copies_a_command_and_types_nothing(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)

    page.get_by_role("button", name="pcs property set").click()

    assert page.evaluate("navigator.clipboard.readText()") == "pcs property set stonith-enabled=false"
    assert shell_on(fake, "node1").typed == ""


def test_what_nodes_and_authors_say_is_text_and_never_markup(fake: Fake, page: Page) -> None:
    mark = "<img src=x onerror=window.hit=1><b>bold</b>"
    expect(page.get_by_text("Know what <b>for now</b> risks")).to_be_visible()

    fake.event("command_begins")
    fake.event("checked", sentence=mark, outcome="failed", expected=mark, seen=mark, hints=[])
    fake.event("said", text=mark)
    fake.event("typed", text=mark)
    fake.event("command_ends", status=3, reason=mark)
    fake.tell(canned.map_(nodes=[canned.node(mark, why_off=mark, power="off")], stopped=[mark], reason=mark))
    fake.tell({"kind": "lock", "holder": mark})

    expect(page.locator(".check").first).to_contain_text(mark)
    expect(page.locator("#actions")).to_contain_text(mark)
    for tab in ("Break it", "Commands", "Checks"):
        page.get_by_role("button", name=tab).click()
    assert page.evaluate("window.hit") is None
    expect(page.locator("#app b", has_text="bold")).to_have_count(0)
    expect(page.locator("#app img")).to_have_count(0)


def test_a_lock_is_said_with_its_holder_and_nothing_can_be_pressed(fake: Fake, page: Page) -> None:
    check = page.get_by_role("button", name="Check", exact=True)
    expect(check).to_be_enabled()

    fake.tell({"kind": "lock", "holder": "inv walk (process 4711)"})

    expect(page.get_by_text("inv walk (process 4711) is changing this instance.")).to_be_visible()
    for name in ("Check", "Hint", "Solve", "Next", "Reset", "Save"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()

    fake.tell({"kind": "lock", "holder": None})

    expect(check).to_be_enabled()


def test_an_action_that_the_server_refuses_is_told(fake: Fake, page: Page) -> None:
    fake.world.answers = lambda action: (409, {"holder": "inv reset (process 12)"})
    page.get_by_role("button", name="Hint").click()
    expect(page.locator("#actions")).to_contain_text("inv reset (process 12) is changing this instance.")

    fake.world.answers = lambda action: (400, {"error": "an exam gives no solutions"})
    page.get_by_role("button", name="Solve").click()

    expect(page.locator("#actions")).to_contain_text("an exam gives no solutions")


def test_hints_are_given_one_by_one(fake: Fake, page: Page) -> None:
    for count in (1, 2):
        page.get_by_role("button", name="Hint").click()
        fake.event("command_begins", "hint")
        numbered = "\n".join(f"  {number}. look {number}" for number in range(1, count + 1))
        fake.event("said", "hint", text=f"the address answers:\n{numbered}")
        fake.event("command_ends", "hint", status=1, reason="")
        expect(page.locator(".hint li")).to_have_count(count)

    expect(page.locator(".hint p")).to_have_text("the address answers")
    expect(page.locator(".hint")).to_have_count(1)


def test_a_reload_shows_the_shell_again_and_answers_no_old_question(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")
    fake.do(lambda: shell.print("first\r\n\x1b[c\x1b[6nlast"))  # asks what terminal it is, and where its cursor is
    until("last", page)
    for _ in range(100):
        if shell.typed.endswith("R"):
            break
        time.sleep(0.02)
    assert "\x1b[?1;2c" in shell.typed
    shell.typed = ""

    page.reload()

    until("last", page)
    page.locator("#pane-node1 .xterm-screen").click()
    page.keyboard.type("x")
    until("lastx", page)
    assert screen(page, "node1").count("first") == 1
    assert shell.typed == "x"


def test_a_server_that_comes_back_is_connected_again_with_nothing_lost_or_doubled(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")

    fake.stop()
    expect(page.get_by_role("alert")).to_contain_text("No connection; trying again")
    expect(page.get_by_role("button", name="Check", exact=True)).to_be_disabled()
    fake.do(lambda: shell.print("while away"))
    page.locator("#pane-node1 .xterm-helper-textarea").focus()
    page.keyboard.type("ls")
    fake.start()

    until("while awayls", page)
    expect(page.get_by_role("alert")).to_have_count(0)
    fake.do(lambda: shell.print(" and after"))
    until("while awayls and after", page)
    assert screen(page, "node1").count("[root@node1") == 1


def test_what_is_typed_before_the_shell_is_there_is_not_lost(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    fake.world.held = True

    page.keyboard.press("Alt+Shift+Digit2")
    page.keyboard.type("ls")
    expect(page.locator("#pane-node2 .over")).to_contain_text("Opening a shell")
    fake.do(fake.world.let_shells_open)

    until("[root@node2 ~]# ls", page, "node2")


def test_ctrl_c_copies_what_is_selected_and_else_interrupts(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")
    fake.do(lambda: shell.print("\r\nselectable"))
    until("selectable", page)
    page.locator("#pane-node1 .xterm-screen").click()

    page.keyboard.press("Control+c")
    until("^C", page)
    row = page.locator(".xterm-rows > div", has_text="selectable").bounding_box()
    assert row
    page.mouse.dblclick(row["x"] + 20, row["y"] + 8)
    page.keyboard.press("Control+c")

    expect(page.locator("#pane-node1 .xterm-rows")).to_contain_text("selectable")
    assert page.evaluate("navigator.clipboard.readText()").startswith("selectable")
    assert shell.typed == "\x03"
    page.keyboard.press("Control+Shift+V")
    for _ in range(100):
        if "selectable" in shell.typed:
            break
        time.sleep(0.02)
    assert shell.typed.startswith("\x03")
    assert "selectable" in shell.typed


def test_a_long_text_is_pasted_whole_in_pieces_that_the_server_takes(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")
    page.locator("#pane-node1 .xterm-screen").click()

    page.evaluate("navigator.clipboard.writeText('0123456789'.repeat(10000))")
    page.keyboard.press("Control+Shift+V")

    for _ in range(250):
        if len(shell.typed) >= 100_000:
            break
        time.sleep(0.02)
    assert shell.typed == "0123456789" * 10_000
    assert shell.longest < 65_536


def test_a_login_that_ended_while_the_server_was_away_is_told(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)

    fake.stop()
    page.context.clear_cookies()
    fake.start()

    expect(page.get_by_text("Your link has ended.")).to_be_visible()


def test_shift_tab_leaves_a_terminal_and_tab_stays(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    page.locator("#pane-node1 .xterm-screen").click()

    page.keyboard.press("Tab")
    inside = page.evaluate("document.activeElement.closest('.screen') !== null")
    page.keyboard.press("Shift+Tab")

    assert inside
    assert page.evaluate("document.activeElement.closest('.screen')") is None
    assert shell_on(fake, "node1").typed == "\t"


def test_terminals_stand_side_by_side_and_fit_their_place(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    alone = shell_on(fake, "node1").sizes[-1]

    page.get_by_role("button", name="Two terminals side by side").click()

    until("[root@node2 ~]#", page, "node2")
    half = shell_on(fake, "node2").sizes[-1]
    assert half[0] < alone[0] * 0.6
    assert abs(half[1] - alone[1]) <= 2

    page.get_by_role("button", name="All terminals").click()
    until("[root@workstation ~]#", page, "workstation")
    page.keyboard.press("Alt+Shift+3")
    page.keyboard.type("here")
    until("here", page, "workstation")


@pytest.mark.parametrize("first", ["map", "shell"])
def test_a_node_that_loses_its_power_ends_its_shell_which_opens_again(fake: Fake, page: Page, first: str) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")
    off = canned.fenced()

    if first == "map":
        fake.tell(off)
        expect(page.locator("svg .node.off")).to_be_visible()
    fake.do(lambda: shell.end("node1 lost its power: this shell ended with it.", power="off"))
    expect(page.locator("#pane-node1")).to_contain_text("node1 lost its power")
    if first == "shell":
        fake.tell(off)
        expect(page.locator("svg .node.off")).to_be_visible()

    expect(page.locator("#pane-node1")).to_contain_text("node1 lost its power")
    expect(page.locator("#pane-node1")).to_contain_text("It opens again when the node has power.")
    expect(page.locator("svg .node.off")).to_contain_text("no power")
    fake.tell(canned.map_(time=1020.0))

    expect(page.locator("#pane-node1 .over")).to_be_hidden()
    expect(page.locator("#pane-node1 .xterm-rows")).to_contain_text(re.compile(r"(\[root@node1.*){2}"))


def test_a_shell_that_was_left_opens_again_on_demand_only(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    shell = shell_on(fake, "node1")

    fake.do(lambda: shell.end("This shell has ended: it was left.", power="on"))
    fake.tell(canned.map_(time=1020.0))

    page.get_by_role("button", name="Open again").click()
    expect(page.locator("#pane-node1 .over")).to_be_hidden()


def test_the_map_is_seen_and_said(fake: Fake, page: Page) -> None:
    page.get_by_text("The map as text").click()
    said = page.locator("#map-as-text li")
    expect(said.first).to_have_text(
        "node1: power on, online; DC; answers ARP for the VIP; runs virtual_ip, website, fence_node2; its BMC answers."
    )

    fake.tell(canned.fenced())

    expect(said.first).to_have_text("node1: no power; fenced by node2; its BMC answers.")
    expect(page.locator("#news")).to_contain_text("node1: no power")
    expect(page.locator("svg.map .node.off .name")).to_contain_text("node1")
    expect(page.locator(".badges")).to_contain_text("1 of 2")


@pytest.mark.parametrize("cut", [["lan"], ["lan", "mgmt"]])
def test_cables_that_are_cut_are_marked(fake: Fake, page: Page, cut: list[str]) -> None:
    fake.tell(canned.map_(nodes=[canned.node("node1", cut=cut, bmc="dead"), canned.node("node2", member="unclean")]))

    expect(page.locator(".cable.cut")).to_have_count(len(cut))
    expect(page.locator("svg.map")).to_contain_text("UNCLEAN")
    expect(page.locator("svg.map")).to_contain_text("answers nobody")


def test_an_outage_grows_while_it_is_measured_and_becomes_the_report(fake: Fake, page: Page) -> None:
    measure_begins(fake)
    expect(page.locator(".headline")).to_contain_text("The fault is injected; the service answers.")
    lost = [{"at": 1000.1 + at * 0.05, "took": 0.9, "named": None} for at in range(40)]
    fake.event("samples", "measure", samples=lost, claims=[], writes=[])
    expect(page.locator(".headline")).to_contain_text("has been away for 2.0 s")
    expect(page.locator(".timeline .bar.bad")).to_have_count(1)
    fake.tell(canned.fenced())
    back = [{"at": 1009.41 + at * 0.05, "took": 0.01, "named": ["node2"]} for at in range(20)]
    fake.event("samples", "measure", samples=back, claims=[{"at": 1009.0, "owners": ["node2"]}], writes=[])
    expect(page.locator(".headline")).to_contain_text("was away for 9.31 s")

    directory = "/x/20261127-170000-power-cut"
    fake.event("measured", "measure", fault="power-cut", fencing=True, seconds=[9.31], directory=directory)
    fake.event("command_ends", "measure", status=0, reason="")

    expect(page.locator(".phases tbody td")).to_have_text(["9.31 s", "2.95 s", "1.18 s", "5.18 s"])
    assert page.locator(".picture").evaluate("picture => picture.decode().then(() => picture.naturalWidth > 0)")
    expect(page.locator(".live")).to_have_count(0)
    page.get_by_label("standby").check()
    expect(page.locator(".report")).to_have_count(2)


def test_a_fault_is_asked_for_with_its_options(fake: Fake, page: Page) -> None:
    page.get_by_role("button", name="Break it").click()
    page.get_by_role("combobox", name="Fault", exact=True).select_option("packet-loss")
    page.get_by_role("combobox", name="Node", exact=True).select_option("node2")
    page.get_by_label("Percent").fill("40")
    page.get_by_role("button", name="Inject").click()
    page.get_by_label("runs").fill("3")
    page.get_by_role("button", name="Measure").click()
    page.get_by_role("combobox", name="Fault", exact=True).select_option("partition")
    page.get_by_label("Groups").fill("node1/node2")
    page.get_by_role("button", name="Inject").click()
    fake.tell(canned.fenced())
    page.get_by_role("button", name="Heal").click()
    page.get_by_label("What its BMC does").select_option("off")
    page.get_by_role("button", name="Do", exact=True).click()
    expect(page.get_by_label("Groups")).to_be_visible()

    options = {"name": "packet-loss", "node": "node2", "network": "lan", "percent": "40"}
    assert fake.asked(5) == [
        ("fault", options),
        ("measure", {**options, "repeat": 3}),
        ("fault", {"name": "partition", "groups": "node1/node2"}),
        ("heal", {"fault": "power-cut"}),
        ("bmc", {"node": "node1", "action": "off"}),
    ]


def test_checkpoints_are_saved_and_gone_back_to(fake: Fake, page: Page) -> None:
    page.locator("#reset-to").select_option("install")
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_label("Name of a checkpoint").fill("my-work")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#actions")).to_be_visible()
    assert fake.asked(2) == [("reset", {"to": "install"}), ("save", {"name": "my-work"})]


def test_a_learner_is_told_who_watches_and_may_ask_for_help(fake: Fake, page: Page) -> None:
    fake.tell({"kind": "watched", "by": 1})
    expect(page.get_by_text("An instructor watches your terminals", exact=True)).to_be_visible()

    page.get_by_role("button", name="Ask for help").click()
    fake.tell({"kind": "help", "asked": True})

    expect(page.get_by_role("button", name="Help is asked for")).to_have_attribute("aria-pressed", "true")
    assert fake.asked(1) == [("help", {"asked": True})]


def test_an_exam_shows_its_sheet_and_the_time_that_is_left(fake: Fake, page: Page) -> None:
    clock = {"began": time.time(), "minutes": 30, "ends": time.time() + 1260}
    sheet = [{"kind": "heading", "text": "Task 1 (6 points)"}, canned.text("Let ", "website", " answer.")]
    fake.tell(canned.lesson(exam=True, title="Repair a cluster", sheet=sheet, step=None, steps=[], exam_clock=clock))

    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"(20|21) min \d\d s left of 30 min"))
    expect(page.get_by_role("heading", name="Task 1 (6 points)")).to_be_visible()
    page.get_by_role("button", name="Grade").click()
    assert fake.asked(1) == [("grade", {})]


def test_closing_is_guarded_once_something_was_typed(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))

    page.reload()
    until("[root@node1 ~]#", page)
    page.locator("#pane-node1 .xterm-screen").click()
    page.keyboard.type("x")
    expect(page.locator("#pane-node1 .xterm-rows")).to_contain_text("x")
    page.reload()

    assert asked == ["beforeunload"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024])
def test_nothing_is_cut_off_and_axe_finds_nothing_serious(fake: Fake, page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900 if width == 1440 else 700})
    until("[root@node1 ~]#", page)
    fake.tell(canned.fenced())
    fake.tell({"kind": "watched", "by": 1})
    fake.event("command_begins")
    for sentence, outcome in CHECKS:
        fake.event("checked", sentence=sentence, outcome=outcome, expected="this", seen="that", hints=[])
    expect(page.locator(".results .check")).to_have_count(3)

    found = axe(page)
    measure_begins(fake)
    expect(page.locator(".timeline")).to_be_visible()
    found += axe(page)
    page.get_by_role("button", name="Commands").click()
    found += axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    found += axe(page)

    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("#top", "#prose", "#actions", "#map"):
        assert page.locator(part).evaluate("part => part.scrollWidth <= part.clientWidth + 1"), part
    assert page.locator("#pane-node1").bounding_box()["width"] > 620  # type: ignore[index]


def test_the_first_load_is_small_and_soon_painted(fake: Fake, page: Page) -> None:
    until("[root@node1 ~]#", page)

    sizes = page.evaluate("performance.getEntriesByType('resource').map(entry => [entry.name, entry.decodedBodySize])")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")

    assert sum(size for _, size in sizes) < 700_000
    assert painted < 1000
    assert all(name.startswith(fake.address) for name, _ in sizes)


def test_a_link_that_was_used_says_how_to_get_another(fake: Fake, page: Page) -> None:
    page.context.clear_cookies()
    page.goto("about:blank")

    page.goto(f"{fake.address}#token=first")

    expect(page.get_by_role("heading", name="Not logged in")).to_be_visible()
    expect(page.get_by_text("inv page --for NAME")).to_be_visible()


def test_a_map_that_is_slow_to_come_is_waited_for_in_words(fake: Fake, page: Page) -> None:
    fake.do(lambda: fake.world.map.update(kind="nothing"))

    page.reload()

    expect(page.get_by_text("Looking at the cluster …")).to_be_visible()


def test_an_instance_that_is_not_up_says_so_and_can_be_brought_up(fake: Fake, page: Page) -> None:
    fake.tell(canned.lesson(up=False, step=None, steps=[], nodes=[], reason="instance alice is not up"))

    expect(page.get_by_text("instance alice is not up")).to_be_visible()
    page.get_by_role("button", name="Bring it up").click()
    assert fake.asked(1) == [("up", {})]
