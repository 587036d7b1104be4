"""Client-side caching over several connections: every client of ours gets redis-server's bytes, step by step.

Clients 1 and 2 speak RESP3 and track keys; 3 speaks RESP2 and redirects to 4, which is subscribed; 5 speaks RESP3 and
tracks prefixes; 6 (RESP2) and 7 (RESP3) only change and read. ``@4`` in a command is the ID of client 4.
"""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess
from tests.support.stage import Stage, commands
from tests.support.templates import GROUPS, POPULATE, build

PROTOCOL = {1: 3, 2: 3, 3: 2, 4: 2, 5: 3, 6: 2, 7: 3, 8: 2, 9: 3, 10: 3}
WAITER = 10
Seen = list[dict[int, bytes]]


class Company:
    """The clients of one server."""

    def __init__(self, server: ServerProcess) -> None:
        self.stage = Stage(server)
        self.ids: dict[int, bytes] = {}
        self.numbers: dict[bytes, bytes] = {}
        """ID → ``@number``, of clients that have gone, too."""

    def client_id(self, number: int) -> bytes:
        if number not in self.ids:
            if PROTOCOL[number] == 3:
                self.stage.step(number, commands("hello 3"))
            found = self.ids[number] = self.stage.step(number, commands("client id"))[number].strip(b":\r\n")
            self.numbers[found] = b"@%d" % number
        return self.ids[number]

    def step(self, number: int, lines: list[str]) -> dict[int, bytes]:
        """Run lines as one pipeline (``CLOSE`` hangs up); what each client got, with the clients' numbers for IDs."""
        if lines == ["CLOSE"]:
            if number in self.stage.clients:
                self.stage.leave(number)
                if number == WAITER:
                    del self.ids[number]
            return self.plain(self.stage.collect())
        self.client_id(number)
        argvs = [line.split(" ") for line in lines]
        for argv in argvs:
            for at, word in enumerate(argv):
                if word.startswith("@"):
                    argv[at] = self.client_id(int(word[1:])).decode()
        return self.plain(self.stage.step(number, commands(*[" ".join(argv) for argv in argvs])))

    def plain(self, seen: dict[int, bytes]) -> dict[int, bytes]:
        def number(match: re.Match[bytes]) -> bytes:
            return match[1] + self.numbers.get(match[2], match[2])

        found = rb"(\nid\r\n:|redirect\r\n:|tracking-redir-broken\r\n:|redir=)(\d+)"
        return {n: re.sub(found, number, data) for n, data in seen.items()}


def play(server: ServerProcess, script: list[tuple[int, list[str]]]) -> Seen:
    company = Company(server)
    try:
        for number in {number for number, _ in script}:
            company.client_id(number)
        return [company.step(number, lines) for number, lines in script]
    finally:
        company.stage.close()


def parse(text: str) -> list[tuple[int, list[str]]]:
    steps = []
    for line in text.strip().split("\n"):
        number, _, rest = line.strip().partition(": ")
        steps.append((int(number), rest.split(" ; ")))
    return steps


