"""CLIENT: what connections there are, and what may be done to them."""

from __future__ import annotations

from typing import Final

from pyredis.core.acl import User
from pyredis.core.args import get_int, syntax_error
from pyredis.core.blocked import BLOCKED_MIGRATE, end_wait
from pyredis.core.client import (
    CLIENT_MULTI,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    CLIENT_REPLY_SKIP_NEXT,
    Client,
)
from pyredis.core.client_info import check_name, client_info, client_type, printable
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_SENTINEL, CMD_STALE, command, container
from pyredis.core.dispatch import error_reply, refresh_fast
from pyredis.core.server import Server
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError, c_text, subcommand_syntax
from pyredis.resp.reply import (
    OK,
    ONE,
    ZERO,
    bulk_or_null,
    help_reply,
    integer,
    verbatim,
)

_ANY_TIME: Final = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
_ADMIN: Final = CMD_ADMIN | _ANY_TIME

container(
    b"CLIENT",
    -2,
    CMD_SENTINEL,
    group="connection",
    since="2.4.0",
    summary="Manage client connections.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"CLIENT|ID",
    2,
    _ANY_TIME,
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
    _ANY_TIME,
    group="connection",
    since="6.2.0",
    summary="Describe the connection.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def client_info_command(c: Client, argv: list[bytes]) -> bytes | None:
    return verbatim(client_info(c, _request(c, argv)) + b"\n", c.resp)


def _request(c: Client, argv: list[bytes]) -> list[bytes]:
    """What a client that runs ``argv`` has sent: inside of a transaction that is EXEC."""
    return [b"EXEC"] if c.flags & CLIENT_MULTI else argv


_TYPES: Final = {
    b"normal": b"normal",
    b"pubsub": b"pubsub",
    b"master": b"master",
    b"replica": b"replica",
    b"slave": b"replica",
}


def _get_type(text: bytes) -> bytes:
    kind = _TYPES.get(text.lower())
    if kind is None:
        raise CommandError(b"ERR Unknown client type '%b'" % c_text(text))
    return kind


@command(
    b"CLIENT|LIST",
    -2,
    _ADMIN,
    group="connection",
    since="2.4.0",
    summary="Describe all connections.",
    complexity="O(N) where N is the number of client connections",
    usage="[TYPE (NORMAL|MASTER|REPLICA|PUBSUB)]@5.0.0 [ID id=(client-id:int...)]@6.2.0",
    tips=(b"nondeterministic_output",),
    history=(
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
        ("7.2.0", "Added `lib-name` and `lib-ver` fields."),
        ("7.4.0", "Added `watch` field."),
        ("8.0.0", "Added `io-thread` field."),
    ),
)
def client_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    clients = list(c.server.clients.values())
    if len(argv) == 4 and argv[2].upper() == b"TYPE":
        kind = _get_type(argv[3])
        clients = [one for one in clients if client_type(one) == kind]
    elif len(argv) > 3 and argv[2].upper() == b"ID":
        ids = [get_int(text, b"ERR Invalid client ID") for text in argv[3:]]
        clients = [c.server.clients[n] for n in ids if n in c.server.clients]
    elif len(argv) > 2:
        raise syntax_error()
    lines = [client_info(one, _request(c, argv) if one is c else None) + b"\n" for one in clients]
    return verbatim(b"".join(lines), c.resp)


@command(
    b"CLIENT|GETNAME",
    2,
    _ANY_TIME,
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
    _ANY_TIME,
    group="connection",
    since="2.6.9",
    summary="Name the connection.",
    complexity="O(1)",
    usage="connection-name",
)
def client_setname_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.name = check_name(argv[2])
    return OK


def _on_off(text: bytes) -> bool:
    word = text.lower()
    if word not in (b"on", b"off"):
        raise syntax_error()
    return word == b"on"


@command(
    b"CLIENT|NO-EVICT",
    3,
    _ADMIN,
    group="connection",
    since="7.0.0",
    summary="Protect the connection from client eviction.",
    complexity="O(1)",
    usage="enabled=(ON|OFF)",
)
def client_no_evict_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.flags = c.flags | CLIENT_NO_EVICT if _on_off(argv[2]) else c.flags & ~CLIENT_NO_EVICT
    return OK


@command(
    b"CLIENT|NO-TOUCH",
    3,
    _ANY_TIME,
    group="connection",
    since="7.2.0",
    summary="Let commands leave the keys' time of access alone.",
    complexity="O(1)",
    usage="enabled=(ON|OFF)",
)
def client_no_touch_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.flags = c.flags | CLIENT_NO_TOUCH if _on_off(argv[2]) else c.flags & ~CLIENT_NO_TOUCH
    refresh_fast(c)
    return OK


@command(
    b"CLIENT|SETINFO",
    4,
    _ANY_TIME,
    group="connection",
    since="7.2.0",
    summary="Tell the client library's name and version.",
    complexity="O(1)",
    usage="attr=('LIB-NAME' libname|'LIB-VER' libver)",
)
def client_setinfo_command(c: Client, argv: list[bytes]) -> bytes | None:
    word, value = argv[2].lower(), argv[3]
    if word not in (b"lib-name", b"lib-ver"):
        raise CommandError(b"ERR Unrecognized option '%b'" % c_text(argv[2]))
    if not printable(value):
        raise CommandError(b"ERR %b cannot contain spaces, newlines or special characters." % argv[2])
    if word == b"lib-name":
        c.lib_name = value
    else:
        c.lib_ver = value
    return OK


@command(
    b"CLIENT|REPLY",
    3,
    _ANY_TIME,
    group="connection",
    since="3.2.0",
    summary="Switch replies on or off.",
    complexity="O(1)",
    usage="(ON|OFF|SKIP)",
)
def client_reply_command(c: Client, argv: list[bytes]) -> bytes | None:
    word = argv[2].lower()
    if word == b"on":
        c.flags &= ~(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)
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
    _ADMIN,
    group="connection",
    since="2.9.50",
    summary="Hold commands back for a while.",
    complexity="O(1)",
    usage="timeout:int mode=[WRITE|ALL]@6.2.0",
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
        raise subcommand_syntax(b"client", argv[1])
    ms = string2ll(argv[2])
    if ms is None:
        raise CommandError(b"ERR timeout is not an integer or out of range")
    if ms < 0:
        raise CommandError(b"ERR timeout is negative")
    until = c.server.mstime + ms
    # Redis adds in 64 bits: a pause beyond their end is over before it began.
    c.server.pause_clients(until if until < 1 << 63 else 0, everything)
    return OK


@command(
    b"CLIENT|UNPAUSE",
    2,
    _ADMIN,
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
    _ADMIN,
    group="connection",
    since="5.0.0",
    summary="Release a client that waits.",
    complexity="O(log N) where N is the number of client connections",
    usage="client-id:int [TIMEOUT|ERROR]",
)
def client_unblock_command(c: Client, argv: list[bytes]) -> bytes | None:
    as_error = False
    if len(argv) == 4:
        word = argv[3].lower()
        if word not in (b"timeout", b"error"):
            raise CommandError(b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
        as_error = word == b"error"
    elif len(argv) > 4:
        raise subcommand_syntax(b"client", argv[1])
    other = c.server.clients.get(get_int(argv[2]))
    if other is None or other.blocked is None or other.blocked.kind == BLOCKED_MIGRATE:
        return ZERO
    reply = other.blocked.on_timeout
    if as_error:
        reply = error_reply(c.server, b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
    end_wait(other, reply)
    return ONE


class _Filters:
    """The conditions of CLIENT KILL's new form, all of which a victim meets. The last of a kind counts."""

    __slots__ = ("addr", "id", "kind", "laddr", "max_age", "server", "skip_me", "user")

    def __init__(self, server: Server, argv: list[bytes]) -> None:
        self.server = server
        self.id = self.max_age = 0
        self.kind = self.addr = self.laddr = b""
        self.user: User | None = None
        self.skip_me = True
        for at in range(2, len(argv), 2):
            if at + 1 == len(argv):
                raise syntax_error()
            self._take(argv[at].upper(), argv[at + 1])

    def _take(self, word: bytes, value: bytes) -> None:
        if word == b"ID":
            number = string2ll(value)
            if number is None or number < 1:
                raise CommandError(b"ERR client-id should be greater than 0")
            self.id = number
        elif word == b"TYPE":
            self.kind = _get_type(value)
        elif word == b"ADDR":
            self.addr = value
        elif word == b"LADDR":
            self.laddr = value
        elif word == b"USER":
            self.user = self.server.users.table.get(value)
            if self.user is None:
                raise CommandError(b"ERR No such user '%b'" % c_text(value))
        elif word == b"MAXAGE" and self.server.compat >= 704:
            self.max_age = get_int(value, b"ERR maxage is not an integer or out of range")
            if self.max_age <= 0:
                raise CommandError(b"ERR maxage should be greater than 0")
        elif word == b"SKIPME" and value.lower() in (b"yes", b"no"):
            self.skip_me = value.lower() == b"yes"
        else:
            raise syntax_error()

    def meets(self, one: Client) -> bool:
        """True for a victim; what was not named is not asked for."""
        return (
            (not self.id or one.id == self.id)
            and (not self.kind or client_type(one) == self.kind)
            and (not self.addr or one.addr == self.addr)
            and (not self.laddr or one.laddr == self.laddr)
            and (self.user is None or one.user is self.user)
            and (not self.max_age or self.server.mstime // 1000 - one.ctime // 1000 >= self.max_age)
        )


@command(
    b"CLIENT|KILL",
    -3,
    _ADMIN,
    group="connection",
    since="2.4.0",
    summary="Close connections.",
    complexity="O(N) where N is the number of client connections",
    usage=(
        "filter=(ip:port!2.8.12|new-format=([ID client-id:int]@2.8.12|[TYPE "
        "normal_master_slave_pubsub=(NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)]@2.8.12|[USER "
        "username]|[ADDR ip:port]|[LADDR ip:port]@6.2.0|[SKIPME yes/no]|[MAXAGE maxage:int]@7.4.0)...)"
    ),
    history=(
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
        ("6.2.0", "`LADDR` option."),
        ("7.4.0", "`MAXAGE` option."),
    ),
)
def client_kill_command(c: Client, argv: list[bytes]) -> bytes | None:
    clients = list(c.server.clients.values())
    if len(argv) == 3:
        victims = [one for one in clients if one.addr == argv[2]]
        if not victims:
            raise CommandError(b"ERR No such client")
        return c.server.end_clients(c, victims, OK)
    filters = _Filters(c.server, argv)
    victims = [one for one in clients if filters.meets(one) and not (filters.skip_me and one is c)]
    return c.server.end_clients(c, victims, integer(len(victims)))


@command(
    b"CLIENT|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="connection",
    since="5.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def client_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(b"CLIENT", _HELP)


_HELP: Final = (
    b"CACHING (YES|NO)",
    b"    Whether the keys that the next command reads are tracked, with OPTIN and OPTOUT.",
    b"GETNAME",
    b"    This connection's name.",
    b"GETREDIR",
    b"    The client that gets this connection's invalidation messages.",
    b"ID",
    b"    This connection's ID.",
    b"INFO",
    b"    This connection as CLIENT LIST shows it.",
    b"KILL <ip:port>",
    b"    Close the connection from an address.",
    b"KILL <option> <value> [<option> <value> [...]]",
    b"    Close the connections that meet all of:",
    b"    * ADDR <ip:port>: the peer's address.",
    b"    * LADDR <ip:port>: the address on this side.",
    b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB): the kind of connection.",
    b"    * USER <username>: who is authenticated.",
    b"    * ID <client-id>: the ID.",
    b"    * MAXAGE <seconds>: connected for so long or longer.",
    b"    * SKIPME (YES|NO): whether to spare this connection (yes).",
    b"LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [...]]",
    b"    A line for every connection.",
    b"NO-EVICT (ON|OFF)",
    b"    Spare this connection when clients take too much memory.",
    b"NO-TOUCH (ON|OFF)",
    b"    Let this connection's commands leave the keys' time of access alone.",
    b"PAUSE <timeout> [WRITE|ALL]",
    b"    Hold back the writing commands (or all) for so many milliseconds.",
    b"REPLY (ON|OFF|SKIP)",
    b"    Whether this connection gets replies.",
    b"SETINFO <LIB-NAME|LIB-VER> <value>",
    b"    The client library's name and version.",
    b"SETNAME <name>",
    b"    Name this connection.",
    b"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    b"         [OPTIN] [OPTOUT] [NOLOOP]",
    b"    Whether this connection is told when keys that it has read change.",
    b"TRACKINGINFO",
    b"    How keys are tracked for this connection.",
    b"UNBLOCK <client-id> [TIMEOUT|ERROR]",
    b"    End a waiting command as if its time were up, or with an error.",
    b"UNPAUSE",
    b"    End CLIENT PAUSE.",
)
