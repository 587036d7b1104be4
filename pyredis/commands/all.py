"""Imports every command group: that fills the command table."""

from pyredis.commands import (
    command_cmd,
    config_cmd,
    connection,
    generic,
    hash,
    list,
    list_blocking,
    multi_cmd,
    pubsub_cmd,
    server,
    set,
    string,
    zset,
    zset_blocking,
    zset_range,
    zset_store,
)

__all__ = [
    "command_cmd",
    "config_cmd",
    "connection",
    "generic",
    "hash",
    "list",
    "list_blocking",
    "multi_cmd",
    "pubsub_cmd",
    "server",
    "set",
    "string",
    "zset",
    "zset_blocking",
    "zset_range",
    "zset_store",
]
