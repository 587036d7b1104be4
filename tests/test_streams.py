"""Streams where one connection is not enough: readers that wait, several of them, groups that go away meanwhile.

Each script runs on both servers. All IDs are given, so that the replies can be compared byte for byte.
"""

from __future__ import annotations

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.test_waiting import wait_until_read

Step = tuple[int, str, list[int]]
"""Who sends, the command, and whose replies are read afterwards."""
_GROUP: list[Step] = [(3, "xgroup create s g $ mkstream", [3])]
_READ = "xreadgroup group g %s block 0 streams s >"

SCRIPTS: dict[str, list[Step]] = {
    "all readers are served": [
        (1, "xread block 0 streams s $", []),
        (2, "xread count 1 block 0 streams t s 0 0", []),
        (3, "xadd s 1-1 f v", [3, 1, 2]),
        (3, "xadd s 1-2 f v", [3]),
    ],
    "the dollar is where it was": [
        (3, "xadd s 5-0 f v", [3]),
        (1, "xread block 0 streams s $", []),
        (3, "multi", [3]),
        (3, "xadd s 6-0 a 1", [3]),
        (3, "xadd s 7-0 b 2 c 3", [3]),
        (3, "exec", [3, 1]),
    ],
    "waiting for a later one": [
        (1, "xread block 0 streams s 5", []),
        (3, "xadd s 4-0 f v", [3]),
        (3, "xadd s 5-1 f v", [3, 1]),
    ],
    "added and deleted": [
        (1, "xread block 0 streams s 0", []),
        (3, "multi", [3]),
        (3, "xadd s 1-0 f v", [3]),
        (3, "xdel s 1-0", [3]),
        (3, "exec", [3, 1]),
        (3, "xread block 10 streams s 0", [3]),
    ],
    "one of a group": [
        *_GROUP,
        (1, _READ % "a", []),
        (2, _READ % "b", []),
        (3, "xadd s 1-0 f v", [3, 1]),
        (3, "xadd s 2-0 f v", [3, 2]),
        (3, "xpending s g", [3]),
    ],
    "two at once for a group": [
        *_GROUP,
        (1, "xreadgroup group g a count 1 block 0 streams s >", []),
        (2, _READ % "b", []),
        (3, "multi", [3]),
        (3, "xadd s 1-0 f v", [3]),
        (3, "xadd s 2-0 f v", [3]),
        (3, "xadd s 3-0 f v", [3]),
        (3, "exec", [3, 1, 2]),
        (3, "xpending s g", [3]),
    ],
    "a group and a reader": [
        *_GROUP,
        (1, "xread block 0 streams s $", []),
        (2, "xreadgroup group g a noack block 0 streams s >", []),
        (3, "xadd s 1-0 f v", [3, 1, 2]),
        (3, "xpending s g", [3]),
        (3, "xinfo groups s", [3]),
    ],
    "the stream is deleted": [
        *_GROUP,
        (1, _READ % "a", []),
        (2, "xread block 0 streams s $", []),
        (3, "del s", [3, 1]),
        (3, "xadd s 1-0 f v", [3, 2]),
    ],
    "the stream is overwritten": [*_GROUP, (1, _READ % "a", []), (3, "set s 1", [3, 1]), (3, "del s", [3])],
    "the stream is renamed": [
        *_GROUP,
        (1, _READ % "a", []),
        (3, "rename s t", [3, 1]),
        (1, "xreadgroup group g a block 0 streams t >", []),
        (3, "xadd t 1-0 f v", [3, 1]),
    ],
    "a stream comes by renaming": [
        (1, "xread block 0 streams s $", []),
        (3, "xadd t 1-0 f v", [3]),
        (3, "rename t s", [3, 1]),
    ],
    "the stream expires": [*_GROUP, (1, _READ % "a", []), (3, "pexpire s 1", [3, 1])],
    "the database is flushed": [*_GROUP, (1, _READ % "a", []), (3, "flushdb", [3, 1])],
    "everything is flushed": [*_GROUP, (1, _READ % "a", []), (3, "flushall", [3, 1])],
    "databases are swapped": [*_GROUP, (1, _READ % "a", []), (3, "swapdb 0 5", [3, 1])],
    "replaced within a transaction": [
        *_GROUP,
        (1, _READ % "a", []),
        (3, "multi", [3]),
        (3, "del s", [3]),
        (3, "sadd s e", [3]),
        (3, "exec", [3, 1]),
    ],
    "the group is destroyed": [
        *_GROUP,
        (1, _READ % "a", []),
        (2, "xread block 0 streams s $", []),
        (3, "xgroup destroy s g", [3, 1]),
        (3, "xadd s 1-0 f v", [3, 2]),
    ],
    "time is up": [*_GROUP, (1, "xreadgroup group g a block 20 streams s >", [1]), (1, "ping", [1])],
    "pipelined behind": [(1, "xread block 0 streams s $", []), (1, "ping", []), (2, "xadd s 1-0 f v", [2, 1, 1])],
    "not in a transaction": [(1, "multi", [1]), (1, "xread block 0 streams s $", [1]), (1, "exec", [1])],
    "a consumer is deleted": [
        *_GROUP,
        (1, _READ % "a", []),
        (3, "xgroup createconsumer s g a", [3]),
        (3, "xgroup delconsumer s g a", [3]),
        (3, "xadd s 1-0 f v", [3, 1]),
        (3, "xpending s g", [3]),
    ],
    "watched": [
        *_GROUP,
        (1, "watch s", [1]),
        (3, "xgroup create s h 0", [3]),
        (3, "xgroup setid s h $", [3]),
        (3, "xsetid s 1-0", [3]),
        (1, "multi", [1]),
        (1, "xlen s", [1]),
        (1, "exec", [1]),
        (1, "watch s", [1]),
        (3, "xadd s 2-0 f v", [3]),
        (1, "multi", [1]),
        (1, "exec", [1]),
    ],
}
TIMEOUTS = ["x", "-1", "1.5", "", "9223372036854775808", "00", "1"]


