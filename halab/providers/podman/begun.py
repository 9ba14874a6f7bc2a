"""The image with which an instance was begun: its checkpoints are differences to that one, whatever is made later."""

import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from halab.kit.errors import LabError
from halab.kit.files import write_atomically
from halab.providers import Origin, Premises, images, tools_root
from halab.spec.distros import load


class Begun:
    """`image.json` in an instance's directory names the image."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises
        self._file = premises.directory / "image.json"

    def exists(self) -> bool:
        return self._file.exists()

    def image(self) -> images.Image:
        """Return the image. An instance that is not begun yet is begun with the newest, which may be made for that."""
        distro = load(self._premises.distro)
        if self.exists():
            kept = json.loads(self._file.read_text())
            pool = Path(kept["pool"])
            tools = tools_root.ensure(distro, kept["reference"], pool, print)
            image = images.Image(kept["reference"], kept["image_id"], pool, tools)
            if kept.get("tools") == str(tools):
                return image
        else:
            image = self.made_before or images.ensure(distro, print)
        write_atomically(self._file, json.dumps(asdict(image), default=str))
        return image

    @cached_property
    def made_before(self) -> images.Image | None:
        """The newest image, if it was made already."""
        return images.Recipe(load(self._premises.distro)).made()

    def origin(self) -> Origin:
        """Return what checkpoints are differences to. Raises LabError when there is no image yet: none is made here."""
        name = self._premises.distro
        image = self.image() if self.exists() else self.made_before
        if image is None:
            raise LabError(f"there is no image of {name} on this machine, so nothing can be told of it; try: inv up")
        return Origin(name, image.reference.rpartition(":")[2], image.image_id, image.tools.name)
