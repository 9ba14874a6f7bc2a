"""How slow nodes are. Deadlines are stretched by that, and it is passed to whoever has one."""

import os
from dataclasses import dataclass

from halab.kit.errors import LabError

SETTING = "HALAB_TIMEOUT_FACTOR"  # in the environment, by which a user says it
MOST = 1000


@dataclass(frozen=True)
class Pace:
    """`factor` is what every deadline is multiplied by. It is less than 1 only for a user who waits in vain."""

    factor: float = 1.0

    @property
    def slowness(self) -> float:
        """As `factor`, but at least 1: a program that hangs is never given less time than usual."""
        return max(1.0, self.factor)


def pace(slowness: float = 1.0) -> Pace:
    """Return the pace of nodes that are so many times slower than usual, unless the user says another factor.

    Raises LabError when the user's is no number that time can be multiplied by.
    """
    given = os.environ.get(SETTING)
    try:
        factor = slowness if given is None else float(given)
    except ValueError:
        factor = -1
    if not 0 <= factor <= MOST:  # which NaN is not either
        raise LabError(f"{SETTING} is {given!r}, expected a number such as 1 or 2.5, at most {MOST}")
    return Pace(factor)
