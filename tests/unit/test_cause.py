"""What is quoted of failed programs: the part that tells the cause. The texts were captured."""

from pathlib import Path

import pytest

from halab.kit.cause import cause
from halab.kit.process import CommandResult, run

SAID = Path(__file__).parent.parent / "fixtures" / "said"

CRM_RESOURCE = """\
crm_resource: Could not connect to the CIB: Transport endpoint is not connected
Error performing operation: Not connected
"""
CIBADMIN = """\
Could not connect to the CIB: Transport endpoint is not connected
Init failed, could not perform requested operations
"""
PCS = """\
Warning: node1: some advice
Error: node2: Unable to connect to node2 (Connection timed out after 3000 milliseconds)
Error: Errors have occurred, therefore pcs is unable to continue
"""
PCS_FORCE = """\
Error: Resource 'x' is not known, use --force to override
Error: Errors have occurred, therefore pcs is unable to continue
"""
SYSTEMCTL = """\
Job for nginx.service failed because the control process exited with error code.
See "systemctl status nginx.service" and "journalctl -xeu nginx.service" for details.
"""
NFT = """\
/dev/stdin:2:1-35: Error: Could not process rule: No such file or directory
add rule bridge none x drop
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""
TC = 'Cannot find device "nothing"\n'
IP_BATCH = "RTNETLINK answers: File exists\nCommand failed -:3\n"
APT = """\
Reading package lists...
E: Unable to locate package nothing
"""
DPKG = """\
dpkg: error processing package pcs (--configure):
 installed pcs package post-installation script subprocess returned error exit status 1
Errors were encountered while processing:
 pcs
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""
TRACEBACK = """\
Traceback (most recent call last):
  File "/usr/sbin/fence_x", line 3, in <module>
    raise ValueError("failed: no")
ValueError: the address is wrong
"""
TAR = """\
tar: /tmp/node1.tar: Wrote only 4096 of 10240 bytes
tar: Error is not recoverable: exiting now
"""
CURL = "curl: (7) Failed to connect to 192.168.1.100 port 80 after 0 ms: Couldn't connect to server\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CRM_RESOURCE, "crm_resource: Could not connect to the CIB: Transport endpoint is not connected"),
        (CIBADMIN, "Could not connect to the CIB: Transport endpoint is not connected"),
        (PCS, "Error: node2: Unable to connect to node2 (Connection timed out after 3000 milliseconds)"),
        (PCS_FORCE, "Error: Resource 'x' is not known, use --force to override"),
        (SYSTEMCTL, "Job for nginx.service failed because the control process exited with error code."),
        (NFT, "/dev/stdin:2:1-35: Error: Could not process rule: No such file or directory"),
        (TC, 'Cannot find device "nothing"'),
        (IP_BATCH, "RTNETLINK answers: File exists"),
        (APT, "E: Unable to locate package nothing"),
        (DPKG, "dpkg: error processing package pcs (--configure):"),
        (TRACEBACK, "ValueError: the address is wrong"),
        (CURL, CURL.strip()),
        (TAR, "tar: /tmp/node1.tar: Wrote only 4096 of 10240 bytes"),
        ("one\ntwo\n", "two"),
        ("See nothing for details\n", "See nothing for details"),
        ("", ""),
    ],
)
def test_the_cause_is_quoted(text: str, told: str) -> None:
    assert cause("", text) == told
    assert cause(text) == told


def test_errors_count_before_what_a_program_printed_otherwise() -> None:
    assert cause("Error: not this\n", "but this\n") == "but this"


def test_a_tool_of_pacemaker_tells_the_cause_in_its_xml() -> None:
    text = (SAID / "crm_mon-no-cluster.xml").read_text()

    assert cause(text) == (
        "Not connected: Could not connect to launcher: Connection refused; "
        "crm_mon: Connection to cluster failed: Connection refused"
    )
    assert cause(f"noise\n{text}", "crm_mon: something else\n") == cause(text)


def test_a_tool_of_pacemaker_may_tell_no_more_than_a_message() -> None:
    text = '<pacemaker-result><status code="66" message="Input file not available"/></pacemaker-result>'

    assert cause(text, "crm_simulate: it cannot\n") == "Input file not available"


@pytest.mark.parametrize("text", ["<pacemaker-result><status", "<pacemaker-result></pacemaker-result>"])
def test_xml_that_tells_nothing_is_as_any_other_text(text: str) -> None:
    assert cause(text, "it broke\n") == "it broke"


def test_a_program_that_printed_nothing_is_told_by_its_exit_status() -> None:
    assert run(["sh", "-c", "exit 3"]).cause() == "it printed nothing, and its exit status is 3"
    assert CommandResult((), 1, "said\n", "").cause() == "said"


def test_a_program_that_a_signal_ended_is_told_by_that() -> None:
    assert run(["sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"]).cause().endswith("SIGSEGV ended it")
    assert run(["sh", "-c", "kill -KILL $$"]).cause() == "it printed nothing, and SIGKILL ended it"
    assert CommandResult((), 139, "", "").cause() == "it printed nothing, and SIGSEGV ended it"
