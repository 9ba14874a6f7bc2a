"""A browser for tests of the page, and a stand-in for the page's server."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from halab.providers import host
from halab.web import assets
from tests.web import fake_server
from tests.web.fake_server import Fake, World
from tests.web.serving import Served

SOON = 20_000  # milliseconds: clusters of other tests may be busy beside it
expect.set_options(timeout=SOON)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, which as root cannot make a sandbox of its own.

    It ends with each module, as its event loop would be in the way of tests that have one of their own.
    """
    if host.missing(host.BROWSER):
        pytest.skip("there is no chromium on this host")
    assets.ensure(print, tests=True)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield found
        found.close()


def _note_errors(page: Page, wrong: list[str]) -> None:
    """Note what goes wrong on a page, and accept what it asks."""
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    page.on("dialog", lambda dialog: dialog.accept())


@pytest.fixture(scope="module")
def opened(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """A function that opens a link in a browser of its own, whose errors fail the test that closes it.

    The test file says how the real server is `served`.
    """
    wrong: list[str] = []
    contexts = []

    def open_(link: str) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(SOON)
        contexts.append(context)
        page = context.new_page()
        _note_errors(page, wrong)
        page.goto(link)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(SOON)
        yield context


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def fake(world: World, browser: Browser) -> Iterator[Fake]:
    with fake_server.served(world) as fake:
        yield fake


@pytest.fixture
def page(fake: Fake, context: BrowserContext) -> Iterator[Page]:
    """The learner's page or the board, after its link was opened. A test fails that leaves an error in the console."""
    page = context.new_page()
    wrong: list[str] = []
    _note_errors(page, wrong)
    page.goto(f"{fake.address}#token=first")
    expect(page.get_by_role("button", name="Ask for help").or_(page.locator("#only"))).to_be_enabled()
    yield page
    assert wrong == []


def axe(page: Page) -> list[str]:
    """Return what axe finds serious or critical on a page."""
    page.evaluate(Path(assets.path(tests=True), "axe-core", "axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