SCRIPTS = {
    "one's own changes": """
        1: client tracking on ; get a ; set a 1 ; get a ; append a x ; set a 2 ; get a ; del a
        1: multi ; get a ; set a 1 ; get b ; set b 1 ; set a 2 ; exec ; get a
        1: mget a b c ; mset a 1 c 2 b 3 ; get a ; get b ; rename a b ; get a ; copy b a ; exists a ; move a 3""",
    "others' changes": """
        1: client tracking on ; get a ; hgetall h ; lrange l 0 -1 ; scard s ; zrange z 0 -1 ; xlen x
        6: set a 1 ; hset h f v ; rpush l 1 ; sadd s 1 ; zadd z 1 m ; xadd x 1-1 f v ; set a 2
        1: get a
        6: multi ; set a 1 ; set b 2 ; exec
        6: select 5 ; set a 1
        1: select 5 ; get a
        6: select 0 ; set a 1 ; select 0
        1: get ; nope ; get a b ; strlen h ; lpop a
        6: del a ; set a 1 ; hset h f w ; del h""",
    "nothing has changed": """
        6: set a 1 ; sadd s 1 ; hset h f 1 ; zadd z 1 m ; set b 5 ex 100
        1: client tracking on ; get a ; smembers s ; hgetall h ; zrange z 0 -1 ; get n ; get b ; ttl b
        6: setnx a 2 ; sadd s 1 ; srem s 2 ; hsetnx h f 2 ; hdel h g ; zadd z 1 m ; zrem z q ; del n ; persist a
        6: expire b 100 nx ; touch a ; getex a ; lpush a 1 ; incr s ; rename n m ; set n 1 xx ; persist b""",
    "whole databases": """
        1: client tracking on ; get a
        2: client tracking on noloop
        3: client tracking on redirect @4
        4: subscribe __redis__:invalidate
        5: client tracking on bcast prefix a
        6: flushdb ; set a 1
        1: get a ; flushall ; get b ; flushdb async ; multi ; get a ; flushall ; get b ; set b 1 ; exec ; ping
        2: flushall ; multi ; flushdb ; flushdb ; exec ; ping
        3: flushall ; ping
        5: set a 1 ; flushall ; ping
        1: get a ; get b
        6: swapdb 0 1 ; set a 1 ; select 1 ; set b 1
        6: flushall foo ; flushall sync""",
    "noloop": """
        1: client tracking on noloop ; get a ; set a 1
        6: set a 2
        1: get a ; get b
        6: set a 3 ; set b 1
        2: client tracking on ; get a
        1: get a ; set a 4
        2: get a ; set a 5
        1: multi ; get a ; set a 1 ; get a ; exec
        6: set a 6""",
    "redirected to a subscriber": """
        3: client tracking on redirect @4 ; get a ; set a 1
        6: set a 2
        4: subscribe other
        3: get a
        6: set a 3
        4: subscribe __redis__:invalidate ; unsubscribe other
        3: get a ; set a 4 ; get a ; get b
        6: mset a 1 b 2
        4: unsubscribe __redis__:invalidate
        3: get a
        6: set a 5
        4: ssubscribe x
        3: get a ; client getredir x
        6: set a 6
        4: sunsubscribe x ; hello 3
        3: get a
        6: set a 7 ; flushall
        4: hello 2 ; psubscribe p
        3: get a
        6: set a 8 ; flushall ; publish pp 1""",
    "redirected to nobody": """
        1: client tracking on redirect @2 ; get a
        3: client tracking on redirect @2 ; get a
        2: client tracking on redirect @2 ; get a
        6: set a 1
        1: get a ; client tracking on redirect @1 ; get b
        6: set a 1 ; set b 1
        1: client tracking on redirect @2 ; get a
        3: get a
        2: CLOSE
        6: set a 2
        1: client trackinginfo ; client getredir x
        3: client trackinginfo ; get a ; set a 2 ; ping ; flushall ; ping
        1: get a ; set a 3 ; flushall ; ping
        1: client tracking on ; client trackinginfo ; get a
        6: set a 4""",
    "RESP2 without redirection": """
        3: client tracking on ; get a ; client trackinginfo ; client getredir
        6: set a 1 ; flushall
        3: get a ; set a 2 ; subscribe __redis__:invalidate
        6: set a 3 ; flushall""",
    "optin": """
        1: client tracking on optin ; get a ; client caching yes ; get b ; get c
        6: mset a 1 b 1 c 1
        1: client caching yes ; multi ; get a ; get b ; exec ; get c
        6: mset a 1 b 1 c 1
        1: multi ; client caching yes ; get a ; get b ; exec ; get c
        6: mset a 1 b 1 c 1
        1: client caching yes ; client id x ; client getname ; get a ; get b
        6: mset a 1 b 1 c 1
        1: client caching yes ; ping ; get a ; client caching yes ; nope ; get a ; client caching yes ; get ; get a
        6: mset a 1 b 1 c 1
        1: client caching yes ; client foo ; get a ; client caching yes ; client caching ; get b
        6: mset a 1 b 1 c 1
        1: client caching yes ; client trackinginfo ; multi ; nope ; exec ; client trackinginfo ; get a
        1: client caching yes ; multi ; discard ; get a ; client caching yes ; multi ; get a ; discard ; get a
        6: mset a 1 b 1 c 1""",
    "optout": """
        1: client tracking on optout ; get a ; client caching no ; get b ; get c
        6: mset a 1 b 1 c 1
        1: client caching no ; multi ; get a ; get b ; exec ; get c ; client caching no ; client trackinginfo ; reset
        1: hello 3
        6: mset a 1 b 1 c 1""",
    "prefixes": """
        5: client tracking on bcast prefix foo prefix bar ; client trackinginfo
        1: client tracking on bcast noloop prefix f prefix g
        2: client tracking on bcast
        6: set foo2 1 ; set foo1 1 ; set bar 1 ; set x 1 ; set foo1 2 ; set f 1 ; set g 1 ; get foo
        1: set foo1 1 ; set f 1 ; set x 1 ; get foo1
        5: set foo1 1 ; set bar 1 ; get foo1 ; mset foo3 1 foo2 1 x 1
        6: multi ; set foo1 1 ; set bar 2 ; del foo1 ; exec ; rename bar foo9 ; flushdb
        1: multi ; set foo1 1 ; set g 2 ; exec ; client tracking off ; set f 1
        2: set a 1 ; client tracking off ; set b 1
        5: client tracking on bcast prefix zoo ; client trackinginfo ; client tracking on bcast noloop
        5: set zoo 1 ; set other 1 ; client trackinginfo
        6: set zoo 1
        5: CLOSE
        6: set zoo 2 ; set foo1 2""",
    "prefixes and redirection": """
        3: client tracking on bcast redirect @4 prefix a noloop
        4: subscribe __redis__:invalidate
        1: client tracking on bcast redirect @2
        6: mset a1 1 a2 2 b 3 ; del b
        3: set a1 1 ; set b 1
        6: flushall
        2: CLOSE
        6: set a1 1
        4: CLOSE
        6: set a1 2 ; flushall
        3: client trackinginfo ; ping
        1: client trackinginfo ; ping""",
    "on and off": """
        1: client tracking on ; get a ; client tracking off ; client trackinginfo ; client tracking on
        6: set a 1
        1: get a ; client tracking off ; client tracking on bcast prefix z
        6: set a 2
        1: client tracking off ; client tracking on ; get a ; reset ; client trackinginfo
        1: hello 3 ; client tracking on
        6: set a 3
        1: get a ; client tracking off ; client tracking off
        6: set a 4
        1: get b ; client tracking on
        6: set b 1
        1: get a ; hello 2 ; set a 1
        6: set a 5
        1: get a ; hello 3
        6: set a 6
        1: get a ; multi ; client tracking off ; set a 1 ; exec ; multi ; client tracking on ; get a ; set a 2 ; exec
        6: set a 7""",
    "waiting": """
        1: client tracking on ; lrange w 0 -1 ; lrange q 0 -1 ; blmove q w left left 0
        2: client tracking on ; lrange w 0 -1
        6: rpush q a b
        1: zrange z 0 -1 ; bzpopmin z 0
        2: client tracking on noloop ; zrange z 0 -1 ; lrange w 0 -1
        6: zadd z 1 a 2 b
        2: blmove v w left left 0
        6: rpush v a
        1: xread block 0 streams x 0
        6: xadd x 1-1 a b
        6: xadd x 1-2 a b
        1: multi ; zadd y 1 a ; zrange y 0 -1 ; exec
        6: bzmpop 0 1 y2 min
        1: multi ; zadd y2 1 a 2 b ; zrange y2 0 -1 ; exec ; ping
        6: blmpop 0 1 m left
        1: multi ; rpush m 1 2 ; lrange m 0 -1 ; exec ; ping""",
    "waiting and prefixes": """
        1: client tracking on bcast noloop ; bzpopmin z 0
        2: client tracking on bcast noloop
        5: client tracking on bcast
        2: zadd z 1 a
        6: blmpop 0 1 l left
        1: rpush l a
        1: xgroup create s g $ mkstream ; xreadgroup group g me block 0 streams s >
        2: xadd s 1-1 f v""",
    "replies off": """
        1: client tracking on ; client reply off ; get a
        6: set a 1
        1: get a ; set a 2 ; client reply on ; client reply skip ; get a ; ping
        6: set a 3""",
    "errors": """
        1: client tracking ; client tracking x ; client tracking on x ; client tracking off x ; client caching yes
        1: client tracking on redirect ; client tracking on redirect x ; client tracking on redirect 0
        1: client tracking on redirect -1 ; client tracking on redirect 99999999 ; client tracking on prefix
        1: client tracking on redirect 9223372036854775808 ; client tracking x redirect 99999999
        1: client tracking on redirect @2 redirect @2 ; client tracking on redirect @2 redirect x
        1: client tracking on prefix a ; client tracking on optin optout ; client tracking on bcast optin
        1: client tracking on bcast optin optout prefix a ; client tracking off prefix a optin optout bcast
        1: client tracking on bcast prefix a prefix a ; client tracking on bcast prefix ab prefix a
        1: client tracking on bcast prefix  prefix a ; client tracking on bcast prefix a\tb prefix a\t
        1: client trackinginfo ; client tracking on bcast prefix c ; client tracking on bcast prefix c
        1: client tracking on bcast prefix cd ; client tracking on bcast prefix \u00e9 ; client tracking on bcast
        1: client tracking on bcast prefix zz ; client tracking on ; client tracking on optin ; client caching yes
        1: client caching no ; client caching ; client tracking off ; client tracking on optin ; client caching no
        1: client caching x ; client caching yes no ; client tracking on optout ; client tracking on ; client caching no
        1: client tracking on optout ; client caching yes ; client tracking on optin ; client tracking on bcast
        1: client trackinginfo x ; client getredir x ; multi ; client caching yes ; client tracking x ; exec
        1: client trackinginfo""",
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(server: ServerProcess, oracle: ServerProcess, name: str) -> None:
    script = parse(SCRIPTS[name])
    ours, theirs = play(server, script), play(oracle, script)
    for step, mine, other in zip(script, ours, theirs, strict=True):
        assert mine == other, step


# No two of different protocols redirect to the same client: whose "all keys" comes first depends on
# redis-server's list of clients, which its cron turns. And none redirects to another one that changes keys itself: each
# command of redis-server has its own place, before, behind or in the middle of its reply, for what comes then.
OPTIONS = {
    1: ["", "noloop", "optin", "optout", "optout noloop", "redirect @9", "redirect @9 optin", "redirect @1 noloop"],
    2: ["", "noloop", "optin noloop", "bcast", "bcast noloop prefix a prefix k", "redirect @9"],
    3: ["redirect @4", "redirect @4 noloop", "redirect @4 optin", "bcast redirect @4 prefix k", "", "redirect @8"],
    5: ["bcast", "bcast noloop", "bcast prefix k prefix l", "bcast prefix k1 noloop", "bcast redirect @9 prefix z"],
}
READS = [
    *("get k1", "get k2", "mget k1 k2 k3", "lrange l1 0 -1", "llen l2", "zrange z1 0 -1", "zcard z2", "exists k1 k3"),
    *("type k1", "strlen k2", "getrange k3 0 5", "lindex l1 0", "zscore z1 a", "xlen x1", "xrange x1 - +", "ttl k1"),
    *("sort_ro l1", "zunion 2 z1 z2", "lcs k1 k2", "bitcount k1", "pfcount k4", "geopos z1 a", "xread streams x1 0"),
    *("touch k1 k2", "object encoding k1", "dbsize", "smembers s1", "sinter s1 s2", "hgetall h1"),
]
WRITES = [
    *("set k1 v", "set k2 w", "set k1 v nx", "set k3 5 get", "incr k3", "append k2 x", "del k1", "del k1 k2 k3"),
    *(
        "mset k1 a k2 b",
        "rename k1 k2",
        "rename l1 l2",
        "copy k1 k3 replace",
        "move k1 1",
        "getdel k1",
        "getex k2 ex 100",
    ),
    *("rpush l1 a b", "lpop l1", "lmove l1 l2 left right", "lrem l1 0 a", "zadd z1 1 a 2 b", "zincrby z1 0 a"),
    *("zpopmin z1", "zunionstore z2 1 z1", "zrangestore z2 z1 0 -1", "expire k2 100", "persist k2", "expire k1 -1"),
    *("xadd x1 * f v", "xtrim x1 maxlen 1", "sadd s1 a", "srem s1 a", "smove s1 s2 a", "hset h1 f v", "hdel h1 f"),
    *(
        "pfadd k4 a",
        "setrange k1 0 z",
        "geoadd z1 1 1 a",
        "sort l1 alpha store l2",
        "pfmerge k4 k4",
        "bitop or k5 k1 k2",
    ),
]
WHOLE = ["flushall", "flushdb", "swapdb 0 1", "select 1", "select 0", "select 0"]
MULTI = ["multi", "exec", "exec", "discard", "set k1", "nope"]
WAITS = [
    "bzpopmin z1 0",
    "bzmpop 0 2 z1 z2 min",
    "blmpop 0 2 l1 l2 left",
    "xread block 0 streams x2 $",
    "xadd x2 * a b",
]
CLIENT = ["client caching yes", "client caching no", "client trackinginfo", "client getname", "ping"]


def generate(rng: random.Random) -> list[tuple[int, list[str]]]:
    """Sixty steps. Client 4 only listens, 8 and 9 are there to be redirected to, and to go; 10 waits."""
    script: list[tuple[int, list[str]]] = [(4, ["subscribe __redis__:invalidate"]), (8, ["subscribe x"])]
    script += [(number, ["client tracking on " + rng.choice(OPTIONS[number])]) for number in sorted(OPTIONS)]
    script += [(6, ["rpush l1 a", "zadd z1 1 a", "set k2 5"]), (9, ["ping"])]
    for _ in range(60):
        number = rng.choice([1, 1, 1, 2, 2, 3, 3, 5, 6, 6, 7])
        groups = [READS, WRITES, WHOLE, MULTI, CLIENT]
        weights = [6, 3, 0.4, 0.8, 1] if number in OPTIONS else [2, 8, 0.6, 0.8, 0.1]
        lines = [rng.choice(group) for group in rng.choices(groups, weights, k=rng.choice([1, 1, 2, 3, 6]))]
        if number in OPTIONS and rng.random() < 0.12:
            change = ["client tracking off"] if rng.random() < 0.6 else []
            lines[:0] = [*change, ("client tracking on " + rng.choice(OPTIONS[number])).strip()]
        script.append((number, [line.strip() for line in lines]))
        if rng.random() < 0.1:
            script += [(WAITER, ["CLOSE"]), (WAITER, [rng.choice(WAITS)])]
        if rng.random() < 0.01:
            script.append((rng.choice([8, 9]), ["CLOSE"]))
    return [(number, [line.strip() for line in lines]) for number, lines in script]


def plain(data: bytes) -> bytes:
    """Without the IDs of stream entries."""
    return re.sub(rb"\d{13}-\d+", b"ID", data)


def tracking_figures(server: ServerProcess) -> list[bytes]:
    with RawClientOf(server) as client:
        lines = client.call("INFO", "everything").split(b"\r\n")
    return [line for line in lines if line.startswith(b"tracking_")]


class RawClientOf:
    """A raw client for a while."""

    def __init__(self, server: ServerProcess) -> None:
        self.client = RawClient(server.connect())

    def __enter__(self) -> RawClient:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()


@pytest.mark.parametrize("seed", range(40))
def test_generated(server: ServerProcess, oracle: ServerProcess, seed: int) -> None:
    script = generate(random.Random(f"tracking {seed}"))
    companies = Company(server), Company(oracle)
    try:
        for company in companies:
            for number in PROTOCOL:
                company.client_id(number)
        for at, (number, lines) in enumerate(script):
            mine, other = (company.step(number, lines) for company in companies)
            context = (number, lines, script[max(0, at - 8) : at])
            assert {n: plain(data) for n, data in mine.items()} == {n: plain(data) for n, data in other.items()}, (
                context
            )
            assert tracking_figures(server) == tracking_figures(oracle), context
    finally:
        for company in companies:
            company.stage.close()


RANDOM = ("spop", "srandmember", "randomkey", "hrandfield", "zrandmember", "scan", "hscan", "sscan", "zscan")


def pushes(client: RawClient) -> list[bytes]:
    """What came before the reply to a mark."""
    found = []
    client.send("ECHO", "the-end")
    while not (reply := client.read()).endswith(b"the-end\r\n"):
        if reply.startswith(b">"):
            found.append(reply)
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_which_keys(server: ServerProcess, oracle: ServerProcess, group: str, seed: int) -> None:
    """Every command's keys are remembered, and every change told, of whatever command: one client reads, one writes."""
    rng = random.Random(f"keys {group} {seed}")
    templates = [t for t in GROUPS[group] if t.split()[0] not in (*RANDOM, "multi", "exec")]
    script = [line.encode().split() for line in POPULATE]
    script += [build(rng, rng.choice(templates)) for _ in range(60)]
    told: list[list[list[bytes]]] = []
    for one in (server, oracle):
        reader, writer, prefixes = clients = [RawClient(one.connect()) for _ in range(3)]
        for client in clients:
            client.call("HELLO", 3)
        reader.call("CLIENT", "TRACKING", "ON", *(["NOLOOP"] if seed % 2 else []))
        prefixes.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "", *(["NOLOOP"] if seed % 2 else []))
        seen: list[list[bytes]] = []
        for at, argv in enumerate(script):
            client = writer if at < len(POPULATE) or rng_of(at, seed) else reader
            client.send(*argv)
            seen.append(pushes(client) + pushes(reader) + pushes(prefixes))
        told.append(seen)
        for client in clients:
            client.close()
    for argv, mine, other in zip(script, *told, strict=True):
        assert mine == other, argv


