"""Asking for an action on an instance, which then runs as a command of its own."""

import asyncio

from halab.instance.instance import instances_dir
from halab.instance.state import holder
from halab.kit.errors import HalabError
from halab.web import actions
from halab.web.guard import Guarded, Refused
from halab.web.lesson import ask_for_help
from halab.web.running import Running


class Actions(Guarded):
    """Answers 202 when a command was begun, 409 with the lock's holder, and 400 with what is wrong."""

    async def post(self, name: str) -> None:
        posted = self.body()
        action, options = posted.get("action"), posted.get("options", {})
        if not isinstance(action, str):
            raise Refused(400, "there is no action")
        try:
            status, answer = await asyncio.to_thread(self._do, name, action, options)
        except HalabError as error:
            raise Refused(400, str(error)) from None
        self.give(answer, status)

    def _do(self, name: str, action: str, options: object) -> tuple[int, dict[str, object]]:
        """Do it, and return the status and the answer. Raises HalabError for what cannot be done."""
        directory, running = instances_dir() / name, self.running
        if action == "help":
            return self._help(name, options)
        if action == "interrupt":
            ended = running.interrupt(name)
            return (202, {}) if ended else (400, {"error": "no command that was begun on a page is running"})
        words = actions.words(directory, action, options)
        if action not in actions.WITHOUT_LOCK:
            if who := holder(directory):
                return 409, {"holder": who}
            if running.of(name):
                return 409, {"holder": "a command that was begun on a page"}
        return 202, {"pid": running.start(name, words)}

    def _help(self, name: str, options: object) -> tuple[int, dict[str, object]]:
        asked = options.get("asked") if isinstance(options, dict) else None
        if not isinstance(asked, bool) or not (instances_dir() / name).is_dir():
            return 400, {"error": "help is asked for, or not, for an instance that is up"}
        ask_for_help(instances_dir() / name, asked)
        return 202, {}

    @property
    def running(self) -> Running:
        running: Running = self.application.settings["running"]
        return running
