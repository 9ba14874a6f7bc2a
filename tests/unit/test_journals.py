"""What makes a container's journal outlive its boots. That it does: tests/labs/test_fidelity.py."""

from pathlib import Path
from uuid import UUID

from halab.kit.process import CommandResult
from halab.providers.podman import journals
from tests.fakes import Programs


def test_each_boot_has_an_id_of_its_own_in_the_file_that_the_container_has_for_it(tmp_path: Path) -> None:
    volume = next(option for option in journals.podman_options(tmp_path, "node1") if option.startswith("--volume="))
    file = Path(volume.removeprefix("--volume=").split(":")[0])

    with file.open() as of_a_boot:
        journals.begin_boot(tmp_path, "node1")
        ids = [UUID(of_a_boot.read().strip()), UUID(file.read_text().strip())]

    assert ids[0] != ids[1]
    assert volume.endswith(":/proc/sys/kernel/random/boot_id:ro")
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_disk_is_uncovered_by_no_program_of_the_node_which_may_have_spoilt_that(programs: Programs) -> None:
    told: list[list[str]] = []

    def umount(argv: list[str], given: str) -> CommandResult:
        told.append(list(argv))
        return CommandResult(tuple(argv), 32, "", "umount: /var/log/journal: not mounted.")

    programs.stand_in("umount", umount)  # type: ignore[arg-type]

    journals.put_on_disk(4711)

    assert told == [["umount", "--namespace=4711", "/var/log/journal"]]
