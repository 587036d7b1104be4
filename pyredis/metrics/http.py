"""What a request and a response of the HTTP port are, and the parsing of the former."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_PARAMETERS: Final = 32
_LONGEST_LENGTH: Final = 18
"""Digits of a Content-Length."""


class BadRequest(Exception):
    """The bytes that came are no request."""


@dataclass(slots=True)
class Request:
    """``headers`` with lower-case names; ``peer`` and ``local`` are the connection's two ends: address and port."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    peer: tuple[str, int] = ("", 0)
    local: tuple[str, int] = ("", 0)

    def body_length(self) -> int:
        """Bytes that follow the head. Raises BadRequest for a length that is none."""
        text = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not (text.isascii() and text.isdigit()):
            raise BadRequest
        return int(text[:_LONGEST_LENGTH])


@dataclass(slots=True)
class Response:
    """What is sent back: a body, or the pieces of a ``stream`` as they come."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None

    def head(self) -> bytes:
        """Status line and headers."""
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            *([f"Content-Length: {len(self.body)}"] if self.stream is None else []),
            *(f"{name}: {value}" for name, value in self.headers.items()),
            "Connection: close",
        ]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


Answer = Callable[[Request], "Response | Awaitable[Response]"]


@dataclass(slots=True)
class Page:
    """What answers at one path. A page that takes POST takes nothing else; others take GET and HEAD."""

    answer: Answer
    longest_body: int = 0
    """Bytes; more than none makes it a page for POST."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods it takes."""
        return ("POST",) if self.longest_body else ("GET", "HEAD")


@dataclass(slots=True)
class Site:
    """Pages by their paths, and the addresses of this machine at which they are served (as ``bind`` has them)."""

    pages: Mapping[str, Page]
    addresses: list[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every response."""


def parse_head(head: bytes) -> Request:
    """Request line and headers. Raises BadRequest.

    >>> parse_head(b"GET /metrics?x=1 HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n").query
    {'x': '1'}
    """
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, found, value = line.partition(":")
        if found:
            name = name.strip().lower()
            if name in headers and name in _ONCE:
                raise BadRequest
            headers[name] = value.strip()
    try:
        target = urlsplit(words[1])
        query = dict(parse_qsl(target.query, max_num_fields=_PARAMETERS))
    except ValueError:
        raise BadRequest from None
    return Request(words[0], target.path, query, headers)


_ONCE: Final = frozenset(("host", "content-length", "transfer-encoding", "authorization", "origin"))
"""Headers on which something depends: two of them could be understood in two ways."""
