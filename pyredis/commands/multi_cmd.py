"""Transactions."""

from __future__ import annotations

from pyredis.core.client import CLIENT_DENY_BLOCKING, CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_MULTI, Client
from pyredis.core.dispatch import call, refresh_fast
from pyredis.core.multi import discard_transaction, is_watched_key_expired, unwatch_all, watch_key
from pyredis.core.propagate import flush
from pyredis.resp.errors import EXECABORT, CommandError
from pyredis.resp.reply import NULL_ARRAY, OK, array_header


def multi_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR MULTI calls can not be nested")
    c.flags |= CLIENT_MULTI
    c.multi = []
    refresh_fast(c)
    return OK


def discard_command(c: Client, argv: list[bytes]) -> bytes | None:
    if not c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR DISCARD without MULTI")
    discard_transaction(c)
    return OK


def watch_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR WATCH inside MULTI is not allowed")
    if not c.flags & CLIENT_DIRTY_CAS:
        for key in argv[1:]:
            watch_key(c, key)
    return OK


def unwatch_command(c: Client, argv: list[bytes]) -> bytes | None:
    unwatch_all(c)
    c.flags &= ~CLIENT_DIRTY_CAS
    return OK


def exec_command(c: Client, argv: list[bytes]) -> bytes | None:
    if not c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR EXEC without MULTI")
    if is_watched_key_expired(c):
        c.flags |= CLIENT_DIRTY_CAS
    if c.flags & (CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC):
        aborted = bool(c.flags & CLIENT_DIRTY_EXEC)
        discard_transaction(c)
        if aborted:
            raise CommandError(EXECABORT)
        return NULL_ARRAY[c.resp]
    queued = c.multi or []
    if c.watched:
        unwatch_all(c)
    server = c.server
    # Replies go straight to the output: what the commands push (SUBSCRIBE) keeps its place among them.
    c.flags = c.flags & ~CLIENT_MULTI | CLIENT_DENY_BLOCKING
    server.nesting += 1
    c.add_reply(array_header(len(queued)))
    try:
        for cmd, command_argv in queued:
            reply = call(c, cmd, command_argv)
            if reply is not None:
                c.add_reply(reply)
    finally:
        server.nesting -= 1
        c.flags &= ~CLIENT_DENY_BLOCKING
        discard_transaction(c)
    if not server.nesting:
        flush(server)
    return None
