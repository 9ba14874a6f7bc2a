"""The two families of errors, and the exit statuses that tell them apart.

`LabError` says that the lab, its host or its files are at fault. `CheckFailed` says that the cluster is not as a check
expects. Only a `CheckFailed` ever counts against a learner.
"""

from enum import IntEnum


class Exit(IntEnum):
    GOOD = 0
    CHECK_FAILED = 1
    NOTHING_CHECKED = 2
    LAB_BROKEN = 3
    LOCKED = 4
    INTERRUPTED = 130


class HalabError(Exception):
    """Anything that a user is told in one sentence, without a traceback."""

    exit_code: Exit = Exit.LAB_BROKEN


class LabError(HalabError):
    """The lab, the host or a file is at fault. The message says what, where, what was expected, and what to do."""


class CheckFailed(HalabError):
    """The cluster is not as a check expects."""

    exit_code = Exit.CHECK_FAILED


class NothingChecked(HalabError):
    """Nothing could be checked, for example because no step is left."""

    exit_code = Exit.NOTHING_CHECKED


class Locked(HalabError):
    """Another command is changing the instance."""

    exit_code = Exit.LOCKED
