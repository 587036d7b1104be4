"""CLIENT: what connections there are, and what may be done to them."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_positive, syntax_error
from pyredis.core.blocked import end_wait
from pyredis.core.client import (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_NO_EVICT,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP_NEXT,
    Client,
)
from pyredis.core.client_info import check_name, client_info, client_type
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command, container
from pyredis.core.dispatch import refresh_fast
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, ONE, ZERO, bulk_or_null, integer, verbatim

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
    usage="[TYPE (NORMAL|MASTER|REPLICA|PUBSUB)]@5.0.0 [ID id=(client-id:int...)]@6.2.0",
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
    usage="connection-name",
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
    usage="enabled=(ON|OFF)",
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
    usage="(ON|OFF|SKIP)",
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
    usage="client-id:int [TIMEOUT|ERROR]",
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
    usage=(
        "filter=(ip:port!2.8.12|new-format=([ID client-id:int]@2.8.12|[TYPE "
        "normal_master_slave_pubsub=(NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB)]@2.8.12|[USER "
        "username]|[ADDR ip:port]|[LADDR ip:port]@6.2.0|[SKIPME yes/no])...)"
    ),
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
