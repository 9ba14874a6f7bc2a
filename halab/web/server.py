"""The server of the page, one process for all instances.

It is `python -m halab.web.server PORT ADDRESS CERTIFICATE KEY [ROLE INSTANCE]`. With ROLE and INSTANCE it prints a link
for them as soon as it listens.
"""

import asyncio
import os
import signal
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

from filelock import FileLock, Timeout
from tornado.httpserver import HTTPServer
from tornado.httputil import ParseBodyConfig, ParseMultipartConfig, set_parse_body_config
from tornado.netutil import bind_sockets
from tornado.web import Application

from halab.kit.errors import Exit, LabError
from halab.web import files, listening, pages
from halab.web.access import Access, Who, directory
from halab.web.board import Board, Instances, Looking
from halab.web.class_marks import Marks
from halab.web.doing import Actions
from halab.web.following.followers import Followers
from halab.web.guard import LARGEST, Guarded, Nothing, Site
from halab.web.listening import CHANGED, Listening, link
from halab.web.live import Live
from halab.web.running import Running
from halab.web.terminals import terminal_socket

NAME = r"(?P<name>[a-z0-9][a-z0-9_.-]{0,40})"  # of an instance
SHELL = r"(?P<place>[A-Za-z0-9_.-]{1,63})/(?P<identity>[A-Za-z0-9]{1,20})"
IDLE = 600  # seconds after which a connection is closed that asks for nothing
THREADS = 32  # that wait for files and nodes; one that hangs is to hold up nobody else
TAKES = 20  # seconds in which a request must be there


def application(site: Site) -> Application:
    """Return the addresses of the page, each with its handler."""
    set_parse_body_config(ParseBodyConfig(multipart=ParseMultipartConfig(enabled=False)))
    routes: list[tuple[str, type[Guarded]]] = [
        (r"/", pages.Entry),
        (r"/static/player\.js", pages.Player),
        (r"/static/(?P<file>[A-Za-z0-9_./-]+)", pages.Static),
        (r"/modules/(?P<file>[A-Za-z0-9_./@-]+)", pages.Modules),
        (r"/login", pages.Login),
        (r"/logout", pages.Logout),
        (r"/me", pages.Me),
        (r"/board", Board),
        (r"/instances", Instances),
        (r"/marks/(?P<exam>[a-z0-9-]+)(?P<kind>|\.csv|-failed\.csv)", Marks),
        (rf"/instances/{NAME}/live", Live),
        (rf"/instances/{NAME}/actions", Actions),
        (rf"/instances/{NAME}/recordings", files.Recordings),
        (rf"/instances/{NAME}/recordings/(?P<file>[\w.+-]+\.cast)(?P<form>|\.json)", files.Recording),
        (rf"/instances/{NAME}/(?P<folder>measurements|attempts)/(?P<one>[\w-]+)/(?P<file>[\w.+-]+)", files.Kept),
        (rf"/instances/{NAME}/shells", terminal_socket.OpenShells),
        (rf"/instances/{NAME}/shells/{SHELL}", terminal_socket.Terminal),
    ]
    return Application(
        routes,
        default_handler_class=Nothing,
        site=site,
        watched={},
        followers=Followers(),
        looking=Looking(),
        running=Running(),
        websocket_max_message_size=LARGEST,
        websocket_ping_interval=20,
        log_function=lambda handler: None,
    )


def http_server(site: Application, context: ssl.SSLContext | None = None) -> HTTPServer:
    """Return a server of these addresses that keeps no more of a request than it may be long."""
    return HTTPServer(
        site,
        ssl_options=context,
        max_body_size=LARGEST,
        max_header_size=LARGEST,
        idle_connection_timeout=IDLE,
        body_timeout=TAKES,
    )


async def serve(where: Listening, who: Who | None) -> None:
    """Serve the page until SIGINT or SIGTERM. Raises LabError when it cannot listen, or another does."""
    place = directory()
    alone = FileLock(place / "server.lock", mode=0o600)
    try:
        alone.acquire(timeout=0)
    except Timeout:
        raise LabError("a page is served already; try: inv page --for NAME, or inv page --stop") from None
    site = Site(Access(place), where.hosts, where.port, where.tls)
    try:
        sockets = bind_sockets(where.port, where.address)
    except OSError as error:
        raise LabError(f"port {where.port} of {where.address}: {error.strerror}; try: --port N") from None
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(CHANGED, site.close_revoked)
    server = http_server(application(site), where.context())
    server.add_sockets(sockets)
    listening.remember(place, where, os.getpid())
    if who:
        print(f"{link(where, who)}\nis served until Ctrl-C.", flush=True)
    await ended.wait()
    server.stop()


def main(port: str, address: str, certificate: str, key: str, role: str = "", instance: str = "") -> int:
    who = Who("instructor" if role == "instructor" else "learner", instance or None) if role else None
    try:
        asyncio.run(serve(Listening(int(port), address, certificate, key), who))
    except LabError as error:
        print(f"halab: {error}", file=sys.stderr)
        return Exit.LAB_BROKEN
    return Exit.GOOD


if __name__ == "__main__":
    os.environ.pop("HALAB_MARK", None)  # what is started from here on is no server
    sys.exit(main(*sys.argv[1:]))
