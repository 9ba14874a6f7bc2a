"""Who may speak to the page's server, and from where: Host, Origin, logins, what they may reach, and sizes."""

import asyncio
import stat
from contextlib import suppress

import pytest

from halab.instance.instance import Instance
from halab.web import access, guard, pages
from halab.web.access import Access, Who, directory
from tests.page_server import PageServer, close_code, message

ALICE, BOB, TEACHER = Who("learner", "alice"), Who("learner", "bob"), Who("instructor")
POSTS = ("/login", "/logout", "/instances/alice/actions")
SOCKETS = ("/board", "/instances/alice/live")
FOREIGN = ("http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1", "http://evil.127.0.0.1")


def heard(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    """Return what sockets receive from now on."""
    received: list[str | bytes] = []

    async def receive(self: object, message: str | bytes) -> None:
        received.append(message)

    monkeypatch.setattr(guard.GuardedSocket, "received", receive)
    return received


@pytest.mark.parametrize("path", ["/", "/me", "/static/main.js", "/nothing", "/instances/alice/live"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "{host}.evil", ""])
def test_another_host_is_refused_everywhere(server: PageServer, path: str, host: str) -> None:
    cookie = server.login(ALICE)

    wrong = host.format(port=server.port, host=server.host) or None

    assert server.send("GET", path, {"Cookie": cookie}, host=wrong).status in (400, 403)


def test_a_rebound_host_is_refused_although_its_origin_is_equal(server: PageServer) -> None:
    rebound = f"evil.example:{server.port}"
    headers = {"Origin": f"http://{rebound}", "Cookie": server.login(ALICE)}

    assert server.upgrade("/instances/alice/live", {**headers, "Host": rebound}) == 403
    assert server.send("POST", "/logout", {**headers, "Content-Type": "application/json"}, b"{}", rebound).status == 403


def test_localhost_is_the_page_too(server: PageServer) -> None:
    assert server.send("GET", "/", host=f"LOCALHOST:{server.port}").status == 200


@pytest.mark.parametrize("path", POSTS)
def test_a_post_without_origin_or_with_another_one_is_refused(server: PageServer, path: str) -> None:
    headers = {"Content-Type": "application/json", "Cookie": server.login(ALICE)}
    origins = [*FOREIGN, f"{server.origin}.evil.example", f"{server.origin}0", server.origin.replace("http", "https")]

    assert server.send("POST", path, headers, b"{}").status == 403
    for origin in origins:
        assert server.send("POST", path, {**headers, "Origin": origin}, b"{}").status == 403


@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_without_origin_or_with_another_one_is_refused(server: PageServer, path: str) -> None:
    cookie = server.login(TEACHER)

    assert server.upgrade(path, {"Cookie": cookie, "Origin": server.origin}) == 101
    assert server.upgrade(path, {"Cookie": cookie}) == 403
    for origin in (*FOREIGN, f"{server.origin}.evil.example", f"{server.origin}0"):
        assert server.upgrade(path, {"Cookie": cookie, "Origin": origin}) == 403


@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_without_login_is_refused(server: PageServer, path: str) -> None:
    for cookie in ("", f"{server.site.cookie}=guessed", f"{server.site.cookie}="):
        assert server.upgrade(path, {"Origin": server.origin, **({"Cookie": cookie} if cookie else {})}) == 401


def test_what_another_site_asks_for_is_refused(server: PageServer) -> None:
    cookie = server.login(ALICE)

    assert server.get("/me", cookie, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}).status == 403
    assert server.get("/static/main.js", **{"Sec-Fetch-Site": "same-site"}).status == 403
    assert server.post("/logout", {}, cookie, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="no-cors").status == 403
    assert server.post("/logout", {}, cookie, Sec_Fetch_Site="cross-site").status == 403
    assert server.get("/me", cookie).status == 200


def test_somebody_may_follow_a_link_from_elsewhere_to_the_entry_only(server: PageServer) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    assert server.get("/", **followed).status == 200
    assert server.get("/", **{**followed, "Sec-Fetch-Dest": "iframe"}).status == 403
    assert server.get("/me", server.login(ALICE), **followed).status == 403


def test_a_link_is_good_for_one_login(server: PageServer) -> None:
    token = server.access.link(ALICE)

    answer = server.post("/login", {"token": token})

    assert (answer.status, answer.json) == (200, {"role": "learner", "instance": "alice"})
    assert server.post("/login", {"token": token}).status == 403
    assert [server.post("/login", {"token": wrong}).status for wrong in ("", "x" * 43, None, 1, [token])] == [403] * 5


