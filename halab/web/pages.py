"""The entry, the files of the page itself, and logging in and out."""

import asyncio
import mimetypes
from pathlib import Path

from halab.kit.paths import ROOT
from halab.web import assets
from halab.web.guard import Guarded, Refused

STATIC = Path(__file__).with_name("static")
PLAYER = ROOT / "halab" / "exams" / "reports" / "player.js"
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}


class Entry(Guarded):
    needs = "anybody"

    async def get(self) -> None:
        await send_file(self, STATIC, "index.html")


class Static(Guarded):
    needs = "anybody"

    async def get(self, file: str) -> None:
        await send_file(self, STATIC, file)


class Player(Guarded):
    """The player of recordings, which reports have in themselves."""

    needs = "instructor"

    async def get(self) -> None:
        await send_file(self, PLAYER.parent, PLAYER.name)


class Modules(Guarded):
    """What the page has from npm: of all that, only the files that it asks for."""

    needs = "anybody"

    async def get(self, file: str) -> None:
        if file not in assets.SERVED:
            raise Refused(404, "there is nothing here")
        await send_file(self, assets.path(), file)


class Login(Guarded):
    """Exchanges the secret of a link for a cookie."""

    needs = "anybody"

    async def post(self) -> None:
        token = self.body().get("token")
        access = self.site.access
        found = await asyncio.to_thread(access.log_in, token) if isinstance(token, str) else None
        if found is None:
            raise Refused(403, "this link was used already, or has ended; `inv page` prints another one")
        who, login = found
        self.set_login(login)
        self.give({"role": who.role, "instance": who.instance})


class Me(Guarded):
    def get(self) -> None:
        self.give({"role": self.who.role, "instance": self.who.instance})


class Logout(Guarded):
    async def post(self) -> None:
        self.body()
        await asyncio.to_thread(self.site.access.log_out, self.login)
        self.clear_cookie(self.site.cookie, path="/", secure=self.site.tls, httponly=True, samesite="Strict")
        self.site.close_revoked()
        self.give({})


async def send_file(handler: Guarded, folder: Path, name: str) -> None:
    """Send a file of a folder. Raises 404 for what is not in it, whatever names or links say."""
    content = await asyncio.to_thread(_content, folder, name)
    kind = TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind == "application/json"
    handler.set_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
    handler.set_header("Cache-Control", "no-cache")  # a browser asks whether what it has is still the same
    handler.finish(content)


def _content(folder: Path, name: str) -> bytes:
    try:
        root = folder.resolve(strict=True)
        file = (root / name).resolve(strict=True)
        if not file.is_relative_to(root) or not file.is_file():
            raise Refused(404, "there is nothing here")
        return file.read_bytes()
    except (OSError, ValueError):
        raise Refused(404, "there is nothing here") from None
