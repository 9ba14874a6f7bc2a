"""The labels of SELinux, written into the file system of a machine that never ran.

A kernel without SELinux cannot set them, and one with SELinux lets nobody set those of another policy. So the policy is
asked for each file's label where it is installed, and debugfs(8) writes them as what they are on a disk: an extended
attribute. With wrong labels, or none, an enforcing machine does not boot.
"""

from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.paths import PROVISION
from halab.providers.workshop import Workshop

SCRIPT = PROVISION / "labels.sh"
ATTRIBUTE = "security.selinux"  # xattr(7)
NO_LABEL = "<<none>>"  # the policy leaves the file as it is: selabel_file(5)
MADE_BY_MKE2FS = "/lost+found\tsystem_u:object_r:lost_found_t:s0\n"


def write(shop: Workshop, tag: str, pool: Path, disk: Path) -> None:
    """Label the files on `disk`, an ext4 file system with the root of the image `tag`. Raises LabError."""
    place = shop.folder / "labels"
    place.mkdir()
    shop.run_inside(tag, SCRIPT.read_text(), pool, place)
    commands = shop.folder / "labels.debugfs"
    commands.write_text(script((place / "listing").read_text() + MADE_BY_MKE2FS))
    shop.run("sh", "-c", 'debugfs -w -f "$0" "$1" >/dev/null', str(commands), str(disk))  # it repeats each command


def script(listing: str) -> str:
    """Return debugfs' commands for lines of a path, a tab and a label.

    debugfs takes a path in quotation marks, and doubles those within it. Raises LabError when the root has no label.
    """
    labels = {path: label for path, _, label in (line.rpartition("\t") for line in listing.split("\n")) if path}
    if "/" not in labels:
        raise LabError("SELinux's policy tells no label for the root directory")
    quoted = {path.replace('"', '""'): label for path, label in labels.items() if label != NO_LABEL}
    return "".join(f'ea_set "{path}" {ATTRIBUTE} {label}\n' for path, label in quoted.items())
