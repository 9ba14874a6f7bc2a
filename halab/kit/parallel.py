"""Doing the same for every node at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from halab.kit.families import end_all

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(
    items: Iterable[Item], act: Callable[[Item], Result], cancel: Callable[[], None] = lambda: None
) -> list[Result]:
    """`act` on all items at once; the results in order. All are finished before the first error is raised.

    On Ctrl-C, which only this thread gets, the programs that the others run are ended, and `cancel` is called, to let
    them end soon.
    """
    todo = list(items)
    if not todo:
        return []
    with ThreadPoolExecutor(len(todo)) as pool:
        try:
            return list(pool.map(act, todo))
        except KeyboardInterrupt:
            end_all()
            cancel()
            raise
