"""CLIENT LIST and CLIENT INFO beside redis-server's, field by field; whom CLIENT LIST shows and CLIENT KILL ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.test_waiting import wait_until_read

OWN = ("id", "addr", "laddr", "fd")
"""Fields that differ between any two servers."""
SIZES = ("qbuf-free", "rbs", "rbp", "oll", "tot-mem")
"""Sizes of buffers that redis-server allocates (docs/compatibility.md)."""

STATES: dict[str, list[bytes]] = {
    "new": [],
    "after a command": [b"PING"],
    "a command that failed": [b"GET"],
    "a subcommand": [b"CONFIG GET port"],
    "no command": [b"NOSUCH a b"],
    "named": [b"CLIENT SETNAME somebody"],
    "unnamed again": [b"CLIENT SETNAME somebody", b"CLIENT SETNAME ''"],
    "another database": [b"SELECT 5"],
    "RESP3": [b"HELLO 3"],
    "RESP3 with a name": [b"HELLO 3 SETNAME three"],
    "in a transaction": [b"MULTI"],
    "with commands queued": [b"MULTI", b"SET a b", b"PING hello"],
    "aborted": [b"MULTI", b"NOSUCH", b"GET"],
    "discarded": [b"MULTI", b"PING", b"DISCARD"],
    "watching": [b"WATCH a b"],
    "watching what changed": [b"WATCH a", b"SET a 1"],
    "watching in a transaction": [b"WATCH a", b"SET a 2", b"MULTI", b"PING"],
    "subscribed": [b"SUBSCRIBE x y z"],
    "subscribed to patterns": [b"PSUBSCRIBE x* y*", b"SUBSCRIBE x"],
    "subscribed to shards": [b"SSUBSCRIBE s", b"SSUBSCRIBE t"],
    "unsubscribed": [b"SUBSCRIBE x", b"UNSUBSCRIBE"],
    "subscribed in RESP3": [b"HELLO 3", b"SUBSCRIBE x", b"GET a"],
    "monitor": [b"MONITOR"],
    "not to be evicted": [b"CLIENT NO-EVICT on"],
    "tracking": [b"CLIENT TRACKING on REDIRECT 1"],
    "tracking in RESP3": [b"HELLO 3", b"CLIENT TRACKING on"],
    "tracking prefixes": [b"HELLO 3", b"CLIENT TRACKING on BCAST PREFIX a"],
    "tracking no more": [b"HELLO 3", b"CLIENT TRACKING on", b"CLIENT TRACKING off"],
    "an ACL user": [b"ACL SETUSER alice on nopass +@all ~*", b"AUTH alice x"],
    "reset": [b"HELLO 3", b"SELECT 3", b"CLIENT SETNAME q", b"MULTI", b"RESET"],
    "replies skipped": [b"CLIENT REPLY SKIP"],
}
WAITING: dict[str, bytes] = {
    "blpop": b"BLPOP nokey other 0",
    "brpoplpush": b"BRPOPLPUSH nokey other 100",
    "bzpopmin": b"BZPOPMIN nokey 0",
    "xread": b"XREAD BLOCK 0 STREAMS nokey $",
    "wait": b"WAIT 1 0",
}


def words(line: bytes) -> list[bytes]:
    return [b"" if word == b"''" else word for word in line.split()]


def fields(line: bytes) -> dict[str, str]:
    return dict(field.partition("=")[::2] for field in line.decode().rstrip("\n").split(" "))


def line_of(observer: RawClient, subject: RawClient) -> bytes:
    host, port = subject.sock.getsockname()[:2]
    shown = observer.call("CLIENT", "LIST").partition(b"\r\n")[2][:-2]
    return next(line for line in shown.splitlines() if b" addr=%b:%d " % (host.encode(), port) in line)


def shown(server: ServerProcess, prepare: Callable[[RawClient], None]) -> dict[str, str]:
    observer, subject = RawClient(server.connect()), RawClient(server.connect())
    prepare(subject)
    found = fields(line_of(observer, subject))
    observer.close()
    subject.close()
    # Seconds since it came and since it last said something; a loaded machine needs one or two for this.
    assert all(0 <= int(found[name]) <= 60 for name in ("age", "idle"))
    return {name: "" if name in (*OWN, *SIZES, "age", "idle") else value for name, value in found.items()}


@pytest.mark.parametrize("state", STATES)
def test_states(server: ServerProcess, oracle: ServerProcess, state: str) -> None:
    def prepare(subject: RawClient) -> None:
        for line in STATES[state]:
            subject.send(*words(line))
            if line != b"CLIENT REPLY SKIP":
                for _ in range(len(line.split()) - 1 if b"SUBSCRIBE " in line else 1):
                    subject.read()
        wait_until_read(subject, one)

    results = []
    for one in (server, oracle):
        results.append(shown(one, prepare))
        cleaner = RawClient(one.connect())
        cleaner.call("ACL", "DELUSER", "alice")
        cleaner.close()
    assert list(results[0].items()) == list(results[1].items())


@pytest.mark.parametrize("kind", WAITING)
def test_waiting(server: ServerProcess, oracle: ServerProcess, kind: str) -> None:
    def prepare(subject: RawClient) -> None:
        subject.send(*words(WAITING[kind]))
        wait_until_read(subject, one)

    results = []
    for one in (server, oracle):
        results.append(shown(one, prepare))
    assert results[0] == results[1]
    assert results[0]["flags"] == "b"


@pytest.mark.parametrize("setup", [[], [b"HELLO 3"], [b"MULTI", b"PING"]])
def test_of_oneself(server: ServerProcess, oracle: ServerProcess, setup: list[bytes]) -> None:
    results = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        for line in setup:
            client.call(*line.split())
        reply = client.call("CLIENT", "INFO")
        if setup[:1] == [b"MULTI"]:
            reply = client.call("EXEC")
        begin, _, rest = reply.partition(b"id=")
        found = fields(b"id=" + rest.rstrip())
        results.append((begin[:2], {k: "" if k in OWN or k in SIZES else v for k, v in found.items()}))
        client.close()
    assert results[0] == results[1]


LISTS = [
    b"CLIENT LIST TYPE normal",
    b"CLIENT LIST TYPE pubsub",
    b"CLIENT LIST TYPE Replica",
    b"CLIENT LIST TYPE slave",
    b"CLIENT LIST TYPE master",
    b"CLIENT LIST TYPE other",
    b"CLIENT LIST TYPE",
    b"CLIENT LIST ID",
    b"CLIENT LIST ID 1 2 3 0 -1 99999999999",
    b"CLIENT LIST ID 1 x",
    b"CLIENT LIST ID $B $A $B",
    b"CLIENT LIST id $C",
    b"CLIENT LIST TYPE normal ID $A",
    b"CLIENT LIST ID $A TYPE normal",
    b"CLIENT LIST FOO",
    b"CLIENT KILL ID $A",
    b"CLIENT KILL ID $A ID $B",
    b"CLIENT KILL ID $A TYPE pubsub",
    b"CLIENT KILL ID $B TYPE pubsub",
    b"CLIENT KILL ID $A USER default ADDR $addrA",
    b"CLIENT KILL ID $A ADDR $addrB",
    b"CLIENT KILL ADDR $addrA LADDR $laddr",
    b"CLIENT KILL TYPE pubsub SKIPME no",
    b"CLIENT KILL TYPE pubsub SKIPME maybe",
    b"CLIENT KILL USER nobody",
    b"CLIENT KILL ID 0",
    b"CLIENT KILL ID x",
    b"CLIENT KILL ID",
    b"CLIENT KILL $addrA",
    b"CLIENT KILL 1.2.3.4:5",
    b"CLIENT KILL MAXAGE 5",
    b"CLIENT KILL ID $A MAXAGE 5",
    b"CLIENT KILL ID $C SKIPME yes",
]


@pytest.mark.parametrize("line", LISTS)
def test_lists_and_kills(server: ServerProcess, oracle: ServerProcess, line: bytes) -> None:
    """Three clients: A, B (subscribed) and C, which asks; who is listed, what is answered, and who is left."""
    results = []
    for one in (server, oracle):
        clients = {"C": RawClient(one.connect())}
        for kind in ("normal", "pubsub"):
            clients["C"].call("CLIENT", "KILL", "TYPE", kind)  # what tests before have left
        clients |= {name: RawClient(one.connect()) for name in "AB"}
        numbers = {name: client.call("CLIENT", "ID")[1:-2] for name, client in clients.items()}
        addresses = {}
        for name, client in clients.items():
            client.call("CLIENT", "SETNAME", name)
            addresses[name] = b"%b:%d" % (client.sock.getsockname()[0].encode(), client.sock.getsockname()[1])
        clients["B"].call("SUBSCRIBE", "x")
        laddr = b"%b:%d" % (one.host.encode(), one.port)
        line_here = line.replace(b"$addrA", addresses["A"]).replace(b"$addrB", addresses["B"])
        line_here = line_here.replace(b"$laddr", laddr)
        for name in "ABC":
            line_here = line_here.replace(b"$" + name.encode(), numbers[name])
        reply = clients["C"].call(*line_here.split())
        names = []
        if reply[:1] == b"$":
            listed = [fields(row) for row in reply.partition(b"\r\n")[2].strip().splitlines()]
            names = [row["name"] for row in listed if row["name"]]
            reply = b""
        left = clients["C"].call("CLIENT", "LIST")
        results.append((reply, names, [name for name in "ABC" if b" name=%b " % name.encode() in left]))
        for client in clients.values():
            client.close()
    assert results[0] == results[1]
