"""Transactions."""

from __future__ import annotations

from typing import Final

from pyredis.core.acl import DENIED_CHANNEL, DENIED_CMD, DENIED_KEY
from pyredis.core.client import CLIENT_DENY_BLOCKING, CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_MULTI, Client
from pyredis.core.command import (
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NOSCRIPT,
    CMD_RUNS_SCRIPTS,
    CMD_SKIP_SLOWLOG,
    CMD_STALE,
    KEY_RO,
    Command,
    K,
    command,
)
from pyredis.core.dispatch import call, error_reply, refresh_fast
from pyredis.core.multi import discard_transaction, is_watched_key_expired, unwatch_all, watch_key
from pyredis.core.propagate import flush, prevent
from pyredis.resp.errors import EXECABORT, CommandError
from pyredis.resp.reply import NULL_ARRAY, OK, array_header


@command(
    b"MULTI",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
    group="transactions",
    since="1.2.0",
    summary="Begin a transaction.",
    complexity="O(1)",
)
def multi_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR MULTI calls can not be nested")
    c.flags |= CLIENT_MULTI
    c.multi = []
    refresh_fast(c)
    return OK


@command(
    b"DISCARD",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
    group="transactions",
    since="2.0.0",
    summary="Forget the queued commands of a transaction.",
    complexity="O(N), when N is the number of queued commands",
)
def discard_command(c: Client, argv: list[bytes]) -> bytes | None:
    if not c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR DISCARD without MULTI")
    discard_transaction(c)
    return OK


@command(
    b"WATCH",
    -2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
    keys=(K(1, KEY_RO, last=-1),),
    group="transactions",
    since="2.2.0",
    summary="Let the next transaction fail if keys change.",
    complexity="O(1) for every key.",
    usage="key...",
)
def watch_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_MULTI:
        raise CommandError(b"ERR WATCH inside MULTI is not allowed")
    if not c.flags & CLIENT_DIRTY_CAS:
        for key in argv[1:]:
            watch_key(c, key)
    return OK


@command(
    b"UNWATCH",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY,
    group="transactions",
    since="2.2.0",
    summary="Watch no key any more.",
    complexity="O(1)",
)
def unwatch_command(c: Client, argv: list[bytes]) -> bytes | None:
    unwatch_all(c)
    c.flags &= ~CLIENT_DIRTY_CAS
    return OK


_REASONS: Final = {
    DENIED_CMD: b"no permission to execute the command or subcommand",
    DENIED_KEY: b"no permission to touch the specified keys",
    DENIED_CHANNEL: b"no permission to access one of the channels used as arguments",
}


def _refusal(c: Client, cmd: Command, queued: list[bytes], argv: list[bytes]) -> bytes | None:
    """Why a queued command may not run now, though it might when it was queued; None if it may."""
    reason, at = c.user.check(cmd, queued)
    if not reason:
        return None
    c.server.users.log.add(c, reason, cmd.fullname if reason == DENIED_CMD else queued[at], argv, context=b"multi")
    return (
        b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
        b"command is no longer allowed for the following reason: " + _REASONS[reason]
    )


@command(
    b"EXEC",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG,
    group="transactions",
    since="1.2.0",
    summary="Run the queued commands of a transaction.",
    complexity="Depends on commands in the transaction",
)
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
    if any(cmd.flags & CMD_RUNS_SCRIPTS for cmd, _ in queued):
        return c.server.scripts.run_in_turns(c, argv, _run_queued, c, queued, argv)
    return _run_queued(c, queued, argv)


def _run_queued(c: Client, queued: list[tuple[Command, list[bytes]]], argv: list[bytes]) -> bytes | None:
    """What EXEC does once it is sure that it does it."""
    server = c.server
    # Replies go straight to the output: what the commands push (SUBSCRIBE) keeps its place among them.
    never_blocks = c.flags & CLIENT_DENY_BLOCKING
    c.flags |= CLIENT_DENY_BLOCKING
    server.nesting += 1
    c.add_reply(array_header(len(queued)))
    try:
        for cmd, command_argv in queued:
            refusal = None if c.user.unrestricted else _refusal(c, cmd, command_argv, argv)
            reply = call(c, cmd, command_argv) if refusal is None else error_reply(server, refusal)
            if reply is not None:
                c.add_reply(reply)
    finally:
        server.nesting -= 1
        c.flags = c.flags & ~CLIENT_DENY_BLOCKING | never_blocks
        discard_transaction(c)
    if not server.nesting:
        flush(server)
    prevent(c)  # what it ran has been propagated
    return None
