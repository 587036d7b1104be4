"""CLUSTER and its like on a server that is no node of a cluster: the refusals of redis-server."""

from __future__ import annotations

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

LINES = [
    "CLUSTER",
    "CLUSTER FOO",
    "CLUSTER MYSHARDID",
    "CLUSTER SLOTS x",
    "CLUSTER KEYSLOT",
    "CLUSTER KEYSLOT a",
    "cluster nodes",
    "CLUSTER HELP",
    "CLUSTER SETSLOT 1 NODE x",
    "CLUSTER SETSLOT 1",
    "CLUSTER RESET HARD",
    "ASKING",
    "ASKING x",
    "READONLY",
    "ReadWrite",
    "MULTI",
    "CLUSTER INFO",
    "CLUSTER SLOTS 5",
    "EXEC",
    "MULTI",
    "READONLY",
    "CLUSTER SHARDS",
    "EXEC",
    "CONFIG GET cluster-enabled",
    "INFO cluster",
]


@pytest.mark.parametrize("protocol", [2, 3])
def test_refusals(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    replies = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("HELLO", protocol)
        replies.append([(line, client.call(*line.split())) for line in LINES])
        client.close()
    assert replies[0] == replies[1]


def test_newer_subcommands(newest: ServerProcess) -> None:
    """https://redis.io/docs/latest/commands/cluster-myshardid/"""
    client = RawClient(newest.connect())
    assert client.call("CLUSTER", "MYSHARDID") == b"-ERR This instance has cluster support disabled\r\n"
    client.close()