def run(server: ServerProcess, script: list[Step], protocol: int) -> list[bytes]:
    clients = {n: RawClient(server.connect()) for n in (1, 2, 3)}
    clients[1].call("FLUSHALL")
    for client in clients.values():
        client.call("HELLO", protocol)
    replies = []
    for number, command, readers in script:
        clients[number].send(*command.split(" "))
        replies += [clients[reader].read() for reader in readers]
        if not readers:
            wait_until_read(clients[number], server)
    for client in clients.values():
        client.close()
    return replies


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(server: ServerProcess, oracle: ServerProcess, name: str, protocol: int) -> None:
    assert run(server, SCRIPTS[name], protocol) == run(oracle, SCRIPTS[name], protocol)


@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_timeouts(server: ServerProcess, oracle: ServerProcess, timeout: str) -> None:
    script: list[Step] = [(1, f"xread block {timeout} streams nothing $", [1])]
    assert run(server, script, 2) == run(oracle, script, 2)


@pytest.mark.parametrize("per_node", [0, 1, 7, 100])
@pytest.mark.parametrize("bytes_per_node", [0, 100, 4096])
def test_trimming_by_blocks_leaves_as_many(
    server: ServerProcess, oracle: ServerProcess, per_node: int, bytes_per_node: int
) -> None:
    """Values of many sizes; MAXLEN ~ and MINID ~, with and without LIMIT, at every turn."""
    replies = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("FLUSHALL")
        directives = ["stream-node-max-entries", per_node, "stream-node-max-bytes", bytes_per_node]
        client.call("CONFIG", "SET", *directives)
        found = []
        for n in range(1, 700):
            fields = ["f", "x" * (n * 7 % 50), "other" if n % 91 == 0 else "g", n * 12345 % 99991]
            client.call("XADD", "s", f"{n}-{n % 3}", *fields)
            if n % 11 == 0:
                client.call("XDEL", "s", f"{n - 5}-{(n - 5) % 3}")
            if n % 50 == 0:
                found.append(client.call("XTRIM", "s", "MAXLEN", "~", n // 3, *(["LIMIT", n] if n % 100 else [])))
            if n % 170 == 0:
                found.append(client.call("XTRIM", "s", "MINID", "~", n - 50))
            if n % 10 == 0:
                found.append(client.call("XINFO", "STREAM", "s"))
        client.call("CONFIG", "SET", "stream-node-max-entries", 100, "stream-node-max-bytes", 4096)
        client.close()
        replies.append(found)
    assert replies[0] == replies[1]
