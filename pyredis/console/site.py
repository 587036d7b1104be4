"""The pages of the console: its files at / and /console/, and what they ask at /console/api/."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from pyredis import __version__
from pyredis.console.access import Access, Refused
from pyredis.console.rules import refusal
from pyredis.console.samples import Sampler
from pyredis.console.session import Closed, Session
from pyredis.console.streams import listen, tail
from pyredis.console.values import BadValue, decode_string, decode_strings, show_reply
from pyredis.core.client import CLIENT_DENY_BLOCKING
from pyredis.metrics.http import Page, Request, Response, Site

if TYPE_CHECKING:
    from pyredis.core.server import Server

_ASSETS: Final = Path(__file__).parent / "assets"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_LONGEST_BODY: Final = 2 << 20
_COMMANDS: Final = 256
"""Commands in one request."""
_SECONDS: Final = 20.0
"""How long a command may take (a script, or one that waits for CLIENT PAUSE)."""
_LISTENED: Final = 16
"""Channels, patterns or streams of one tail."""
_HEADER: Final = "x-pyredis-console"
"""Sent by the page with each POST: another site's page cannot send it without asking first."""


class _Bad(Exception):
    """The request makes no sense."""


def _json(value: Any) -> Response:
    return Response(json.dumps(value, separators=(",", ":")).encode(), "application/json")


