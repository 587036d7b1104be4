"""A small HTTP/1.1 server for monitoring: GET and HEAD of a few pages, one request for each connection.

What a request may cost is bounded: 8 KB of head, ten seconds, sixty-four connections at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_LONGEST_HEAD: Final = 8 << 10
_SECONDS: Final = 10.0
_CONNECTIONS: Final = 64


@dataclass(slots=True)
class Request:
    """``headers`` with lower-case names."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(slots=True)
class Response:
    """What is sent back."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


Page = Callable[[Request], Response]


class BadRequest(Exception):
    """The bytes that came are no request."""


def parse_head(head: bytes) -> Request:
    """Request line and headers. Raises BadRequest.

    >>> parse_head(b"GET /metrics?x=1 HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n").query
    {'x': '1'}
    """
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest
    headers = {}
    for line in lines[1:]:
        name, found, value = line.partition(":")
        if found:
            headers[name.strip().lower()] = value.strip()
    try:
        target = urlsplit(words[1])
        query = dict(parse_qsl(target.query))
    except ValueError:
        raise BadRequest from None
    return Request(words[0], target.path, query, headers)


class HttpServer:
    """Serves ``pages``: path → function."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = pages
        self.server: asyncio.Server | None = None
        self.open = 0
        """Connections at the moment."""

    async def start(self, addresses: list[str], port: int) -> None:
        """Listen. Raises OSError."""
        self.server = await asyncio.start_server(self._connection, addresses, port, limit=_LONGEST_HEAD)

    def close(self) -> None:
        """Listen no more."""
        if self.server is not None:
            self.server.close()

    @property
    def port(self) -> int:
        """The port listened on, where the system chose it."""
        assert self.server is not None
        return int(self.server.sockets[0].getsockname()[1])

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            if self.open <= _CONNECTIONS:
                async with asyncio.timeout(_SECONDS):
                    await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the peer has gone, or takes too long
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head_only = False
        try:
            request = parse_head(await reader.readuntil(b"\r\n\r\n"))
            head_only = request.method == "HEAD"
            response = self._respond(request)
        except asyncio.LimitOverrunError:
            response = Response(b"the head is too long\n", status=HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except BadRequest:
            response = Response(b"not HTTP\n", status=HTTPStatus.BAD_REQUEST)
        status = response.status
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
            "Connection: close",
        ]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if head_only else response.body))
        await writer.drain()

    def _respond(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            allowed = {"Allow": "GET, HEAD"}
            return Response(b"only GET and HEAD\n", status=HTTPStatus.METHOD_NOT_ALLOWED, headers=allowed)
        page = self.pages.get(request.path)
        if page is None:
            return Response(b"no such page\n", status=HTTPStatus.NOT_FOUND)
        return page(request)
