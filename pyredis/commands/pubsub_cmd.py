"""Publish and subscribe."""

from __future__ import annotations

from pyredis.core.client import Client
from pyredis.core.pubsub import publish, publish_shard, subscribe, unsubscribe
from pyredis.lib.glob import compile_pattern
from pyredis.resp.reply import array_header, bulk, bulk_array, integer


def subscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in argv[1:]:
        subscribe(c, c.channels, c.server.channels, b"subscribe", channel, False)
    return None


def psubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for pattern in argv[1:]:
        subscribe(c, c.patterns, c.server.patterns, b"psubscribe", pattern, False)
    return None


def ssubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in argv[1:]:
        subscribe(c, c.shard_channels, c.server.shard_channels, b"ssubscribe", channel, True)
    return None


def unsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in argv[1:] or list(c.channels) or [None]:
        unsubscribe(c, c.channels, c.server.channels, b"unsubscribe", channel, False)
    return None


def punsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for pattern in argv[1:] or list(c.patterns) or [None]:
        unsubscribe(c, c.patterns, c.server.patterns, b"punsubscribe", pattern, False)
    return None


def sunsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in argv[1:] or list(c.shard_channels) or [None]:
        unsubscribe(c, c.shard_channels, c.server.shard_channels, b"sunsubscribe", channel, True)
    return None


def publish_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(publish(c.server, argv[1], argv[2]))


def spublish_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(publish_shard(c.server, argv[1], argv[2]))


def _names(table: dict[bytes, dict[Client, None]], argv: list[bytes]) -> bytes:
    names = list(table)
    return bulk_array(list(filter(compile_pattern(argv[2]), names)) if len(argv) > 2 else names)


def _counts(table: dict[bytes, dict[Client, None]], argv: list[bytes]) -> bytes:
    items = [bulk(name) + integer(len(table.get(name, ()))) for name in argv[2:]]
    return array_header(2 * len(items)) + b"".join(items)


def pubsub_channels_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _names(c.server.channels, argv)


def pubsub_shardchannels_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _names(c.server.shard_channels, argv)


def pubsub_numsub_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _counts(c.server.channels, argv)


def pubsub_shardnumsub_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _counts(c.server.shard_channels, argv)


def pubsub_numpat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.server.patterns))
