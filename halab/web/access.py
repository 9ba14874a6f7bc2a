"""Who may see and do what on the page. Kept in a file, only as hashes: links that nobody used yet, and logins."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from halab.kit.files import write_atomically
from halab.kit.paths import state_dir

LASTS = 30 * 86_400  # seconds after which a link, or a login, is of no use any more
Role = Literal["learner", "instructor"]


@dataclass(frozen=True)
class Who:
    """Somebody with access: a learner of one instance, or an instructor, who sees them all."""

    role: Role
    instance: str | None = None

    def may_reach(self, instance: str) -> bool:
        return self.role == "instructor" or self.instance == instance


@dataclass(frozen=True)
class _Kept:
    """What is kept of a link or of a login: the hash of its secret, and since when."""

    kind: Literal["link", "login"]
    secret: str
    since: float
    role: Role
    instance: str | None

    @property
    def who(self) -> Who:
        return Who(self.role, self.instance)


def directory() -> Path:
    """Return where the server of the page keeps what it has to know after a restart. Only its user may enter."""
    place = state_dir() / "page"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


class Access:
    """All links and logins. The file is read again whenever it has changed, so what is revoked is of no use at once."""

    def __init__(self, place: Path) -> None:
        self._file = place / "access.json"
        self._lock = place / "access.lock"
        self._seen: tuple[int, int] | None = None
        self._kept: dict[str, _Kept] = {}

    def link(self, who: Who) -> str:
        """Return the secret of a new link, which is good for one login."""
        return self._add("link", who)

    def log_in(self, link: str) -> tuple[Who, str] | None:
        """Use a link up. Return whose it was, and the secret of the new login; None when the link is of no use."""
        with self._changing() as kept:
            used = kept.get(_hash(link))
            if used is None or used.kind != "link":
                return None
            del kept[used.secret]
            return used.who, _new(kept, "login", used.who)

    def who(self, login: str) -> Who | None:
        """Return who has logged in with this; None when nobody has, or has it no longer."""
        found = self._read().get(_hash(login))
        return found.who if found and found.kind == "login" else None

    def log_out(self, login: str) -> None:
        with self._changing() as kept:
            kept.pop(_hash(login), None)

    def revoke(self, whose: Callable[[Who], bool]) -> int:
        """End all links and logins of somebody, and return how many there were."""
        with self._changing() as kept:
            ended = [secret for secret, one in kept.items() if whose(one.who)]
            for secret in ended:
                del kept[secret]
            return len(ended)

    def _add(self, kind: Literal["link", "login"], who: Who) -> str:
        with self._changing() as kept:
            return _new(kept, kind, who)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, _Kept]]:
        """Hold the lock, yield what is kept, and write what became of it."""
        with FileLock(self._lock, mode=0o600):
            kept = dict(self._read())
            before = dict(kept)
            yield kept
            if kept != before:
                write_atomically(self._file, json.dumps([asdict(one) for one in kept.values()]))

    def _read(self) -> dict[str, _Kept]:
        try:
            there = self._file.stat()
            if (seen := (there.st_ino, there.st_mtime_ns)) != self._seen:
                kept = [_Kept(**one) for one in json.loads(self._file.read_bytes())]
                self._kept, self._seen = {one.secret: one for one in kept}, seen
        except (OSError, ValueError, TypeError):  # nobody has access by what cannot be read
            self._kept, self._seen = {}, None
        since = time.time() - LASTS
        return {secret: one for secret, one in self._kept.items() if one.since > since}


def _new(kept: dict[str, _Kept], kind: Literal["link", "login"], who: Who) -> str:
    """Add a link or a login, and return its secret, of which only a hash is kept."""
    secret = secrets.token_urlsafe(32)
    kept[_hash(secret)] = _Kept(kind, _hash(secret), time.time(), who.role, who.instance)
    return secret


def _hash(secret: str) -> str:
    """Return what is kept of a secret. It is long and random, so its hash needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
