"""Channels, patterns and shard channels: subscribing, leaving, publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyredis.core.client import Client
from pyredis.core.dispatch import refresh_fast
from pyredis.lib.glob import match
from pyredis.resp.reply import NULL, bulk, integer, push_header

if TYPE_CHECKING:
    from pyredis.core.server import Server

Table = dict[bytes, dict[Client, None]]


def subscribe(c: Client, mine: dict[bytes, None], table: Table, kind: bytes, channel: bytes, count_shard: bool) -> None:
    """Enter a channel (or pattern) and confirm it; entering twice is confirmed again."""
    if channel not in mine:
        mine[channel] = None
        table.setdefault(channel, {})[c] = None
        refresh_fast(c)
    _confirm(c, kind, channel, count_shard)


def unsubscribe(
    c: Client, mine: dict[bytes, None], table: Table, kind: bytes, channel: bytes | None, count_shard: bool
) -> None:
    """Leave a channel (or pattern) and confirm it; None confirms that there was none to leave."""
    if channel is not None and channel in mine:
        del mine[channel]
        subscribers = table[channel]
        del subscribers[c]
        if not subscribers:
            del table[channel]
        refresh_fast(c)
    _confirm(c, kind, channel, count_shard)


def _confirm(c: Client, kind: bytes, channel: bytes | None, count_shard: bool) -> None:
    count = len(c.shard_channels) if count_shard else c.subscriptions()
    name = NULL[c.resp] if channel is None else bulk(channel)
    c.add_push(push_header(3, c.resp) + bulk(kind) + name + integer(count))


def publish(server: Server, channel: bytes, message: bytes) -> int:
    """Send to the channel's subscribers and to those of matching patterns; returns how many received it."""
    receivers = 0
    subscribers = server.channels.get(channel)
    if subscribers:
        body = bulk(b"message") + bulk(channel) + bulk(message)
        encoded = (b"", b"", b"*3\r\n" + body, b">3\r\n" + body)
        for c in subscribers:
            c.add_push(encoded[c.resp])
        receivers = len(subscribers)
    for pattern, listeners in server.patterns.items():
        if match(pattern, channel):
            body = bulk(b"pmessage") + bulk(pattern) + bulk(channel) + bulk(message)
            for c in listeners:
                c.add_push(push_header(4, c.resp) + body)
            receivers += len(listeners)
    return receivers


def publish_shard(server: Server, channel: bytes, message: bytes) -> int:
    """Send to a shard channel's subscribers."""
    subscribers = server.shard_channels.get(channel)
    if not subscribers:
        return 0
    body = bulk(b"smessage") + bulk(channel) + bulk(message)
    for c in subscribers:
        c.add_push(push_header(3, c.resp) + body)
    return len(subscribers)
