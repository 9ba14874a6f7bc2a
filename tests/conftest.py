"""Which tests are the core, and which need what nodes need of their host."""

import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from halab.providers import rights

HERE = Path(__file__).parent
ON_NODES = {HERE / "labs", HERE / "exams", HERE / "site"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skip", action="store_true", help="a test that is skipped is a failure")


def pytest_configure() -> None:
    """Let tests interrupt what they start: a shell has what it runs in the background ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folders, and skip those that need nodes where there can be none."""
    reason = rights.no_nodes_because()
    for item in items:
        if HERE / "unit" in item.path.parents:
            item.add_marker(pytest.mark.core)
        if reason and (item.get_closest_marker("rights") or ON_NODES & set(item.path.parents)):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.config.getoption("no_skip"):
        report.outcome, report.longrepr = "failed", f"it was skipped: {report.longrepr}"
    return report
