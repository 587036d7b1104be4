"""The connection itself: greeting, authentication, database, leaving."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_range_int, syntax_error
from pyredis.core.client import (
    CLIENT_MONITOR,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP_NEXT,
    Client,
)
from pyredis.core.client_info import check_name
from pyredis.core.command import (
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_AUTH,
    CMD_NOSCRIPT,
    CMD_SENTINEL,
    CMD_STALE,
    command,
)
from pyredis.core.dispatch import GATE_MONITOR, end_after_reply, refresh_fast, set_gate
from pyredis.core.multi import discard_transaction
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import DB_OUT_OF_RANGE, CommandError, c_text, wrong_arity
from pyredis.resp.reply import OK, PONG, array_header, bulk, integer, map_header, simple

_WRONGPASS: Final = b"WRONGPASS invalid username-password pair or user is disabled."


def _authenticate(c: Client, user: bytes, password: bytes, argv: list[bytes]) -> None:
    if not c.server.users.authenticate(c, user, password, argv):
        raise CommandError(_WRONGPASS)


@command(
    b"AUTH",
    -2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_SENTINEL,
    group="connection",
    since="1.0.0",
    summary="Prove who the client is.",
    complexity="O(N) where N is the number of passwords defined for the user",
    usage="[username]@6.0.0 password",
    history=(("6.0.0", "Added ACL style (username and password)."),),
)
def auth_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise syntax_error()
    if len(argv) == 2 and c.server.users.default.nopass:
        raise CommandError(
            b"ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?"
        )
    _authenticate(c, argv[1] if len(argv) == 3 else b"default", argv[-1], argv)
    return OK


@command(
    b"HELLO",
    -1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY | CMD_SENTINEL,
    group="connection",
    since="6.0.0",
    summary="Choose the protocol, and authenticate and name the connection.",
    complexity="O(1)",
    usage="arguments=[protover:int [AUTH (username password)] [SETNAME clientname]]",
    history=(
        (
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the "
            "current connection's context.",
        ),
    ),
)
def hello_command(c: Client, argv: list[bytes]) -> bytes | None:
    at = 1
    version = c.resp
    if len(argv) > 1:
        number = string2ll(argv[1])
        if number is None:
            raise CommandError(b"ERR Protocol version is not an integer or out of range")
        if number not in (2, 3):
            raise CommandError(b"NOPROTO unsupported protocol version")
        version, at = number, 2
    # One after the other, as Redis does: what an option has done stays done when a later one is refused.
    while at < len(argv):
        word = argv[at].upper()
        if word == b"AUTH" and at + 2 < len(argv):
            _authenticate(c, argv[at + 1], argv[at + 2], argv)
            at += 3
        elif word == b"SETNAME" and at + 1 < len(argv):
            c.name = check_name(argv[at + 1])
            at += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % c_text(argv[at]))
    if not c.authenticated:
        raise CommandError(
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH "
            b"<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            b"the same time"
        )
    c.resp = version
    refresh_fast(c)
    place = b"master" if c.server.replication.master is None else b"replica"
    role = ((b"role", bulk(place)),) if c.server.mode.name != "sentinel" else ()
    fields = (
        (b"server", bulk(b"redis")),
        (b"version", bulk(c.server.redis_version)),
        (b"proto", integer(version)),
        (b"id", integer(c.id)),
        (b"mode", bulk(c.server.mode.name.encode())),
        *role,
        (b"modules", array_header(0)),
    )
    return map_header(len(fields), version) + b"".join([bulk(field) + value for field, value in fields])


@command(
    b"PING",
    -1,
    CMD_FAST | CMD_SENTINEL,
    group="connection",
    since="1.0.0",
    summary="Ask whether the server answers.",
    complexity="O(1)",
    usage="[message]",
    tips=(
        b"request_policy:all_shards",
        b"response_policy:all_succeeded",
    ),
)
def ping_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 2:
        raise wrong_arity(b"ping")
    if c.resp == 2 and c.subscribed():
        return array_header(2) + bulk(b"pong") + bulk(argv[1] if len(argv) == 2 else b"")
    return PONG if len(argv) == 1 else bulk(argv[1])


@command(
    b"ECHO",
    2,
    CMD_LOADING | CMD_STALE | CMD_FAST,
    group="connection",
    since="1.0.0",
    summary="Return the argument.",
    complexity="O(1)",
    usage="message",
)
def echo_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk(argv[1])


@command(
    b"SELECT",
    2,
    CMD_LOADING | CMD_STALE | CMD_FAST,
    group="connection",
    since="1.0.0",
    summary="Choose the connection's database.",
    complexity="O(1)",
    usage="index:int",
)
def select_command(c: Client, argv: list[bytes]) -> bytes | None:
    n = get_range_int(argv[1], -(1 << 31), (1 << 31) - 1)
    if not 0 <= n < len(c.server.dbs):
        raise CommandError(DB_OUT_OF_RANGE)
    c.db = c.server.dbs[n]
    return OK


@command(
    b"QUIT",
    -1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
    group="connection",
    since="1.0.0",
    summary="Close the connection.",
    complexity="O(1)",
)
def quit_command(c: Client, argv: list[bytes]) -> bytes | None:
    end_after_reply(c, OK)
    return None


@command(
    b"RESET",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
    group="connection",
    since="6.2.0",
    summary="Put the connection back to how it began.",
    complexity="O(1)",
)
def reset_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    discard_transaction(c)
    server.drop_subscriptions(c)
    server.tracking.disable(c)
    if c.flags & CLIENT_MONITOR:
        del server.monitors[c]
        set_gate(server, GATE_MONITOR, bool(server.monitors))
    c.flags &= ~(CLIENT_MONITOR | CLIENT_NO_EVICT | CLIENT_NO_TOUCH | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT)
    c.resp = 2
    c.db = server.dbs[0]
    c.name = b""
    server.users.reset_client(c)
    refresh_fast(c)
    return simple(b"RESET")
