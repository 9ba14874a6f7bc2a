"""Units on a host that can have no nodes: those that need what nodes need are skipped, and all others pass."""

import pytest

from tests.without import LESS, USER, pytest_without

# Pexpect asks access(2) whether it may run this Python, and that looks at the user only, and not at capabilities
SELECT = ("-k", "not test_a_program_cannot_reach_the_terminal_that_its_caller_has")
# Those that have to do with the host
UNITS = ("commands", "full_disk", "host", "images", "process", "shell", "vagrant", "witness")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", [LESS, USER])
def test_units_pass_or_are_skipped_without_rights(who: tuple[str, ...]) -> None:
    done = pytest_without(who, *SELECT, *(f"tests/unit/test_{unit}.py" for unit in UNITS))

    assert done.returncode == 0, done.stdout[-8000:]
    assert "skipped" in done.stdout
