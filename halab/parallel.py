"""Doing the same for every node at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(items: Iterable[Item], act: Callable[[Item], Result]) -> list[Result]:
    """`act` on all items at once; the results in order. All are finished before the first error is raised."""
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(len(todo)) as pool:
        return list(pool.map(act, todo))
