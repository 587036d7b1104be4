"""The connection itself: greeting, authentication, database, CLIENT."""

from __future__ import annotations

import hmac
from typing import Final

from pyredis.core.args import get_int, get_positive, get_range_int, syntax_error
from pyredis.core.blocked import end_wait
from pyredis.core.client import (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_MONITOR,
    CLIENT_MULTI,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP_NEXT,
    Client,
)
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_AUTH,
    CMD_NOSCRIPT,
    CMD_STALE,
    command,
    container,
)
from pyredis.core.dispatch import GATE_MONITOR, refresh_fast, set_gate
from pyredis.core.multi import discard_transaction
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import DB_OUT_OF_RANGE, CommandError, wrong_arity
from pyredis.resp.reply import (
    OK,
    ONE,
    PONG,
    ZERO,
    array_header,
    bulk,
    bulk_or_null,
    integer,
    map_header,
    simple,
    verbatim,
)

_WRONGPASS: Final = b"WRONGPASS invalid username-password pair or user is disabled."


def _authenticate(c: Client, user: bytes, password: bytes) -> None:
    secret = c.server.config.requirepass.encode()
    if user != b"default" or (secret and not hmac.compare_digest(password, secret)):
        raise CommandError(_WRONGPASS)
    c.authenticated = True
    c.user = user
    refresh_fast(c)


@command(
    b"AUTH",
    -2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
    group="connection",
    since="1.0.0",
    summary="Prove who the client is.",
    complexity="O(N) where N is the number of passwords defined for the user",
    history=(("6.0.0", "Added ACL style (username and password)."),),
)
def auth_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise syntax_error()
    if len(argv) == 2 and not c.server.config.requirepass:
        raise CommandError(
            b"ERR AUTH <password> called without any password configured for the default user. "
            b"Are you sure your configuration is correct?"
        )
    _authenticate(c, argv[1] if len(argv) == 3 else b"default", argv[-1])
    return OK


