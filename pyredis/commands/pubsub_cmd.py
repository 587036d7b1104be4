"""Publish and subscribe."""

from __future__ import annotations

from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import (
    CHANNEL,
    CHANNEL_PATTERNS,
    CHANNELS,
    CMD_FAST,
    CMD_LOADING,
    CMD_MAY_REPLICATE,
    CMD_NOSCRIPT,
    CMD_PUBSUB,
    CMD_SENTINEL,
    CMD_STALE,
    KEY_NOT_KEY,
    K,
    command,
    container,
)
from pyredis.core.pubsub import publish, publish_shard, subscribe, unsubscribe
from pyredis.lib.glob import compile_pattern
from pyredis.resp.errors import CommandError, subcommand_syntax
from pyredis.resp.reply import array_header, bulk, bulk_array, help_reply, integer


@command(
    b"SUBSCRIBE",
    -2,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    channels=CHANNELS,
    group="pubsub",
    since="2.0.0",
    summary="Listen to channels.",
    complexity="O(N) where N is the number of channels to subscribe to.",
    usage="channel...",
    acl=0,
)
def subscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in argv[1:]:
        subscribe(c, c.channels, c.server.channels, b"subscribe", channel, False)
    return None


@command(
    b"PSUBSCRIBE",
    -2,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    channels=CHANNEL_PATTERNS,
    group="pubsub",
    since="2.0.0",
    summary="Listen to channels that match patterns.",
    complexity="O(N) where N is the number of patterns the client is already subscribed to.",
    usage="(pattern)...",
    acl=0,
)
def psubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for pattern in argv[1:]:
        subscribe(c, c.patterns, c.server.patterns, b"psubscribe", pattern, False)
    return None


