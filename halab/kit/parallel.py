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
    """Run `act` on all items at once, and return the results in the items' order.

    All of them finish before the first error is raised. Only this thread gets Ctrl-C: then the programs that the others
    run are ended, and `cancel` is called, so that the others end soon.
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
