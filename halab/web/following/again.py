"""Doing something again: soon when it is wanted, seldom when it is not."""

import asyncio
import math
from collections.abc import Awaitable, Callable


class Again:
    """Calls `act`, one call at a time. An error of one call is logged, and the next one comes all the same.

    A call that is wanted comes at once, but at least `apart` seconds after the one before. `settling` seconds after the
    last wish comes one more, as what was seen may not have been the end of it. Without a wish, the next call comes
    after `idle` seconds.
    """

    def __init__(self, act: Callable[[], Awaitable[None]], apart: float, settling: float, idle: float) -> None:
        self._act = act
        self._apart = apart
        self._settling = settling
        self._idle = idle
        self._woken = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._last = -math.inf
        self._due = math.inf
        self._once_more = -math.inf

    def want(self) -> None:
        """Have it done. Returns at once."""
        self._due = min(self._due, max(self._now(), self._last + self._apart))
        self._once_more = self._now() + self._settling
        self._woken.set()

    async def run(self) -> None:
        """Go on until this is cancelled."""
        while True:
            await self._wait_due()
            self._last, self._due = self._now(), self._now() + self._idle
            if self._once_more > self._last:
                self._due = max(self._once_more, self._last + self._apart)
            try:
                await self._act()
            except Exception as error:  # noqa: BLE001  # whatever a node has told: the next look may see something else
                told = {"message": "a look at an instance failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(told)

    async def _wait_due(self) -> None:
        while (left := self._due - self._now()) > 0:
            self._woken.clear()
            try:
                async with asyncio.timeout(left if left < math.inf else None):
                    await self._woken.wait()
            except TimeoutError:
                continue