@command(
    b"SSUBSCRIBE",
    -2,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    keys=(K(1, KEY_NOT_KEY, last=-1),),
    channels=CHANNELS,
    group="pubsub",
    since="7.0.0",
    summary="Listen to shard channels.",
    complexity="O(N) where N is the number of shard channels to subscribe to.",
    usage="shardchannel...",
    acl=0,
)
def ssubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_DENY_BLOCKING:
        raise CommandError(b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    for channel in argv[1:]:
        subscribe(c, c.shard_channels, c.server.shard_channels, b"ssubscribe", channel, True)
    return None


@command(
    b"UNSUBSCRIBE",
    -1,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    group="pubsub",
    since="2.0.0",
    summary="Leave channels.",
    complexity="O(N) where N is the number of clients already subscribed to a channel.",
    usage="[channel]...",
    acl=0,
)
def unsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in _leaving(argv, c.channels):
        unsubscribe(c, c.channels, c.server.channels, b"unsubscribe", channel, False)
    return None


@command(
    b"PUNSUBSCRIBE",
    -1,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    group="pubsub",
    since="2.0.0",
    summary="Leave patterns.",
    complexity=(
        "O(N+M) where N is the number of patterns the client is already subscribed and M is the number "
        "of total patterns subscribed in the system (by any client)."
    ),
    usage="[pattern]...",
    acl=0,
)
def punsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for pattern in _leaving(argv, c.patterns):
        unsubscribe(c, c.patterns, c.server.patterns, b"punsubscribe", pattern, False)
    return None


@command(
    b"SUNSUBSCRIBE",
    -1,
    CMD_PUBSUB | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    keys=(K(1, KEY_NOT_KEY, last=-1),),
    group="pubsub",
    since="7.0.0",
    summary="Leave shard channels.",
    complexity="O(N) where N is the number of clients already subscribed to a shard channel.",
    usage="[shardchannel]...",
    acl=0,
)
def sunsubscribe_command(c: Client, argv: list[bytes]) -> bytes | None:
    for channel in _leaving(argv, c.shard_channels):
        unsubscribe(c, c.shard_channels, c.server.shard_channels, b"sunsubscribe", channel, True)
    return None


@command(
    b"PUBLISH",
    3,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_MAY_REPLICATE | CMD_SENTINEL,
    channels=CHANNEL,
    group="pubsub",
    since="2.0.0",
    summary="Send a message to a channel.",
    complexity=(
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total "
        "number of subscribed patterns (by any client)."
    ),
    usage="channel message",
    acl=0,
)
def publish_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.replication.feed_replicas(c.db.id, argv)
    return integer(publish(c.server, argv[1], argv[2]))


@command(
    b"SPUBLISH",
    3,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_MAY_REPLICATE,
    keys=(K(1, KEY_NOT_KEY),),
    channels=CHANNEL,
    group="pubsub",
    since="7.0.0",
    summary="Send a message to a shard channel.",
    complexity="O(N) where N is the number of clients subscribed to the receiving shard channel.",
    usage="shardchannel message",
    acl=0,
)
def spublish_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.replication.feed_replicas(c.db.id, argv)
    return integer(publish_shard(c.server, argv[1], argv[2]))


def _leaving(argv: list[bytes], mine: dict[bytes, None]) -> list[bytes | None]:
    """What to leave: the channels named, else all of the client's; one None if it has none."""
    named: list[bytes | None] = [*argv[1:]] or [*mine]
    return named or [None]


def _names(table: dict[bytes, dict[Client, None]], argv: list[bytes]) -> bytes:
    if len(argv) > 3:
        raise subcommand_syntax(b"pubsub", argv[1])
    names = list(table)
    return bulk_array(list(filter(compile_pattern(argv[2]), names)) if len(argv) > 2 else names)


def _counts(table: dict[bytes, dict[Client, None]], argv: list[bytes]) -> bytes:
    items = [bulk(name) + integer(len(table.get(name, ()))) for name in argv[2:]]
    return array_header(2 * len(items)) + b"".join(items)


container(
    b"PUBSUB",
    -2,
    0,
    group="pubsub",
    since="2.8.0",
    summary="Look at channels and subscribers.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"PUBSUB|CHANNELS",
    -2,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="2.8.0",
    summary="Return the channels that have subscribers.",
    complexity=(
        "O(N) where N is the number of active channels, and assuming constant time pattern matching "
        "(relatively short channels and patterns)"
    ),
    usage="[pattern]",
    acl=0,
)
def pubsub_channels_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _names(c.server.channels, argv)


@command(
    b"PUBSUB|SHARDCHANNELS",
    -2,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="7.0.0",
    summary="Return the shard channels that have subscribers.",
    complexity=(
        "O(N) where N is the number of active shard channels, and assuming constant time pattern "
        "matching (relatively short shard channels)."
    ),
    usage="[pattern]",
    acl=0,
)
def pubsub_shardchannels_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _names(c.server.shard_channels, argv)


@command(
    b"PUBSUB|NUMSUB",
    -2,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="2.8.0",
    summary="Count the subscribers of channels.",
    complexity="O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    usage="[channel]...",
    acl=0,
)
def pubsub_numsub_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _counts(c.server.channels, argv)


@command(
    b"PUBSUB|SHARDNUMSUB",
    -2,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="7.0.0",
    summary="Count the subscribers of shard channels.",
    complexity="O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    usage="[shardchannel]...",
    acl=0,
)
def pubsub_shardnumsub_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _counts(c.server.shard_channels, argv)


@command(
    b"PUBSUB|NUMPAT",
    2,
    CMD_PUBSUB | CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="2.8.0",
    summary="Count the patterns that are listened to.",
    complexity="O(1)",
    acl=0,
)
def pubsub_numpat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.server.patterns))


@command(
    b"PUBSUB|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="pubsub",
    since="6.2.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
    acl=0,
)
def pubsub_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"PUBSUB",
        (
            b"CHANNELS [<pattern>]",
            b"    The channels that somebody listens to; with a pattern those that match.",
            b"NUMPAT",
            b"    How many different patterns are listened to.",
            b"NUMSUB [<channel> ...]",
            b"    Each channel with the number of its subscribers (patterns are not counted).",
            b"SHARDCHANNELS [<pattern>]",
            b"    The shard channels that somebody listens to; with a pattern those that match.",
            b"SHARDNUMSUB [<shardchannel> ...]",
            b"    Each shard channel with the number of its subscribers.",
        ),
    )
