"""A small HTTP/1.1 server for monitoring and the console: a few pages, one request for each connection.

What requests may cost is bounded: 8 KB of head, the body that a page allows, ten seconds to send them, sixty-four
connections at a time. Whoever takes long to send its request goes first when more come. Responses that go on (streams)
are counted apart, as they last; a peer that does not read one for ten seconds loses it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from http import HTTPStatus
from inspect import isawaitable
from typing import Final

from pyredis.metrics.http import BadRequest, Page, Request, Response, Site, parse_head

LONGEST_HEAD: Final = 8 << 10
_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0
_CONNECTIONS: Final = 64
_STREAMS: Final = 24
_DISCARDED: Final = 4 << 20
_WAITING: Final = 128
_ANY: Final = {"*": "0.0.0.0", "::*": "::"}


def _plain(status: HTTPStatus, text: str, **headers: str) -> Response:
    return Response(text.encode() + b"\n", status=status, headers=headers)


def _name(pair: object) -> tuple[str, int]:
    """A socket's name; an IPv4 address in IPv6's clothes is the former."""
    if not isinstance(pair, tuple) or len(pair) < 2:
        return "", 0
    host = str(pair[0]).partition("%")[0]
    return host.removeprefix("::ffff:"), int(pair[1])


class _Refused(Exception):
    """No page answers the request."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Served:
    """A site with its addresses looked up."""

    def __init__(self, site: Site, addresses: set[str]) -> None:
        self.site = site
        self.addresses = addresses

    def at(self, local: str) -> bool:
        """Whether it is served at that address of this machine."""
        return local in self.addresses or ("::" if ":" in local else "0.0.0.0") in self.addresses


