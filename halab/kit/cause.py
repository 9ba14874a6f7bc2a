"""What tells the cause in what a failed program printed. Sentences quote it, and nothing else of the program."""

import re
from collections.abc import Sequence

from halab.kit.errors import LabError
from halab.kit.xml import parse_xml

RESULT = "<pacemaker-result"  # Pacemaker's tools print this with --output-as=xml (xml/api/*.rng, "status")
TRACEBACK = "Traceback (most recent call last):"
ERROR = re.compile(r"(?i:(?:^|[:\s\[(])(?:error|fatal|failed)\s*[:\])])|^(?:E:|[\w-]+: error) ")
# Lines that stand below a cause, or above it, and tell nothing of it
NOISE = re.compile(
    r"""^(?:[\^~\s]+$|</?[\w-]+>$ | (?:Warning|Hint|usage):|Try\s|See\s.*for\ details
    |For\ more\ details\ see|Run\ .*for\ more|Command\ failed\ |Error\ performing\ operation:|Init\ failed,
    |Use\ --force|use\ --force|Errors\ were\ encountered\ while
    |(?:Error:\ )?Errors\ have\ occurred,|E:\ Sub-process\ |tar:\ Error\ is\ not\ recoverable:
    |tar:\ Exiting\ with\ failure\ status\ )""",
    re.VERBOSE | re.IGNORECASE,
)


def cause(stdout: str, stderr: str = "") -> str:
    """Return the line that tells why a program failed, or "" when it printed nothing.

    That is its first error. Where nothing is marked as one, it is the last line of what it printed on standard error,
    or else on standard output.
    """
    if RESULT in stdout and (told := of_pacemaker(stdout)):
        return told
    lines = _lines(stderr) or _lines(stdout)
    telling = [line for line in lines if not NOISE.match(line)] or lines
    if TRACEBACK in lines:
        return telling[-1]
    return next(iter([line for line in telling if ERROR.search(line)] or telling[-1:]), "")


def _lines(text: str) -> Sequence[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def of_pacemaker(text: str) -> str:
    """Return what a tool of Pacemaker says of its failure in its XML, or "" when it says nothing of one."""
    try:
        status = parse_xml(text[text.index(RESULT) :]).find("status")
    except LabError:
        return ""
    if status is None or status.get("code") == "0":
        return ""
    errors = [line.removeprefix("error: ") for error in status.iter("error") for line in _lines(error.text or "")]
    return ": ".join(filter(None, [status.get("message", ""), "; ".join(errors)]))
