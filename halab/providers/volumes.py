"""What a container is shown of the host's files, also where SELinux keeps containers from all that is not labelled."""

from pathlib import Path

SELINUX = Path("/sys/fs/selinux/enforce")  # is there where the kernel has a policy (selinuxfs)


def volume(source: Path, place: str, *, read_only: bool = False) -> str:
    """Return podman's option that shows a file or directory of the host at `place`, to several containers at once.

    Where SELinux is, podman labels it for that (podman-run(1), --volume, "Labeling Volume Mounts").
    """
    options = [*(["ro"] if read_only else []), *(["z"] if SELINUX.exists() else [])]
    return ":".join([f"--volume={source}", place, *([",".join(options)] if options else [])])
