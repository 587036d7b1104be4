"""How a client is shown (CLIENT LIST, CLIENT INFO) and told apart (its type, its name)."""

from __future__ import annotations

from pyredis.core.client import (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_MONITOR,
    CLIENT_MULTI,
    CLIENT_NO_EVICT,
    Client,
)
from pyredis.resp.errors import CommandError


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


def client_type(c: Client) -> bytes:
    """``normal``, ``pubsub`` … as CLIENT LIST TYPE and CLIENT KILL TYPE name them."""
    return b"pubsub" if c.subscribed() else b"normal"
