"""Drawing at random, in a way that is written down, so that the same seed gives the same draw on any Python.

Python promises that of the numbers of `random.random()` only, and not of what its other functions make of them.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

Item = TypeVar("Item")

BITS = 256  # of a number: a SHA-256
ORDERED = (list, tuple, range, str)  # a set has another order in each process


class Chance:
    """What is drawn from a seed. The methods are named as those of `random.Random`, and there are no others."""

    def __init__(self, *seed: str) -> None:
        self._seed = seed
        self._used = 0

    def _below(self, count: int) -> int:
        """Return one of the integers from 0 to `count` - 1, all alike. Raises ValueError when there are none."""
        if count < 1:
            raise ValueError("there is nothing to draw from")
        alike = 2**BITS - 2**BITS % count  # numbers from here on would favour the first of the integers
        while (number := self._number()) >= alike:
            pass
        return number % count

    def choice(self, items: Sequence[Item]) -> Item:
        return items[self._below(len(_ordered(items)))]

    def sample(self, items: Sequence[Item], k: int) -> list[Item]:
        """Return `k` of the items, in the order in which they were drawn. Raises ValueError when there are fewer."""
        left = list(_ordered(items))
        if not 0 <= k <= len(left):
            raise ValueError(f"{k} cannot be drawn from {len(left)}")
        return [left.pop(self._below(len(left))) for _ in range(k)]

    def shuffle(self, items: list[Any]) -> None:
        """Put the items into the order in which a sample of all of them has them."""
        items[:] = self.sample(items, len(items))

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return self.choice(range(start) if stop is None else range(start, stop, step))

    def randint(self, first: int, last: int) -> int:
        return self.choice(range(first, last + 1))

    def random(self) -> float:
        """Return a number from 0 to 1, without 1: a multiple of 2 ** -53, so a float holds it exactly."""
        return self._below(2**53) / 2**53

    def uniform(self, first: float, last: float) -> float:
        return first + (last - first) * self.random()

    def __getattr__(self, name: str) -> NoReturn:
        known = ", ".join(sorted(each for each in vars(Chance) if not each.startswith("_")))
        raise AttributeError(f"a draw is the same everywhere only when it is made with {known}; there is no {name}")

    def _number(self) -> int:
        text = "\0".join((*self._seed, str(self._used)))
        self._used += 1
        return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")


def _ordered(items: Sequence[Item]) -> Sequence[Item]:
    if not isinstance(items, ORDERED):
        raise TypeError(f"draw from a list, and not from a {type(items).__name__}: sorted(...) makes one of a set")
    return items