def _object(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises _Bad."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise _Bad from None
    if not isinstance(value, dict):
        raise _Bad
    return value


class Console:
    """The console of one server."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.access = Access(server)
        self.sampler = Sampler(server, loop)
        self.write = server.config.console_write
        pages = {path: Page(self._file(name)) for path, name in _files().items()}
        pages["/console/login"] = Page(self._guarded(self._login))
        pages["/console/api/session"] = Page(self._guarded(self._session))
        pages["/console/api/samples"] = Page(self._guarded(self._samples))
        pages["/console/api/listen"] = Page(self._guarded(self._listen))
        pages["/console/api/tail"] = Page(self._guarded(self._tail))
        pages["/console/api/run"] = Page(self._guarded(self._run), _LONGEST_BODY)
        self.site = Site(pages, server.config.console_bind, _SECURITY)

    def close(self) -> None:
        """End."""
        self.sampler.close()

    # --- files ------------------------------------------------------------------------------------------------

    def _file(self, name: str) -> Callable[[Request], Response]:
        """What answers for a file. The files themselves are no secret, but nobody else's name may lead to them."""
        data = (_ASSETS / name).read_bytes()
        tag = f'"{blake2b(data, digest_size=12).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}

        def answer(request: Request) -> Response:
            try:
                self.access.check_host(request)
                self.access.check_peer(request)
                if name == "index.html":
                    self.access.session(
                        request, page=True
                    ).close()  # so that the browser asks for the password first of all
            except Refused as e:
                return e.response
            kind = _TYPES[Path(name).suffix]
            if request.headers.get("if-none-match") == tag:
                return Response(b"", kind, HTTPStatus.NOT_MODIFIED, headers)
            return Response(data, kind, headers=headers)

        return answer

    # --- requests ---------------------------------------------------------------------------------------------

    def _guarded(
        self, answer: Callable[[Request], Response | Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The page, with the answers to those that are not let in."""

        async def guarded(request: Request) -> Response:
            try:
                found = answer(request)
                return found if isinstance(found, Response) else await found
            except Refused as e:
                return e.response
            except (_Bad, BadValue, IndexError):
                return Response(b"The request makes no sense.\n", status=HTTPStatus.BAD_REQUEST)
            except TimeoutError:
                return Response(b"The server has not answered in time.\n", status=HTTPStatus.GATEWAY_TIMEOUT)
            except Closed:
                return Response(b"The server has ended this session.\n", status=HTTPStatus.CONFLICT)

        return guarded

    def _login(self, request: Request) -> Response:
        """Has the browser ask for a user, then leads to the console."""
        self.access.session(request, page=True, login=True).close()
        return Response(b"", status=HTTPStatus.SEE_OTHER, headers={"Location": "/"})

    def _session(self, request: Request) -> Response:
        """Who asks, and whom."""
        session = self.access.session(request)
        session.close()
        server = self.server
        return _json(
            {
                "user": session.client.user.name.decode("utf-8", "replace"),
                "write": self.write,
                "version": __version__,
                "redis": server.redis_version.decode(),
                "mode": server.mode.name,
                "port": server.config.port or server.config.tls_port,
                "databases": len(server.dbs),
                "run": server.run_id.decode(),
                "password": not server.users.default.nopass,
            }
        )

    async def _samples(self, request: Request) -> Response:
        """The samples after ``since``, for whoever may run INFO."""
        since = request.query.get("since", "0")
        if not (since.isascii() and since.isdigit()) or len(since) > _LONGEST_TIME:
            raise _Bad
        session = self.access.session(request)
        try:
            [problem] = await self._replies(session, [[b"INFO", b"clients"]])
        finally:
            session.close()
        if isinstance(problem, dict):
            return _json({"error": problem["e"], "samples": []})
        return _json({"samples": self.sampler.since(int(since))})

    async def _run(self, request: Request) -> Response:
        """``{"db": 0, "commands": [[…], …]}``: run them one after the other, as the user who asks."""
        if _HEADER not in request.headers or request.headers.get("content-type") != "application/json":
            return Response(b"Only the console's own page may ask.\n", status=HTTPStatus.FORBIDDEN)
        session = self.access.session(request)
        try:
            wanted = _object(request.body)
            commands, db = wanted.get("commands"), wanted.get("db", 0)
            if not isinstance(commands, list) or not 0 < len(commands) <= _COMMANDS or type(db) is not int:
                raise _Bad
            argvs = [decode_strings(command, _LONGEST_BODY) for command in commands]
            if self.server.mode.name != "sentinel":
                session.select(db)
            session.client.flags |= CLIENT_DENY_BLOCKING
            started = perf_counter()
            replies = await self._replies(session, argvs)
            return _json({"replies": replies, "ms": round((perf_counter() - started) * 1000, 3)})
        finally:
            session.close()

    async def _replies(self, session: Session, argvs: list[list[bytes]]) -> list[Any]:
        found: list[Any] = []
        turn = perf_counter()
        for argv in argvs:
            problem = refusal(self.server, argv, self.write)
            if problem:
                found.append({"e": problem})
                continue
            session.send(argv)
            found.append(show_reply(await session.reply(_SECONDS)))
            if perf_counter() - turn > _TURN:
                await asyncio.sleep(0)
                turn = perf_counter()
        return found

    # --- what goes on -----------------------------------------------------------------------------------------

    def _listen(self, request: Request) -> Response:
        """Messages of ``{"channels": […], "patterns": […]}``."""
        wanted = _object(request.query.get("q", ""))
        channels = decode_strings(wanted.get("channels", []), _LISTENED)
        patterns = decode_strings(wanted.get("patterns", []), _LISTENED)
        if not channels and not patterns:
            raise _Bad
        session = self.access.session(request)
        channels, patterns = list(dict.fromkeys(channels)), list(dict.fromkeys(patterns))
        return _stream(listen(session, channels, patterns, self._valid(session), asyncio.sleep), session)

    def _tail(self, request: Request) -> Response:
        """New entries of ``{"db": 0, "keys": […], "after": "$"}``, or those after the last one that was seen."""
        wanted = _object(request.query.get("q", ""))
        keys = list(dict.fromkeys(decode_strings(wanted.get("keys"), _LISTENED)))
        after = decode_string(wanted.get("after", "$"))
        db = wanted.get("db", 0)
        if not keys or type(db) is not int or not 0 <= db < len(self.server.dbs):
            raise _Bad
        seen = request.headers.get("last-event-id", "").encode().split()
        session = self.access.session(request)
        session.select(db)
        starts = seen if len(seen) == len(keys) else [after] * len(keys)
        return _stream(tail(session, keys, starts, self._valid(session), asyncio.sleep), session)

    def _valid(self, session: Session) -> Callable[[], bool]:
        user = session.client.user
        return lambda: self.access.still_valid(session, user)


_TURN: Final = 0.005
"""Seconds after which other clients have a turn."""
_LONGEST_TIME: Final = 16


class _Events:
    """A stream whose session ends with it, even if nothing was ever taken from it."""

    def __init__(self, events: Any, session: Session) -> None:
        self.events = events
        self.session = session

    def __aiter__(self) -> _Events:
        return self

    async def __anext__(self) -> bytes:
        piece: bytes = await self.events.__anext__()
        return piece

    async def aclose(self) -> None:
        """End."""
        await self.events.aclose()
        self.session.close()


def _stream(events: Any, session: Session) -> Response:
    return Response(content_type="text/event-stream", stream=_Events(events, session))


def _files() -> dict[str, str]:
    """Path → file of the assets."""
    names = sorted(path.name for path in _ASSETS.iterdir() if path.suffix in _TYPES)
    return {"/": "index.html", **{f"/console/{name}": name for name in names if name != "index.html"}}
