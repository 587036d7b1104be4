"""Who may use the console: which hosts a browser may call it by, which pages may send it requests, as which user.

Whoever asks is a user of the ACL (HTTP Basic), or the default user where that has no password. As a browser sends
passwords by itself, a request must also come from the console's own page: its Host must be a name of this machine (else
another site's name could be made to lead here), and neither Origin nor Sec-Fetch-Site may tell of another site.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pyredis.console.session import Session
from pyredis.metrics.http import Request, Response
from pyredis.metrics.http_server import is_loopback

if TYPE_CHECKING:
    from pyredis.core.acl import User
    from pyredis.core.server import Server

_PROTECTED: Final = (
    "The server is in protected mode, as its default user has no password: the console can only be used on the machine "
    "itself. Set a password (requirepass, or ACL SETUSER), or turn protected-mode off.\n"
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="pyredis console", charset="UTF-8"'}


class Refused(Exception):
    """The request is not let in; ``response`` says why."""

    def __init__(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.response = Response(text.encode(), status=status, headers=headers or {})


def _host_of(text: str) -> str:
    """The host of ``host:port``, lower case and without brackets; empty if it is none."""
    try:
        return (urlsplit(f"//{text}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Access:
    """The rules of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        names = {"localhost", socket.gethostname().lower(), *map(str.lower, server.config.console_hosts)}
        self.names = frozenset(names - {""})

    def check_host(self, request: Request) -> None:
        """Raises Refused unless the browser means this machine."""
        host = _host_of(request.headers.get("host", ""))
        if host in self.names:
            return
        try:
            ipaddress.ip_address(host)
        except ValueError:
            text = f"{host or 'this'} is no name of this server; console-hosts says which others are.\n"
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, text) from None

    def check_origin(self, request: Request, page: bool) -> None:
        """Raises Refused for what another site's page has sent; a link to a ``page`` may be followed from anywhere."""
        headers = request.headers
        if page and headers.get("sec-fetch-dest") == "document":
            return
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()
        if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(HTTPStatus.FORBIDDEN, "Only the console's own page may ask.\n")

    def check_peer(self, request: Request) -> None:
        """Raises Refused for another machine's request in protected mode, as connections of clients are refused."""
        server = self.server
        if server.config.protected_mode and server.users.default.nopass and not is_loopback(request.peer[0]):
            raise Refused(HTTPStatus.FORBIDDEN, _PROTECTED)

    def session(self, request: Request, page: bool = False, login: bool = False) -> Session:
        """A client of the server for the user who asks, for a page or for what one has sent.

        Raises Refused; with ``login`` also if nobody is named.
        """
        self.check_host(request)
        self.check_origin(request, page)
        self.check_peer(request)
        if self.server.loop is None:  # the users are not loaded yet
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The server is starting.\n")
        if self.server.is_full():
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many clients as it may have.\n")
        session = Session(self.server, request.peer, request.local)
        given = request.headers.get("authorization")
        try:
            if given is not None:
                self._authenticate(session, given)
            elif login or session.client.auth_required():
                raise Refused(HTTPStatus.UNAUTHORIZED, "A user and a password are needed.\n", _CHALLENGE)
        except Refused:
            session.close()
            raise
        return session

    def _authenticate(self, session: Session, given: str) -> None:
        """Raises Refused; a wrong password is noted in the log of the ACL, as AUTH does."""
        scheme, _, code = given.partition(" ")
        try:
            name, colon, password = base64.b64decode(code.strip(), validate=True).partition(b":")
        except binascii.Error:
            colon = b""
        if scheme.lower() != "basic" or not colon:
            raise Refused(HTTPStatus.UNAUTHORIZED, "This is no user and password.\n", _CHALLENGE)
        name = name or b"default"
        self.server.update_time()
        if not self.server.users.authenticate(session.client, name, password, [b"AUTH", name, password]):
            raise Refused(HTTPStatus.UNAUTHORIZED, "The user or the password is wrong.\n", _CHALLENGE)

    def still_valid(self, session: Session, user: User) -> bool:
        """Whether a session that lasts is still the user's, who still exists and is on."""
        table = self.server.users.table
        return not session.closed and session.client.user is user and table.get(user.name) is user and user.on
