"""The last characters of what a shell has printed, each byte with its number, for whoever comes later or reads slowly.

Bytes are counted, from the beginning of the shell: a browser counts them as it counts nothing else that is cut at
any place.
"""

import re

CHARACTERS = 50_000  # at least so many are kept
SLACK = 16_384  # how many more there may be, so that they are not moved for each letter
LONGEST = 4  # bytes of a character in UTF-8; output that is none is not counted in characters, and bounded by this
MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")  # sets modes of a terminal, or resets them (DECSET, DECRST)
FOLLOWING = bytes(range(0x80, 0xC0))  # what a character in UTF-8 has after its first byte


class Replay:
    """`start` is the number of the first byte that is kept, `end` of the next one that will come.

    `modes` are those of the terminal at the start, as its alternate screen, which what is kept does not set any more.
    """

    def __init__(self, start: int = 0, kept: bytes = b"") -> None:
        self.start = start
        self.modes: set[bytes] = set()
        self._kept = bytearray(kept)
        self._characters = _characters(kept)

    @property
    def end(self) -> int:
        return self.start + len(self._kept)

    def append(self, data: bytes) -> None:
        self._kept += data
        self._characters += _characters(data)
        if self._characters > CHARACTERS + SLACK or len(self._kept) > (CHARACTERS + SLACK) * LONGEST:
            self._forget()

    def since(self, number: int, most: int) -> bytes:
        """Return at most so many bytes from that one on, which is kept."""
        return bytes(self._kept[number - self.start : number - self.start + most])

    def _forget(self) -> None:
        """Keep CHARACTERS at the end, or some more: no character is cut, nor a line, unless it is a very long one."""
        surplus = self._characters - CHARACTERS
        cut = max(0, len(self._kept) - CHARACTERS * LONGEST)
        while (passed := _characters(self._kept[:cut])) < surplus:
            cut += surplus - passed
        while cut < len(self._kept) and self._kept[cut] in FOLLOWING:
            cut += 1
        line = self._kept.rfind(b"\n", cut // 2, cut) + 1
        cut = line or cut
        for numbers, sets in MODE.findall(self._kept, 0, cut):
            change = self.modes.update if sets == b"h" else self.modes.difference_update
            change(numbers.split(b";"))
        self._characters -= _characters(self._kept[:cut])
        del self._kept[:cut]
        self.start += cut


def _characters(data: bytes | bytearray) -> int:
    return len(data.translate(None, FOLLOWING))
