"""What virtual machines are made from: a Vagrant box, and the distro's package pool as a CD-ROM.

    <cache>/boxes/<distro>-<digest>/   pool.iso; if the box is made here: halab.box, metadata.json, vmlinuz, initrd

A folder gets its name when it is complete. Files that libvirt reads are uploaded to its storage pool, because the user
that virtual machines run as may not read the user's cache directory.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from halab.kit import templates
from halab.kit.paths import PROVISION, cache_dir
from halab.kit.process import must
from halab.providers import host, images
from halab.providers.pools import added
from halab.providers.vagrant import labels
from halab.providers.vagrant.libvirtd import asking, connection
from halab.providers.vagrant.vagrantfile import Box
from halab.providers.volumes import volume
from halab.providers.workshop import Say, Workshop, workshop
from halab.spec.distros import Distro

TEMPLATE = PROVISION / "Boxfile.j2"
POLICY = PROVISION / "halab.cil"
DISK = "10G"
STORAGE_POOL = "default"  # vagrant-libvirt's own default
STORAGE_POOL_XML = """\
<pool type='dir'><name>default</name><target><path>/var/lib/libvirt/images</path></target></pool>"""


def ensure(distro: Distro, public_key: str, say: Say) -> Path:
    """Return the folder with box and pool of `distro`. It is made now if it does not exist.

    If the box is made here, `public_key` opens its machines, for root and for Vagrant.
    """
    image = images.ensure(distro, say)
    folder = _folder(distro, image, public_key)
    if not folder.is_dir():
        host.ensure(host.BOX_TOOLS, say)
        with workshop(f"{distro.name}-box", say) as shop:
            if not folder.is_dir():
                _make(distro, image, public_key, shop, folder)
    return folder


def render(distro: Distro, image_id: str, public_key: str) -> str:
    """Return the Containerfile that makes of an image what the disk of its machines has."""
    return templates.render(TEMPLATE, image=image_id, public_key=public_key, selinux=distro.selinux)


def upload(distro: Distro, folder: Path) -> Box:
    """Upload to libvirt what it is to read, unless it has it already. Return the box."""
    for_libvirt = [file for file in folder.iterdir() if file.suffix not in (".box", ".json")]
    uploaded = {file.name: _upload(file) for file in for_libvirt}
    if distro.box:
        return Box(distro.box, distro.box_url or None, uploaded["pool.iso"])
    url = f"file://{folder}/metadata.json"
    return Box(f"halab/{folder.name}", url, uploaded["pool.iso"], uploaded["vmlinuz"], uploaded["initrd"])


def _folder(distro: Distro, image: images.Image, public_key: str) -> Path:
    recipe = "".join(file.read_text() for file in (TEMPLATE, POLICY, labels.SCRIPT))
    made_from = f"{image.image_id}{public_key}{recipe}{' '.join(distro.selinux)}".encode() + added(image.pool)
    digest = hashlib.sha256(made_from).hexdigest()[:12]
    return cache_dir() / "boxes" / f"{distro.name}-{digest}"


def _make(distro: Distro, image: images.Image, public_key: str, shop: Workshop, folder: Path) -> None:
    result = shop.folder / "result"
    result.mkdir()
    shop.log.write_text("")
    shop.say(f"making what virtual machines start from, once; the log is {shop.log}")
    iso = str(result / "pool.iso")
    shop.run("xorriso", "-as", "mkisofs", "-quiet", "-V", "halab-pool", "-J", "-R", "-o", iso, str(image.pool))
    if not distro.box:
        _make_box(
            distro, image, public_key, shop, result, name=f"halab/{folder.name}", url=f"file://{folder}/halab.box"
        )
    folder.parent.mkdir(exist_ok=True)
    result.rename(folder)


def _make_box(
    distro: Distro, image: images.Image, public_key: str, shop: Workshop, result: Path, name: str, url: str
) -> None:
    boxfile = shop.folder / "Boxfile"
    boxfile.write_text(render(distro, image.image_id, public_key))
    shutil.copy(POLICY, shop.folder)
    mine = hashlib.sha256(str(shop.folder).encode()).hexdigest()[:12]  # podman's tags are the whole machine's
    tag = f"localhost/halab/box-{distro.name}:{mine}"
    shop.build(boxfile, tag, shop.folder, volume(image.pool, "/srv/pool", read_only=True))
    raw, disk = shop.folder / "disk.raw", shop.folder / "box.img"
    try:
        root = Path(must(["podman", "image", "mount", tag]).stdout.strip())
        for file in ("vmlinuz", "initrd"):
            (result / file).write_bytes((root / "boot" / file).read_bytes())
        shop.run("truncate", f"--size={DISK}", str(raw))
        shop.run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(root), str(raw))
        if distro.selinux:
            labels.write(shop, tag, image.pool, raw)
    finally:
        must(["podman", "image", "unmount", "--force", tag])
        must(["podman", "rmi", "--force", tag])
    shop.run("qemu-img", "convert", "-O", "qcow2", str(raw), str(disk))
    raw.unlink()
    (shop.folder / "metadata.json").write_text('{"provider": "libvirt", "format": "qcow2", "virtual_size": 10}')
    shop.run("tar", f"--directory={shop.folder}", "-cf", str(result / "halab.box"), "metadata.json", "box.img")
    versions = [{"version": "1.0.0", "providers": [{"name": "libvirt", "url": url}]}]
    (result / "metadata.json").write_text(json.dumps({"name": name, "versions": versions}))


def _upload(file: Path) -> str:
    """Return the path of a copy of `file` in libvirt's storage pool. Make the copy if there is none with a stamp.

    An upload that was killed has left no stamp.
    """
    name = f"halab-{file.parent.name}-{file.name}"
    with asking("its storage pool"):
        pool = _storage_pool()
        pool.refresh()
        stamp = cache_dir() / "uploaded" / f"{name}-{pool.UUIDString()}"
        there = {volume.name(): volume for volume in pool.listAllVolumes()}
        if name in there and stamp.exists():
            return str(there[name].path())
        if name in there:
            there[name].delete()
        size = file.stat().st_size
        volume = pool.createXML(
            f"<volume><name>{name}</name><capacity>{size}</capacity><target><format type='raw'/></target></volume>"
        )
        stream = connection().newStream()
        volume.upload(stream, 0, size)
        with file.open("rb") as content:
            stream.sendAll(lambda stream, count, content: content.read(count), content)
        stream.finish()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return str(volume.path())


def _storage_pool() -> Any:
    pools = {pool.name(): pool for pool in connection().listAllStoragePools()}
    pool = pools.get(STORAGE_POOL)
    if pool is None:
        pool = connection().storagePoolDefineXML(STORAGE_POOL_XML)
        pool.setAutostart(True)
    if not pool.isActive():
        pool.build()
        pool.create()
    return pool