class HttpServer:
    """Serves sites at one port."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.servers: list[asyncio.Server] = []
        self.open = 0
        """Connections at the moment, streams not counted."""
        self.streams = 0
        self._served: list[_Served] = []
        self._unread: dict[asyncio.StreamWriter, None] = {}
        """Connections whose request is not there yet, the oldest first."""

    async def start(self, port: int) -> None:
        """Listen wherever a site is served. Raises OSError."""
        loop = asyncio.get_running_loop()
        found: list[str] = []
        for site in self.sites:
            addresses: set[str] = set()
            for text in site.addresses:
                host = text.removeprefix("-")
                try:
                    infos = await loop.getaddrinfo(_ANY.get(host, host), port, type=socket.SOCK_STREAM)
                except OSError:
                    if text.startswith("-"):
                        continue
                    raise
                addresses |= {str(info[4][0]) for info in infos}
            self._served.append(_Served(site, addresses))
            found += sorted(addresses)
        for address in dict.fromkeys(found):
            everything = "::" if ":" in address else "0.0.0.0"
            if address == everything or everything not in found:
                optional = any(f"-{address}" in site.addresses or "-::*" in site.addresses for site in self.sites)
                await self._listen(address, port, optional)

    async def _listen(self, address: str, port: int, optional: bool) -> None:
        try:
            self.servers.append(
                await asyncio.start_server(self._connection, address, port, limit=LONGEST_HEAD, backlog=_WAITING)
            )
        except OSError:
            if not optional:
                self.close()
                raise

    def close(self) -> None:
        """Listen no more."""
        for server in self.servers:
            server.close()

    @property
    def port(self) -> int:
        """The port listened on, where the system chose it."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    # --- one connection ---------------------------------------------------------------------------------------

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:  # the loop ends, and asyncio would log that as an error
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open >= _CONNECTIONS and not self._make_room():
            writer.transport.abort()
            return
        self.open += 1
        self._unread[writer] = None
        response: Response | None = None
        try:
            response = await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the peer has gone, or takes too long
        finally:
            self.open -= 1
            self._unread.pop(writer, None)
            if response is None or response.stream is None:
                writer.close()
        if response is not None and response.stream is not None:
            await self._pour(response, reader, writer)

    def _make_room(self) -> bool:
        """End the connection that has taken longest to send its request; False if all have sent theirs."""
        oldest = next(iter(self._unread), None)
        if oldest is None:
            return False
        del self._unread[oldest]
        oldest.transport.abort()
        return True

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Response:
        """Read the request and send the response, of a stream its head."""
        request: Request | None = None
        site: Site | None = None
        page: Page | None = None
        try:
            async with asyncio.timeout(_SECONDS):
                request = parse_head(await reader.readuntil(b"\r\n\r\n"))
                request.peer = _name(writer.get_extra_info("peername"))
                request.local = _name(writer.get_extra_info("sockname"))
                page, site = self._find(request)
                request.body = await reader.readexactly(_length(request, page))
            self._unread.pop(writer, None)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = page.answer(request)
                response = await answer if isawaitable(answer) else answer
        except asyncio.LimitOverrunError:
            response = _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
        except BadRequest:
            response = _plain(HTTPStatus.BAD_REQUEST, "not HTTP")
        except _Refused as e:
            response = e.response
        if site is not None:
            response.headers = {**site.headers, **response.headers}
        if response.stream is not None and self.streams >= _STREAMS:
            await _end(response)
            response = _plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many streams are open")
        try:
            async with asyncio.timeout(_SECONDS):
                writer.write(response.head() + (b"" if request and request.method == "HEAD" else response.body))
                await writer.drain()
                if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                    await _discard(reader, writer)
        except BaseException:
            await _end(response)  # nobody else knows of it
            raise
        return response

    def _find(self, request: Request) -> tuple[Page, Site]:
        """The page that is to answer. Raises _Refused."""
        here = [served.site for served in self._served if served.at(request.local[0])]
        methods = {method for site in here for page in site.pages.values() for method in page.methods}
        if request.method not in methods:
            allowed = ", ".join(sorted(methods))
            raise _Refused(_plain(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed}", Allow=allowed))
        for site in here:
            page = site.pages.get(request.path)
            if page is not None:
                if request.method not in page.methods:
                    allowed = ", ".join(page.methods)
                    raise _Refused(_plain(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed}", Allow=allowed))
                return page, site
        raise _Refused(_plain(HTTPStatus.NOT_FOUND, "no such page"))

    async def _pour(self, response: Response, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send what a stream gives until it ends, or the peer goes."""
        self.streams += 1
        gone = asyncio.ensure_future(_read_nothing(reader))
        pieces = asyncio.ensure_future(self._send_pieces(response, writer))
        try:
            await asyncio.wait((gone, pieces), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.streams -= 1
            for task in (gone, pieces):
                task.cancel()
            await asyncio.gather(gone, pieces, return_exceptions=True)
            await _end(response)
            writer.close()

    async def _send_pieces(self, response: Response, writer: asyncio.StreamWriter) -> None:
        assert response.stream is not None
        async for piece in response.stream:
            writer.write(piece)
            async with asyncio.timeout(_SECONDS):
                await writer.drain()


def _length(request: Request, page: Page) -> int:
    """Bytes of the body. Raises _Refused, BadRequest."""
    size = request.body_length()
    if size > page.longest_body:
        raise _Refused(_plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long"))
    return size


async def _read_nothing(reader: asyncio.StreamReader) -> None:
    """Return when the peer has gone; whatever it sends meanwhile is forgotten."""
    while await reader.read(LONGEST_HEAD):
        pass


async def _discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let a peer that is still sending read the response: closing at once would take it away."""
    writer.write_eof()
    left = _DISCARDED
    while left > 0 and (data := await reader.read(LONGEST_HEAD)):
        left -= len(data)


async def _end(response: Response) -> None:
    """Let a stream put away what it holds."""
    close = getattr(response.stream, "aclose", None)
    if close is not None:
        await close()


def is_loopback(address: str) -> bool:
    """Whether an address (as a socket names it) is this machine talking to itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
