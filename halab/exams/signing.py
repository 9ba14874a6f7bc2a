"""Signing a directory, so that whoever has the public key can tell whether it is still what was signed.

manifest.json    the SHA-256 of every other file, and the public key, in OpenSSH's form
manifest.sig     an Ed25519 signature of the bytes of manifest.json: 64 bytes
"""

import hashlib
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from halab.kit.errors import LabError, NothingChecked
from halab.kit.files import publish

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)  # what cryptography raises for data that is not a key


def make_key(file: Path) -> Path:
    """Write a new private key, which only its owner may read. Return the file of its public key, FILE.pub."""
    public = file.with_name(f"{file.name}.pub")
    for path in (file, public):
        if path.exists():
            raise LabError(f"{path} is there already, and is not overwritten; choose another name")
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _create(file, private, 0o600)
    _create(public, key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


def private_key(file: Path) -> Ed25519PrivateKey:
    """Return the private key in a file. Raises LabError when the file has none, or when it is locked.

    `inv make-key`, `openssl genpkey` and `ssh-keygen` write such files.
    """
    data = _read(file)
    load = serialization.load_ssh_private_key if b"OPENSSH" in data else serialization.load_pem_private_key
    try:
        key = load(data, password=None)
    except UNREADABLE as error:
        reason = "has a passphrase, and nobody is there to ask" if "assword" in str(error) else "is no private key"
        raise LabError(f"{file} {reason}; make one with: inv make-key FILE") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise LabError(f"{file} is no Ed25519 key; make one with: inv make-key FILE")
    return key


def public_key(file: Path) -> Ed25519PublicKey:
    """Return the public key in a file. Raises LabError when it has none.

    `inv make-key`, `openssl pkey -pubout` and `ssh-keygen` write such files.
    """
    data = _read(file)
    load = serialization.load_ssh_public_key if data.startswith(b"ssh-") else serialization.load_pem_public_key
    try:
        key = load(data)
    except UNREADABLE:
        raise LabError(f"{file} is no public key; inv make-key FILE writes it to FILE.pub") from None
    if not isinstance(key, Ed25519PublicKey):
        raise LabError(f"{file} is no Ed25519 key; make one with: inv make-key FILE")
    return key


def sign(directory: Path, key: Path) -> Path:
    """Sign every file under a directory, and return the manifest. An earlier signature is replaced."""
    private = private_key(key)
    for path in sorted(directory.rglob("*")):
        if not _plain(path):
            raise LabError(f"{path} is no file, so it cannot be signed; remove it")
    files = [{"path": name, "sha256": _digest(directory / name)} for name in _files(directory)]
    manifest = json.dumps({"public_key": _written(private.public_key()), "files": files}, indent=2).encode() + b"\n"
    (directory / SIGNATURE).unlink(missing_ok=True)  # this signature belongs to the earlier manifest
    publish(directory / MANIFEST, manifest)
    publish(directory / SIGNATURE, private.sign(manifest))
    return directory / MANIFEST


def verify(directory: Path, public: Path) -> list[str]:
    """Return a sentence for each thing that is not as it was signed. Raises NothingChecked without a signature."""
    key = public_key(public)
    if not directory.is_dir():
        raise LabError(f"{directory} is no directory; `inv grade` tells where it keeps an attempt")
    if not (directory / SIGNATURE).is_file():
        raise NothingChecked(f"{directory} is not signed: there is no {SIGNATURE}")
    if not (directory / MANIFEST).is_file():
        return [f"{MANIFEST} is missing"]
    manifest, signature = (directory / MANIFEST).read_bytes(), (directory / SIGNATURE).read_bytes()
    if not _holds(key, signature, manifest):
        other = _signer(manifest)
        if other and _written(other) != _written(key) and _holds(other, signature, manifest):
            return [f"{MANIFEST} is signed with another key: {_written(other)}"]
        return [f"{MANIFEST} or {SIGNATURE} was changed: the one does not sign the other"]
    signed = {file["path"]: file["sha256"] for file in json.loads(manifest)["files"]}
    return [*_compared(directory, signed), *_added(directory, signed)]


def _compared(directory: Path, signed: dict[str, str]) -> list[str]:
    problems = []
    for name, digest in signed.items():
        path = directory / name
        if not os.path.lexists(path):
            problems.append(f"{name} is missing")
        elif path.is_symlink() or not path.is_file():
            problems.append(f"{name} is no file any more")
        elif _digest(path) != digest:
            problems.append(f"{name} was changed")
    return problems


def _added(directory: Path, signed: dict[str, str]) -> list[str]:
    return [f"{name} was added" for name in _files(directory) if name not in signed]


def _files(directory: Path) -> list[str]:
    """Return everything under a directory that is not a directory itself, without the manifest and its signature."""
    there = [path.relative_to(directory).as_posix() for path in directory.rglob("*") if not _folder(path)]
    return sorted(name for name in there if name not in (MANIFEST, SIGNATURE))


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_file() or path.is_dir())


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _written(key: Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _holds(key: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _signer(manifest: bytes) -> Ed25519PublicKey | None:
    """Return the key that a manifest says it is signed with, or None when that cannot be read."""
    try:
        key = serialization.load_ssh_public_key(json.loads(manifest)["public_key"].encode())
    except (*UNREADABLE, KeyError, AttributeError):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise LabError(f"{file}: the key cannot be read: {error.strerror}") from None


def _create(file: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise LabError(f"{file} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(data)
    except OSError as error:
        file.unlink()
        raise LabError(f"{file} cannot be written: {error.strerror}") from error