@command(
    b"HELLO",
    -1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
    group="connection",
    since="6.0.0",
    summary="Choose the protocol, and authenticate and name the connection.",
    complexity="O(1)",
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
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    while at < len(argv):
        word = argv[at].upper()
        if word == b"AUTH" and at + 2 < len(argv):
            credentials = (argv[at + 1], argv[at + 2])
            at += 3
        elif word == b"SETNAME" and at + 1 < len(argv):
            name = check_name(argv[at + 1])
            at += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%b'" % argv[at])
    if credentials is not None:
        _authenticate(c, *credentials)
    if not c.authenticated:
        raise CommandError(
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            b"<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
            b"the same time"
        )
    if name is not None:
        c.name = name
    c.resp = version
    refresh_fast(c)
    fields = (
        (b"server", bulk(b"redis")),
        (b"version", bulk(b"7.0.15")),
        (b"proto", integer(version)),
        (b"id", integer(c.id)),
        (b"mode", bulk(b"standalone")),
        (b"role", bulk(b"master")),
        (b"modules", array_header(0)),
    )
    return map_header(len(fields), version) + b"".join([bulk(field) + value for field, value in fields])


@command(
    b"PING",
    -1,
    CMD_FAST,
    group="connection",
    since="1.0.0",
    summary="Ask whether the server answers.",
    complexity="O(1)",
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
    c.flags |= CLIENT_CLOSE_AFTER_REPLY
    refresh_fast(c)
    return OK


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
    if c.flags & CLIENT_MONITOR:
        del server.monitors[c]
        set_gate(server, GATE_MONITOR, bool(server.monitors))
    c.flags &= ~(CLIENT_MONITOR | CLIENT_NO_EVICT | CLIENT_NO_TOUCH | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT)
    c.resp = 2
    c.db = server.dbs[0]
    c.name = b""
    c.user = b"default"
    c.authenticated = not server.config.requirepass
    refresh_fast(c)
    return simple(b"RESET")


@command(
    b"MONITOR",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="1.0.0",
    summary="Show every command the server runs.",
)
def monitor_command(c: Client, argv: list[bytes]) -> bytes | None:
    if not c.flags & CLIENT_MONITOR:
        c.flags |= CLIENT_MONITOR
        c.server.monitors[c] = None
        set_gate(c.server, GATE_MONITOR, True)
        refresh_fast(c)
    return OK


# --- CLIENT ---------------------------------------------------------------------------------------------------------


def check_name(name: bytes) -> bytes:
    """A client's name: printable, no spaces."""
    if any(not 33 <= char <= 126 for char in name):
        raise CommandError(b"ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def _flags_text(c: Client) -> bytes:
    flags = b""
    if c.flags & CLIENT_MONITOR:
        flags += b"O"
    if c.subscribed():
        flags += b"P"
    if c.flags & CLIENT_MULTI:
        flags += b"x"
    if c.flags & CLIENT_BLOCKED:
        flags += b"b"
    if c.flags & CLIENT_CLOSE_AFTER_REPLY:
        flags += b"c"
    if c.flags & CLIENT_NO_EVICT:
        flags += b"e"
    return flags or b"N"


def client_info(c: Client) -> bytes:
    """The line that CLIENT LIST shows of a client. Sizes are in bytes, ``age`` and ``idle`` in seconds."""
    server = c.server
    queued = -1 if c.multi is None else len(c.multi)
    last = c.last_cmd.fullname if c.last_cmd is not None else b"NULL"
    waiting, unparsed = c.conn.output_bytes(), c.conn.input_bytes()
    return (
        b"id=%d addr=%b laddr=%b fd=-1 name=%b age=%d idle=%d flags=%b db=%d sub=%d psub=%d ssub=%d multi=%d "
        b"qbuf=%d qbuf-free=0 argv-mem=%d multi-mem=%d rbs=0 rbp=0 obl=%d oll=0 omem=0 tot-mem=%d events=r cmd=%b "
        b"user=%b redir=-1 resp=%d"
        % (
            c.id,
            c.addr,
            c.laddr,
            c.name,
            max(0, server.mstime - c.ctime) // 1000,
            max(0, server.mstime - c.last_interaction) // 1000,
            _flags_text(c),
            c.db.id,
            len(c.channels),
            len(c.patterns),
            len(c.shard_channels),
            queued,
            unparsed,
            c.argv_size,
            c.multi_mem,
            waiting,
            unparsed + waiting + c.multi_mem,
            last,
            c.user,
            c.resp,
        )
    )


container(
    b"CLIENT",
    -2,
    0,
    group="connection",
    since="2.4.0",
    summary="Manage client connections.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"CLIENT|ID",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="5.0.0",
    summary="Return the connection's ID.",
    complexity="O(1)",
)
def client_id_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(c.id)


@command(
    b"CLIENT|INFO",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.2.0",
    summary="Describe the connection.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def client_info_command(c: Client, argv: list[bytes]) -> bytes | None:
    return verbatim(client_info(c) + b"\n", c.resp)


def client_type(c: Client) -> bytes:
    """``normal``, ``pubsub`` … as CLIENT LIST TYPE and CLIENT KILL TYPE name them."""
    return b"pubsub" if c.subscribed() else b"normal"


_TYPES: Final = {b"normal": b"normal", b"pubsub": b"pubsub", b"master": b"master"}
_TYPES_REPLICA: Final = {b"slave": b"replica", b"replica": b"replica"}


def _get_type(text: bytes) -> bytes:
    kind = (_TYPES | _TYPES_REPLICA).get(text.lower())
    if kind is None:
        raise CommandError(b"ERR Unknown client type '%b'" % text)
    return kind


@command(
    b"CLIENT|LIST",
    -2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="2.4.0",
    summary="Describe all connections.",
    complexity="O(N) where N is the number of client connections",
    tips=(b"nondeterministic_output",),
    history=(
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
    ),
)
def client_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    clients = list(c.server.clients.values())
    if len(argv) == 4 and argv[2].upper() == b"TYPE":
        kind = _get_type(argv[3])
        clients = [one for one in clients if client_type(one) == kind]
    elif len(argv) > 3 and argv[2].upper() == b"ID":
        ids = [get_positive(text, b"ERR Invalid client ID") for text in argv[3:]]
        clients = [c.server.clients[n] for n in ids if n in c.server.clients]
    elif len(argv) > 2:
        raise syntax_error()
    return verbatim(b"".join([client_info(one) + b"\n" for one in clients]), c.resp)


@command(
    b"CLIENT|GETNAME",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="2.6.9",
    summary="Return the connection's name.",
    complexity="O(1)",
)
def client_getname_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk_or_null(c.name or None, c.resp)


@command(
    b"CLIENT|SETNAME",
    3,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="2.6.9",
    summary="Name the connection.",
    complexity="O(1)",
)
def client_setname_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.name = check_name(argv[2])
    return OK


@command(
    b"CLIENT|GETREDIR",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.0.0",
    summary="Return the client that invalidation messages go to.",
    complexity="O(1)",
)
def client_getredir_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(-1)


def _on_off(text: bytes) -> bool:
    word = text.lower()
    if word not in (b"on", b"off"):
        raise syntax_error()
    return word == b"on"


@command(
    b"CLIENT|NO-EVICT",
    3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="7.0.0",
    summary="Protect the connection from client eviction.",
    complexity="O(1)",
)
def client_no_evict_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.flags = c.flags | CLIENT_NO_EVICT if _on_off(argv[2]) else c.flags & ~CLIENT_NO_EVICT
    return OK


@command(
    b"CLIENT|REPLY",
    3,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="3.2.0",
    summary="Switch replies on or off.",
    complexity="O(1)",
)
def client_reply_command(c: Client, argv: list[bytes]) -> bytes | None:
    word = argv[2].lower()
    if word == b"on":
        c.flags &= ~(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT)
        refresh_fast(c)
        return OK
    if word == b"off":
        c.flags |= CLIENT_REPLY_OFF
    elif word == b"skip":
        if not c.flags & CLIENT_REPLY_OFF:
            c.flags |= CLIENT_REPLY_SKIP_NEXT
    else:
        raise syntax_error()
    refresh_fast(c)
    return None


@command(
    b"CLIENT|PAUSE",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="2.9.50",
    summary="Hold commands back for a while.",
    complexity="O(1)",
    history=(("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option."),),
)
def client_pause_command(c: Client, argv: list[bytes]) -> bytes | None:
    everything = True
    if len(argv) == 4:
        mode = argv[3].upper()
        if mode not in (b"WRITE", b"ALL"):
            raise CommandError(b"ERR CLIENT PAUSE mode must be WRITE or ALL")
        everything = mode == b"ALL"
    elif len(argv) > 4:
        raise syntax_error()
    ms = string2ll(argv[2])
    if ms is None:
        raise CommandError(b"ERR timeout is not an integer or out of range")
    if ms < 0:
        raise CommandError(b"ERR timeout is negative")
    c.server.pause_clients(c.server.mstime + ms, everything)
    return OK


@command(
    b"CLIENT|UNPAUSE",
    2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.2.0",
    summary="End a pause of commands.",
    complexity="O(N) Where N is the number of paused clients",
)
def client_unpause_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.unpause_clients()
    return OK


@command(
    b"CLIENT|UNBLOCK",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="5.0.0",
    summary="Release a client that waits.",
    complexity="O(log N) where N is the number of client connections",
)
def client_unblock_command(c: Client, argv: list[bytes]) -> bytes | None:
    as_error = False
    if len(argv) == 4:
        word = argv[3].lower()
        if word not in (b"timeout", b"error"):
            raise CommandError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        as_error = word == b"error"
    other = c.server.clients.get(get_int(argv[2]))
    if other is None or other.blocked is None:
        return ZERO
    reply = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" if as_error else other.blocked.on_timeout
    end_wait(other, reply)
    return ONE


def _kill(c: Client, victims: list[Client]) -> int:
    for victim in victims:
        if victim is c:
            c.flags |= CLIENT_CLOSE_AFTER_REPLY
            refresh_fast(c)
        else:
            c.server.close_client(victim)
            c.server.free_client(victim)
    return len(victims)


@command(
    b"CLIENT|KILL",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="2.4.0",
    summary="Close connections.",
    complexity="O(N) where N is the number of client connections",
    history=(
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
        ("6.2.0", "`LADDR` option."),
    ),
)
def client_kill_command(c: Client, argv: list[bytes]) -> bytes | None:
    clients = list(c.server.clients.values())
    if len(argv) == 3:
        victims = [one for one in clients if one.addr == argv[2]]
        if not victims:
            raise CommandError(b"ERR No such client")
        _kill(c, victims[:1])
        return OK
    if len(argv) % 2:
        raise syntax_error()
    skip_me = True
    for at in range(2, len(argv), 2):
        word, value = argv[at].upper(), argv[at + 1]
        if word == b"ID":
            number = string2ll(value)
            if number is None or number < 1:
                raise CommandError(b"ERR client-id should be greater than 0")
            clients = [one for one in clients if one.id == number]
        elif word == b"TYPE":
            kind = _get_type(value)
            clients = [one for one in clients if client_type(one) == kind]
        elif word == b"ADDR":
            clients = [one for one in clients if one.addr == value]
        elif word == b"LADDR":
            clients = [one for one in clients if one.laddr == value]
        elif word == b"USER":
            if value != b"default":
                raise CommandError(b"ERR No such user '%b'" % value)
        elif word == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        else:
            raise syntax_error()
    return integer(_kill(c, [one for one in clients if not (skip_me and one is c)]))
