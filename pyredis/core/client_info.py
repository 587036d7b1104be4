"""How a client is shown (CLIENT LIST, CLIENT INFO) and told apart (its type, its name)."""

from __future__ import annotations

import sys
from typing import Final

from pyredis.core.client import (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_DIRTY_CAS,
    CLIENT_MASTER,
    CLIENT_MONITOR,
    CLIENT_MULTI,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_PAUSED,
    CLIENT_REPLICA,
    CLIENT_TRACKING,
    CLIENT_UNBLOCKED,
    CLIENT_UNIX_SOCKET,
    Client,
)
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import encoded_length

_REPLY_BLOCK: Final = 16 << 10
"""Size of the blocks in which Redis keeps unsent replies; ``oll`` counts those."""

_FLAG_LETTERS: Final = (
    (CLIENT_DIRTY_CAS, b"d"),
    (CLIENT_CLOSE_AFTER_REPLY, b"c"),
    (CLIENT_UNBLOCKED, b"u"),
    (CLIENT_UNIX_SOCKET, b"U"),
    (CLIENT_NO_EVICT, b"e"),
    (CLIENT_NO_TOUCH, b"T"),
)


def printable(text: bytes) -> bool:
    """True for text that may be a name: no spaces, nothing but visible ASCII."""
    return all(33 <= char <= 126 for char in text)


def check_name(name: bytes) -> bytes:
    """A client's name; raises CommandError for one that would break the lines of CLIENT LIST."""
    if not printable(name):
        raise CommandError(b"ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def client_type(c: Client) -> bytes:
    """``normal``, ``pubsub`` … as CLIENT LIST TYPE and CLIENT KILL TYPE name them. A monitor is a normal client."""
    if c.flags & CLIENT_MASTER:
        return b"master"
    if c.flags & CLIENT_REPLICA and not c.flags & CLIENT_MONITOR:
        return b"replica"
    return b"pubsub" if c.subscribed() else b"normal"


def _flags_text(c: Client) -> bytes:
    flags = b"O" if c.flags & CLIENT_MONITOR else b"S" if c.flags & CLIENT_REPLICA else b""
    if c.flags & CLIENT_MASTER:
        flags += b"M"
    if c.subscribed():
        flags += b"P"
    if c.flags & CLIENT_MULTI:
        flags += b"x"
    if c.flags & (CLIENT_BLOCKED | CLIENT_PAUSED):
        flags += b"b"
    if c.flags & CLIENT_TRACKING and c.tracking is not None:
        flags += b"t" + b"R" * c.tracking.broken + b"B" * c.tracking.bcast
    return flags + b"".join([letter for bits, letter in _FLAG_LETTERS if c.flags & bits]) or b"N"


def redirection(c: Client) -> int:
    """The ID of the client that gets the messages of CLIENT TRACKING: 0 = this one, -1 = tracking is off."""
    return c.tracking.redirect if c.flags & CLIENT_TRACKING and c.tracking is not None else -1


def _fixed_memory(c: Client) -> int:
    """Bytes of a client's own tables, without what they hold."""
    tables = (c, c.out, c.pending, c.watched, c.channels, c.patterns, c.shard_channels)
    return sum(map(sys.getsizeof, tables))


def client_info(c: Client, running: list[bytes] | None = None) -> bytes:
    """The line that CLIENT LIST shows of a client. Sizes are in bytes, ``age`` and ``idle`` in seconds.

    ``running`` is the command that asks, if this client asks about itself: it counts as part of the query buffer, as
    it does in Redis. There is no reply buffer of a fixed size, so ``rbs`` and ``rbp`` are 0; ``obl`` is what the
    running command has answered, ``omem`` what the peer has not read.
    """
    server = c.server
    argv = running or (c.blocked.argv if c.blocked is not None else [])
    waiting_commands = sum(map(encoded_length, c.pending))
    query = c.conn.input_bytes() + waiting_commands + (encoded_length(running) if running else 0)
    argv_mem = sum(map(len, argv))
    queued, unsent = sum(map(len, c.out)), c.conn.output_bytes()
    watch = b"watch=%d " % len(c.watched) if server.compat >= 704 else b""
    thread = b" io-thread=0" if server.compat >= 800 else b""
    totals = b""
    if server.compat >= 802:
        # The command that asks has not ended: it counts from the next line on.
        totals = b" tot-net-in=%d tot-net-out=%d tot-cmds=%d" % (c.net_in, c.net_out, c.commands)
    library = b" lib-name=%b lib-ver=%b" % (c.lib_name, c.lib_ver) if server.compat >= 702 else b""
    return (
        b"id=%d addr=%b laddr=%b fd=%d name=%b age=%d idle=%d flags=%b db=%d sub=%d psub=%d ssub=%d multi=%d "
        b"%bqbuf=%d qbuf-free=0 argv-mem=%d multi-mem=%d rbs=0 rbp=0 obl=%d oll=%d omem=%d tot-mem=%d events=%b cmd=%b "
        b"user=%b redir=%d resp=%d%b%b%b"
        % (
            c.id,
            c.addr,
            c.laddr,
            c.conn.fileno(),
            c.name,
            max(0, server.mstime - c.ctime) // 1000,
            max(0, server.mstime - c.last_interaction) // 1000,
            _flags_text(c),
            c.db.id,
            len(c.channels),
            len(c.patterns),
            len(c.shard_channels),
            -1 if c.multi is None else len(c.multi),
            watch,
            query,
            argv_mem,
            c.multi_mem,
            queued,
            -(-unsent // _REPLY_BLOCK),
            unsent,
            _fixed_memory(c) + query + argv_mem + c.multi_mem + queued + unsent,
            b"rw" if unsent else b"r",
            c.last_cmd.fullname if c.last_cmd is not None else b"NULL",
            c.user.name,
            redirection(c),
            c.resp,
            library,
            thread,
            totals,
        )
    )
