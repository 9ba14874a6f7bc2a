"""A counter that is written through the VIP, one number after the other, and what the service has of it afterwards."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from halab.instance.instance import Instance
from halab.kit.errors import LabError
from halab.kit.process import run


@dataclass(frozen=True)
class Write:
    """One PUT, of a file named after the number. `acknowledged`: the service said in time that it has it."""

    at: float
    number: int
    acknowledged: bool


def kept(instance: Instance, folder: str, numbers: Sequence[int]) -> tuple[int, ...]:
    """Return the numbers that the service has now, asked through the VIP.

    Raises LabError when it gives no clear answer.
    """
    if not numbers:
        return ()
    address = f"http://{instance.spec.vip}{folder}"
    wanted = "".join(f'url = "{address}{number}"\noutput = "/dev/null"\n' for number in numbers)
    asked = ["curl", "--silent", "--head", "--max-time", "10", "--write-out", r"%{http_code} %{url}\n", "--config", "-"]
    told = run(instance.provider.workstation_argv(asked), input=wanted, timeout=10 + len(numbers)).stdout
    answers = {int(number): code for code, number in re.findall(r"^(\d+) \S*/(\d+)$", told, re.MULTILINE)}
    if unclear := [number for number in numbers if answers.get(number) not in ("200", "404")]:
        raise LabError(
            f"{address}{unclear[0]}: status {answers.get(unclear[0], 'unknown')}, so nobody knows what is kept"
        )
    return tuple(number for number in numbers if answers[number] == "200")
