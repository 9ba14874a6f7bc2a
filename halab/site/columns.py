"""Tables that Slurm's programs print with --format or --Format: columns of so many characters.

Little is imported here, as each forwarded command waits for it.
"""

from collections.abc import Mapping


def asked(columns: Mapping[str, int]) -> str:
    """Return the value of --Format for columns of these widths (squeue(1), sinfo(1))."""
    return ",".join(f"{name}:{width}" for name, width in columns.items())


def cells(line: str, columns: Mapping[str, int]) -> list[str]:
    """Return what is in the columns of a line, without the blanks around it."""
    found, begin = [], 0
    for width in columns.values():
        found.append(line[begin : begin + width].strip())
        begin += width
    return found
