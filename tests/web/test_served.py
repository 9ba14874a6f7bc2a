"""The page's real server in a browser, about instances that are not up."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import axe
from tests.web.serving import Served, all_of, statuses

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def served(state_home: None) -> Iterator[Served]:
    served = Served()
    served.start()
    yield served
    served.stop()


def test_another_learner_reaches_nothing_of_this_one(opened: Callable[..., Page], served: Served) -> None:
    other = opened(served.link("--for", "bob"))
    expect(other.get_by_text("is not up").first).to_be_visible()
    assert axe(other) == []

    found = statuses(other, all_of("alice"))

    assert set(found.values()) <= {1006, 403, 404}, found
    assert statuses(other, [("SOCKET", "/instances/bob/live")]) == {"SOCKET /instances/bob/live": 101}


def test_a_learner_whose_link_is_revoked_is_put_out_at_once(opened: Callable[..., Page], served: Served) -> None:
    page = opened(served.link("--for", "alice"))
    expect(page.get_by_text("is not up").first).to_be_visible()

    served.revoke("alice")

    expect(page.get_by_text("Your link has ended")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Not logged in")).to_be_visible()
