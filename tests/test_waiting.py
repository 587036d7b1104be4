"""Several connections at once: blocking pops, transactions with WATCH, pub/sub; each script runs on both servers."""

from __future__ import annotations

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

# Each step: (client, command, how many replies to read from which clients afterwards)
SCRIPTS: dict[str, list[tuple[int, str, list[int]]]] = {
    "blpop is served": [(1, "blpop q 0", []), (2, "rpush q a b", [2, 1]), (2, "lrange q 0 -1", [2])],
    "several keys": [(1, "brpop x y 0", []), (2, "lpush y v", [2, 1]), (2, "exists y", [2])],
    "blmove": [(1, "blmove s d left right 0", []), (2, "rpush s v", [2, 1]), (2, "lrange d 0 -1", [2])],
    "chain": [
        (1, "blpop d 0", []),
        (2, "brpoplpush s d 0", []),
        (3, "lpush s v", [3, 2, 1]),
        (3, "dbsize", [3]),
    ],
    "blmpop": [(1, "blmpop 0 2 x y left count 2", []), (2, "rpush y a b c", [2, 1]), (2, "llen y", [2])],
    "bzpopmin": [(1, "bzpopmin x z 0", []), (2, "zadd z 1 a 2 b", [2, 1]), (2, "zcard z", [2])],
    "bzmpop": [(1, "bzmpop 0 1 z max count 2", []), (2, "zadd z 1 a 2 b 3 c", [2, 1]), (2, "zcard z", [2])],
    "other type": [(1, "blpop q 0", []), (2, "set q 1", [2]), (2, "del q", [2]), (2, "rpush q a", [2, 1])],
    "transaction": [
        (1, "blpop q 0", []),
        (2, "multi", [2]),
        (2, "lpush q a", [2]),
        (2, "lpush q b", [2]),
        (2, "exec", [2, 1]),
        (2, "lrange q 0 -1", [2]),
    ],
    "timeout": [(1, "blpop q 0.05", [1]), (1, "ping", [1])],
    "no waiting in exec": [(1, "multi", [1]), (1, "blpop q 0", [1]), (1, "exec", [1])],
    "pipelined behind": [(1, "blpop q 0", []), (1, "ping", []), (2, "lpush q a", [2, 1, 1])],
    "watch fails": [
        (1, "watch k", [1]),
        (2, "set k 1", [2]),
        (1, "multi", [1]),
        (1, "get k", [1]),
        (1, "exec", [1]),
    ],
    "watch holds": [(1, "watch k", [1]), (1, "multi", [1]), (1, "set k 2", [1]), (1, "exec", [1])],
    "exec aborts": [(1, "multi", [1]), (1, "nonsense", [1]), (1, "set k 2", [1]), (1, "exec", [1]), (1, "get k", [1])],
    "nested": [(1, "multi", [1]), (1, "multi", [1]), (1, "watch k", [1]), (1, "discard", [1]), (1, "exec", [1])],
    "pubsub": [
        (1, "subscribe c", [1]),
        (1, "psubscribe c*", [1]),
        (2, "publish c hello", [2, 1, 1]),
        (2, "publish other x", [2]),
        (2, "pubsub numsub c d e", [2]),
        (2, "pubsub numpat", [2]),
        (1, "ping", [1]),
        (1, "unsubscribe", [1]),
        (1, "punsubscribe c*", [1]),
        (1, "unsubscribe", [1]),
    ],
    "notifications": [
        (2, "config set notify-keyspace-events KEA", [2]),
        (1, "psubscribe __key*__:*", [1]),
        (2, "lpush l a", [2, 1, 1]),
        (2, "lpop l", [2, 1, 1, 1, 1]),
        (2, "set s 1 ex 100", [2, 1, 1, 1, 1]),
        (2, "config set notify-keyspace-events ab", [2]),
        (2, "config set notify-keyspace-events KEA maxclients 500", [2]),
        (2, "config get notify-keyspace-events", [2]),
    ],
    "refused when subscribed": [(1, "subscribe c", [1]), (1, "reset", [1]), (1, "echo hi", [1])],
    "reply off": [(1, "client reply off", []), (1, "ping", []), (1, "client reply on", [1]), (1, "ping", [1])],
    "reply skip": [(1, "client reply skip", []), (1, "ping", []), (1, "echo x", [1])],
    "quit": [(1, "quit", [1])],
    "wait for replicas": [
        (1, "wait 1 30", [1]),
        (1, "wait 0 0", [1]),
        (1, "wait -1 0", [1]),
        (1, "wait x y", [1]),
        (1, "wait 1 y", [1]),
        (1, "wait 1 1.5", [1]),
        (1, "wait 0 -1", [1]),
        (1, "wait 99999999999999999999 1", [1]),
        (1, "multi", [1]),
        (1, "wait 1 0", [1]),
        (1, "wait 1 -1", [1]),
        (1, "exec", [1]),
    ],
    "names": [(1, "client setname me", [1]), (1, "client getname", [1]), (1, "client setname a\tb", [1])],
}


def run(server: ServerProcess, script: list[tuple[int, str, list[int]]], protocol: int) -> list[bytes]:
    clients = {n: RawClient(server.connect()) for n in (1, 2, 3)}
    for client in clients.values():
        client.call("HELLO", protocol)
    replies = []
    for number, command, readers in script:
        clients[number].send(*command.split(" "))
        replies += [clients[reader].read() for reader in readers]
        if not readers:
            # Whoever waits must be waiting before the next step: its command has been read when INFO answers.
            wait_until_read(clients[number], server)
    for client in clients.values():
        client.close()
    return replies


def wait_until_read(client: RawClient, server: ServerProcess) -> None:
    """Until the server has run what ``client`` sent: its name in CLIENT LIST says which command it runs."""
    host, port = client.sock.getsockname()[:2]
    probe = RawClient(server.connect())
    for _ in range(1000):
        mine = b"addr=%b:%d " % (host.encode(), port)
        line = next(ln for ln in probe.call("CLIENT", "LIST").split(b"\n") if mine in ln)
        if b"qbuf=0" in line and b"cmd=hello" not in line:
            break
    probe.close()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(server: ServerProcess, oracle: ServerProcess, name: str, protocol: int) -> None:
    if name == "refused when subscribed" and protocol == 3:
        pytest.skip("RESP3 lets every command through")
    assert run(server, SCRIPTS[name], protocol) == run(oracle, SCRIPTS[name], protocol)


@pytest.mark.parametrize("how", ["", "TIMEOUT", "ERROR"])
def test_wait_can_be_unblocked(server: ServerProcess, oracle: ServerProcess, how: str) -> None:
    replies = []
    for one in (server, oracle):
        waiter, other = RawClient(one.connect()), RawClient(one.connect())
        number = waiter.call("CLIENT", "ID")[1:-2]
        waiter.call("HELLO", 2)
        waiter.send("WAIT", "3", "0")
        wait_until_read(waiter, one)
        replies.append([other.call("CLIENT", "UNBLOCK", number, *([how] if how else [])), waiter.read()])
        replies[-1].append(waiter.call("PING"))
        waiter.close()
        other.close()
    assert replies[0] == replies[1]