def test_a_login_is_no_link_and_a_link_no_login(server: PageServer) -> None:
    cookie, token = server.login(ALICE), server.access.link(ALICE)

    assert server.post("/login", {"token": cookie.partition("=")[2]}).status == 403
    assert server.get("/me", f"{server.site.cookie}={token}").status == 401


def test_the_cookie_is_for_this_port_and_for_no_script(server: PageServer) -> None:
    set_cookie = server.post("/login", {"token": server.access.link(ALICE)}).headers["Set-Cookie"]

    name, _, rest = set_cookie.partition("=")
    attributes = {part.strip().partition("=")[0] for part in rest.split(";")[1:]}
    assert name == f"halab-{server.port}"
    assert "SameSite=Strict" in set_cookie
    assert attributes == {"HttpOnly", "Max-Age", "Path", "SameSite"}


def test_under_tls_the_cookie_is_bound_to_its_host() -> None:
    site = guard.Site(Access(directory()), frozenset({"lab.example:8717"}), 8717, tls=True)

    assert site.cookie == "__Host-halab-8717"
    assert site.origins == {"https://lab.example:8717"}


def test_only_hashes_are_kept_and_only_their_owner_may_read_them(server: PageServer) -> None:
    link, cookie = server.access.link(BOB), server.login(ALICE).partition("=")[2]

    for file in directory().iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        assert link not in file.read_text()
        assert cookie not in file.read_text()
    assert stat.S_IMODE(directory().stat().st_mode) == 0o700


def test_logins_outlive_the_server_and_links_too() -> None:
    link = Access(directory()).link(ALICE)
    found = Access(directory()).log_in(link)

    assert found
    assert found[0] == ALICE
    assert Access(directory()).who(found[1]) == ALICE


def test_a_login_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Access(directory())
    found = there.log_in(there.link(ALICE))
    assert found

    later = access.time.time() + access.LASTS + 1
    monkeypatch.setattr(access.time, "time", lambda: later)

    assert there.who(found[1]) is None


def test_access_that_another_process_ends_is_ended_here_at_once(server: PageServer) -> None:
    alice, bob, teacher = server.login(ALICE), server.login(BOB), server.login(TEACHER)

    Access(directory()).revoke(lambda who: who == ALICE)

    assert [server.get("/me", cookie).status for cookie in (alice, bob, teacher)] == [401, 200, 200]


def test_the_sockets_of_whoever_lost_access_are_closed(server: PageServer) -> None:
    async def two() -> tuple[int | None, bool]:
        async with (
            server.socket("/instances/alice/live", server.login(ALICE)) as alice,
            server.socket("/instances/bob/live", server.login(BOB)) as bob,
        ):
            Access(directory()).revoke(lambda who: who == ALICE)
            server.in_loop(server.site.close_revoked)
            ended = await close_code(alice)
            await message(bob, "lesson")
            return ended, bob.close_code is None

    assert asyncio.run(two()) == (guard.REVOKED, True)