def rng_of(at: int, seed: int) -> bool:
    """Whether the writer, and not the reader, runs the command at this place."""
    return (at * 7 + seed) % 5 < 2


class Readers:
    """A client that tracks keys, one that tracks prefixes, and one that does neither, on one server."""

    def __init__(self, server: ServerProcess, noloop: bool) -> None:
        self.clients = {name: RawClient(server.connect()) for name in ("keys", "prefixes", "other")}
        for client in self.clients.values():
            client.call("HELLO", 3)
        option = ["NOLOOP"] if noloop else []
        self.clients["keys"].call("CLIENT", "TRACKING", "ON", *option)
        self.clients["prefixes"].call("CLIENT", "TRACKING", "ON", "BCAST", *option)
        self.clients["other"].call("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def call(self, name: str, *argv: str | int) -> list[bytes]:
        """What all clients are told while one runs a command."""
        self.clients[name].send(*argv)
        return [push for one in (name, *self.clients) for push in pushes(self.clients[one])]

    def close(self) -> None:
        self.clients["other"].call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        for client in self.clients.values():
            client.close()


@pytest.mark.parametrize("noloop", [False, True])
def test_expired(server: ServerProcess, oracle: ServerProcess, noloop: bool) -> None:
    """Keys that are found to have expired by a reader, by another client, by a writer; and by the server itself."""
    both = Readers(server, noloop), Readers(oracle, noloop)
    for name, command in (
        ("keys", "GET k"),
        ("other", "GET k"),
        ("keys", "SET k w"),
        ("other", "DEL k"),
        ("prefixes", "GET k"),
        ("other", "DEBUG SET-ACTIVE-EXPIRE 1"),
    ):
        seconds = 0.25
        while True:  # it must be read before its time has come, however slow that is
            when = time.time() + seconds
            for one in both:
                one.call("other", "SET", "k", "v", "PXAT", int(when * 1000))
            told = [one.call("keys", "GET", "k") for one in both]
            if time.time() < when:
                break
            seconds *= 2
        assert told == [[], []]
        while time.time() < when + 0.002:
            time.sleep(0.01)
        if command.startswith("DEBUG"):
            told = []
            for one in both:
                one.clients["other"].call(*command.split())
                told.append([one.clients["keys"].read(), one.clients["prefixes"].read()])
        else:
            told = [one.call(name, *command.split()) for one in both]
        assert told[0] == told[1], command
    for one in both:
        one.close()


def test_pipelines(server: ServerProcess, oracle: ServerProcess) -> None:
    """Long pipelines of one command neither escape the table of keys nor the messages of those who cache."""
    told = []
    for one in (server, oracle):
        reader, writer = RawClient(one.connect()), RawClient(one.connect())
        reader.call("HELLO", 3)
        reader.call("CLIENT", "TRACKING", "ON")
        reader.pipeline([[b"GET", b"k%d" % n] for n in range(40)])
        writer.pipeline([[b"SET", b"k%d" % n, b"v"] for n in range(20)])
        seen = [pushes(reader)]
        writer.pipeline([[b"INCR", b"k30"]] * 20 + [[b"RPUSH", b"k31", b"v"]] * 20)
        seen.append(pushes(reader))
        reader.sock.sendall(b"".join(encode([b"SET", b"k%d" % n, b"v"]) for n in range(40)))
        seen.append([reader.read() for _ in range(40 + 18)])
        told.append(seen)
        reader.close()
        writer.close()
    assert told[0] == told[1]
