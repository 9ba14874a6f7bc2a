"""How the tests of labs find out that a tool warns of what was typed."""

import pytest

from tests.labs.walking import outdated

CREATED = "[root@node1 ~]# pcs resource create webserver ocf:heartbeat:nginx"
SAYS = """\
Warning: Validating resource options using the resource agent itself is enabled by default and produces warnings. In a
Warning: Validation result from agent:
  Nov 28 01:28:16 INFO: nginx: configuration file /etc/nginx/nginx.conf test is successful
"""


@pytest.mark.parametrize(
    "line",
    [
        "Deprecation Warning: Specifying score as a standalone value is deprecated",
        "Warning: Using --force is not what you want",
        "this option will be removed in a future release",
        "stonith-enabled is deprecated",
    ],
)
def test_a_warning_is_told_with_the_command_above_it(line: str) -> None:
    shown = f"[root@node1 ~]# pcs status\nCluster name: x\n[root@node2 ~]# pcs one\n  {line}\nmore\n"

    assert outdated(shown) == [f"[root@node2 ~]# pcs one: {line}"]


def test_what_a_command_has_in_it_and_what_is_said_each_time_is_no_warning() -> None:
    shown = (
        "[root@node1 ~]# echo Warning: deprecated\nupdate-alternatives: warning: skip creation\nWARNING: no entry\n"
        "Warning: Permanently added 'node2' (ED25519) to the list of known hosts.\n"
        "Warning: Defaults do not apply to resources which override them with their own defined values\n"
    )

    assert outdated(shown) == []


def test_what_an_agent_says_of_itself_is_no_warning_unless_it_gives_a_reason() -> None:
    reason = "  ocf-exit-reason:Invalid STATUSURL http://localhost:80\n"

    assert outdated(f"{CREATED}\n{SAYS}") == []
    assert len(outdated(f"{CREATED}\n{SAYS}{reason}")) == 2
    assert outdated(f"{CREATED}\n{SAYS}Warning: another\n") == [f"{CREATED}: Warning: another"]
