"""What `inv page` does: it starts and ends the server, and gives and ends access to it, also while that runs."""

import os
import signal
import sys
import time
from contextlib import suppress

from halab.cli.report import Report
from halab.cli.selection import current, refuse_name
from halab.instance.instance import instances_dir
from halab.kit.errors import LabError, NothingChecked
from halab.kit.paths import ROOT
from halab.kit.process import end_daemons, find_daemons, start_daemon
from halab.providers import rights
from halab.web import assets, listening
from halab.web.access import Access, Who, directory
from halab.web.listening import CHANGED, Listening, link

STARTS = 20.0  # seconds in which a server has begun to listen
INSTRUCTOR = "instructor"  # whom `--revoke` may name beside instances


def page(
    port: str | None,
    address: str | None,
    certificate: str | None,
    key: str | None,
    background: bool,
    end: bool,
    learner: str | None,
    instructor: bool,
    revoked: str | None,
) -> None:
    """Do what the options say. `--for` and `--instructor` print another link where a page is served already."""
    if end:
        stop()
    elif revoked:
        revoke(revoked)
    elif (learner or instructor) and (running := _running()) and not background:
        who = somebody(learner, instructor)
        print(link(running, who))  # whole, however narrow the terminal is
    else:
        where = listening.asked_for(port, address, certificate, key)
        serve(where, background, somebody(learner, instructor))


def serve(where: Listening, background: bool, who: Who) -> None:
    """Serve the page and print a link to it: until Ctrl-C, as this very process, or in the background."""
    if reason := rights.no_nodes_because():
        raise LabError(reason)
    if running := _running():
        raise LabError(f"a page is served already, at {running.url}; try: inv page --for NAME, or inv page --stop")
    assets.ensure(Report().say)
    signal.signal(CHANGED, signal.SIG_IGN)  # which the server inherits, until it can take the signal
    argv = [sys.executable, "-m", "halab.web.server", str(where.port), where.address, where.certificate, where.key]
    if not background:
        sys.stdout.flush()
        env = {**os.environ, "PYTHONPATH": str(ROOT), "HALAB_MARK": _mark()}
        os.execve(sys.executable, [*argv, who.role, who.instance or ""], env)
    log = directory() / "server.log"
    log.unlink(missing_ok=True)
    server = start_daemon(argv, _mark(), log=log, env={"PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + STARTS
    while listening.remembered(directory(), server.pid) is None:
        if server.poll() is not None or time.monotonic() > deadline:
            end_daemons(_mark())
            told = log.read_text(errors="replace").strip().removeprefix("halab: ")
            raise LabError(told or f"the page's server does not start; see {log}")
        time.sleep(0.05)
    print(f"{link(where, who)}\nis served in the background; inv page --stop ends that.")


def revoke(name: str) -> None:
    """End all access of an instance's learner, or of instructors, and their sockets at once."""
    ended = Access(directory()).revoke(lambda who: name in (who.instance, who.role) and who.role in (name, "learner"))
    for pid in find_daemons(_mark()):
        with suppress(ProcessLookupError):
            os.kill(pid, CHANGED)
    if not ended:
        raise NothingChecked(f"{name} has no link and no login that could be ended")
    Report().say(f"{name} has access no longer: {ended} links and logins are ended.")


def stop() -> None:
    """End the server. Shells and commands that it has begun go on."""
    was_there = bool(find_daemons(_mark()))
    end_daemons(_mark())
    Report().say("The page is no longer served." if was_there else "No page is served here: nothing to stop.")


def somebody(instance: str | None, instructor: bool) -> Who:
    """Return whom a link is for: an instructor, the learner of an instance, or that of the selected one."""
    if instructor and instance:
        raise LabError("--for names a learner, and --instructor is for the board; use one of them")
    if instructor:
        return Who("instructor")
    name = instance or current().instance_name
    refuse_name(name)
    if not (instances_dir() / name / "state.json").exists():
        print(f"Instance {name} is not up yet; its page can bring it up.", file=sys.stderr)
    return Who("learner", name)


def _mark() -> str:
    return f"{directory()}/server"


def _running() -> Listening | None:
    """Return where a page is served now."""
    servers = find_daemons(_mark())
    return next((where for pid in servers if (where := listening.remembered(directory(), pid))), None)