def test_what_somebody_without_access_still_sends_is_not_looked_at(
    server: PageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = heard(monkeypatch)

    async def speak() -> int | None:
        async with server.socket("/instances/alice/live", server.login(ALICE)) as alice:
            await alice.write_message("before")
            while not received:
                await asyncio.sleep(0.01)
            Access(directory()).revoke(lambda who: who == ALICE)
            await alice.write_message("after")
            return await close_code(alice)

    assert asyncio.run(speak()) == guard.REVOKED
    assert received == ["before"]


def test_nobody_has_more_sockets_than_a_browser_needs(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_SOCKETS", 1)
    alice, bob = server.login(ALICE), server.login(BOB)

    async def look() -> int | None:
        async with (
            server.socket("/instances/alice/live", alice) as one,
            server.socket("/instances/alice/live", alice) as too_many,
            server.socket("/instances/bob/live", bob) as another,
        ):
            await message(one, "lesson")
            await message(another, "lesson")
            return await close_code(too_many)

    assert asyncio.run(look()) == guard.SLOW


def test_whoever_does_not_read_is_sent_away(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_WAITING", 1000)

    async def look() -> int | None:
        async with server.socket("/instances/alice/live", server.login(ALICE)) as socket:
            return await close_code(socket)  # a lesson is longer

    assert asyncio.run(look()) == guard.SLOW


def test_whoever_logs_out_has_no_socket_left(server: PageServer) -> None:
    async def leave() -> int | None:
        cookie = server.login(ALICE)
        async with server.socket("/instances/alice/live", cookie) as socket:
            assert server.post("/logout", {}, cookie).status == 200
            assert server.get("/me", cookie).status == 401
            return await close_code(socket)

    assert asyncio.run(leave()) == guard.REVOKED


@pytest.mark.parametrize("path", ["/live", "/actions", "/shells", "/recordings", "/measurements/x/report.json"])
def test_a_learner_reaches_one_instance(server: PageServer, path: str) -> None:
    cookie = server.login(ALICE)

    assert server.get(f"/instances/bob{path}", cookie).status in (403, 404)
    assert server.post(f"/instances/bob{path}", {"action": "check"}, cookie).status in (403, 404, 405)
    assert server.upgrade(f"/instances/bob{path}", {"Cookie": cookie, "Origin": server.origin}) in (403, 404)


def test_what_a_learner_may_not_reach_does_not_tell_whether_it_is_there(server: PageServer, instance: Instance) -> None:
    cookie = server.login(ALICE)

    assert server.get(f"/instances/{instance.name}/live", cookie).body == server.get("/instances/no/live", cookie).body


@pytest.mark.parametrize("path", ["/instances", "/board", "/marks/exam-repair", "/marks/exam-repair.csv"])
def test_the_board_is_the_instructors(server: PageServer, path: str) -> None:
    assert server.get(path, server.login(ALICE)).status == 403
    assert server.get(path).status in (401, 403)


def test_a_post_is_json_in_an_object_of_at_most_64_kib(server: PageServer) -> None:
    cookie = server.login(ALICE)
    own = {"Origin": server.origin, "Cookie": cookie}

    def status(content: bytes, kind: str | None) -> int:
        headers = {**own, **({"Content-Type": kind} if kind else {})}
        return server.send("POST", "/instances/alice/actions", headers, content).status

    check = b'{"action": "check"}'
    form = b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\ncheck\r\n--x--\r\n'
    assert [status(check, kind) for kind in (None, "text/plain", "application/x-www-form-urlencoded")] == [415] * 3
    assert status(form, "multipart/form-data; boundary=x") in (400, 415)
    assert status(b"--x\r\n" * 10_000, "multipart/form-data; boundary=x") in (400, 415)
    assert [status(wrong, "application/json") for wrong in (b"", b"[]", b"{", b"[" * 60_000, b"\xff")] == [400] * 5


def test_a_post_that_is_too_long_is_not_looked_at(server: PageServer) -> None:
    token = server.access.link(ALICE)

    with suppress(ConnectionError):  # which is closed before all of it was sent
        assert server.post("/login", {"token": token, "more": "x" * guard.LARGEST}).status == 400

    assert server.post("/login", {"token": token, "more": "x" * (guard.LARGEST - 200)}).status == 200


def test_a_message_on_a_socket_has_at_most_64_kib(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    received = heard(monkeypatch)

    async def speak() -> None:
        async with server.socket("/instances/alice/live", server.login(ALICE)) as socket:
            await socket.write_message("x" * guard.LARGEST)
            await socket.write_message("x" * (guard.LARGEST + 1))
            await close_code(socket)

    asyncio.run(speak())
    assert [len(message) for message in received] == [guard.LARGEST]


@pytest.mark.parametrize("path", ["/", "/me", "/nothing", "/static/main.js", "/login"])
def test_each_answer_has_the_headers_that_browsers_obey(server: PageServer, path: str) -> None:
    headers = server.get(path).headers

    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "style-src": "'self' 'unsafe-inline'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "Server" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/static/", "/static//evil.example/..", "/me/"])
def test_nothing_sends_a_browser_elsewhere(server: PageServer, path: str) -> None:
    answer = server.get(path, server.login(ALICE))

    assert answer.status in (400, 404)
    assert "Location" not in answer.headers


def test_other_methods_do_nothing(server: PageServer) -> None:
    cookie = server.login(ALICE)

    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        headers = {"Cookie": cookie, "Origin": server.origin}
        assert server.send(method, "/instances/alice/actions", headers).status in (404, 405)
    assert server.get("/instances/alice/actions?action=check", cookie).status == 405
    assert server.get("/logout", cookie).status == 405
    assert server.get("/me", cookie).status == 200


def test_an_error_tells_no_traceback(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages.Me, "get", lambda self: 1 / 0)

    answer = server.get("/me", server.login(ALICE))

    assert answer.status == 500
    assert b"Traceback" not in answer.body
