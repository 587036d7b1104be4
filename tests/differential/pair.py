"""Runs a sequence of commands on our server and on redis-server, and reports the first difference."""

from __future__ import annotations

import socket
import struct
from typing import Final

from tests.differential import pools
from tests.differential.compare import Comparison, expand, parse
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess

Argv = list[bytes]
_LINGER: Final = struct.pack("ii", 1, 0)
_DBS: Final = (b"0", b"1", b"9", b"15")
_LAST_TIMEOUT: Final = frozenset(b"BLPOP BRPOP BZPOPMIN BZPOPMAX BRPOPLPUSH BLMOVE".split())
_FIRST_TIMEOUT: Final = frozenset(b"BLMPOP BZMPOP".split())
_READS: Final[dict[bytes, Argv]] = {
    b"string": [b"GET"],
    b"list": [b"LRANGE", b"0", b"-1"],
    b"set": [b"SMEMBERS"],
    b"hash": [b"HGETALL"],
    b"zset": [b"ZRANGE", b"0", b"-1", b"WITHSCORES"],
    b"stream": [b"XRANGE", b"-", b"+"],
}


def _small(word: bytes) -> bool:
    return word.isdigit() and 0 < int(word) < 20000


def harmless(argv: Argv) -> Argv:
    """The command with what would make the run slow or a matter of timing replaced: waiting for longer than a moment,
    keys that are due within seconds, billions of random members."""
    name = argv[0].upper()
    argv = list(argv)
    if name in _LAST_TIMEOUT or name in _FIRST_TIMEOUT:
        at = -1 if name in _LAST_TIMEOUT else 1
        if len(argv) > 1 and argv[at] not in pools.TIMEOUTS and _waits(argv[at]):
            argv[at] = b"0.001"
    elif name in (b"EXPIRE", b"PEXPIRE", b"SETEX", b"PSETEX") and len(argv) > 2 and _small(argv[2]):
        argv[2] = b"10000000"
    elif name in (b"SET", b"GETEX"):
        for at in range(2, len(argv)):
            if argv[at - 1].upper() in (b"EX", b"PX") and _small(argv[at]):
                argv[at] = b"10000000"
    elif name in (b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER") and len(argv) > 2:
        huge = argv[2][:1] == b"-" and argv[2][1:].isdigit() and -(1 << 63) < int(argv[2]) < -1000
        if huge and not (len(argv) > 3 and int(argv[2]) <= -(1 << 62)):
            argv[2] = b"-100"
    elif name in (b"SORT", b"SORT_RO") and b"BY" in (words := [word.upper() for word in argv]) and b"STORE" in words:
        del argv[words.index(b"STORE") :]  # a list in an order that compare says is free
    elif name in (b"XREAD", b"XREADGROUP"):
        for at in range(2, len(argv)):
            if argv[at - 1].upper() == b"BLOCK" and argv[at].isdigit():
                argv[at] = b"1"
    elif name == b"XADD":
        argv = [b"77-7" if word == b"*" else word for word in argv]  # the time of day differs
    elif name == b"WAIT" and len(argv) > 2 and argv[2].isdigit():
        argv[2] = b"1"
    return argv


def _waits(text: bytes) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


def connect(server: ServerProcess) -> RawClient:
    """A connection that leaves no port behind in TIME_WAIT: there are thousands."""
    sock = server.connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    return RawClient(sock)


class Pair:
    """Two servers, and one test's protocol version and thresholds of the encodings."""

    def __init__(
        self, ours: ServerProcess, theirs: ServerProcess, protocol: int, thresholds: Argv = pools.DEFAULTS
    ) -> None:
        self.servers = (ours, theirs)
        self.protocol = protocol
        self.thresholds = thresholds

    def prepare(self) -> list[Argv]:
        """What every sequence starts from."""
        return [
            [b"HELLO", b"%d" % self.protocol],
            [b"FLUSHALL"],
            [b"CONFIG", b"SET", *self.thresholds],
            *pools.POPULATION,
        ]

    def check(self, sequence: list[Argv], marked: bool = False) -> None:
        """Run the sequence on both; AssertionError with the first difference of the replies or of the keyspace.

        ``marked``: a PING follows each command, so that commands with any number of replies can be told apart.
        """
        commands = expand([harmless(argv) for argv in sequence])
        clients = [connect(server) for server in self.servers]
        try:
            prepared = [client.pipeline(self.prepare())[1:] for client in clients]  # HELLO tells versions
            assert prepared[0] == prepared[1]
            comparison = Comparison(commands)
            ours, theirs = [exchange(client, commands, marked) for client in clients]
            for at, (argv, mine, other) in enumerate(zip(commands, ours, theirs, strict=True)):
                if comparison.differ(argv, mine, other):
                    raise AssertionError(
                        f"\n{show(argv)}\n   ours {mine!r}\n  redis {other!r}\nafter\n{show_all(commands[:at])}"
                    )
            compare_keyspaces(clients, comparison, commands)
        finally:
            for client in clients:
                client.close()


def exchange(client: RawClient, commands: list[Argv], marked: bool) -> list[bytes]:
    """All commands in one write; for each the bytes of its reply (``marked``: of all its replies)."""
    if not marked:
        return client.pipeline(commands)
    marks = [b"#%d#" % at for at in range(len(commands))]
    client.sock.sendall(
        b"".join([encode(argv) + encode([b"PING", m]) for argv, m in zip(commands, marks, strict=True)])
    )
    replies = []
    for mark in marks:
        parts: list[bytes] = []
        while not parts or mark not in parts[-1]:
            parts.append(client.read())
        replies.append(b"".join(parts[:-1]))
    return replies


def compare_keyspaces(clients: list[RawClient], comparison: Comparison, commands: list[Argv]) -> None:
    """Every key of the databases used, through plain reads: type, encoding, deadline, content."""
    listings = []
    for client in clients:
        client.pipeline([[b"RESET"], [b"HELLO", b"3"]])
        replies = client.pipeline([argv for db in _DBS for argv in ([b"SELECT", db], [b"KEYS", b"*"])])
        listings.append([sorted(item[1] for item in parse(raw)[1]) for raw in replies[1::2]])
    after = f"after\n{show_all(commands)}"
    assert listings[0] == listings[1], f"\nkeys: ours {listings[0]}, redis {listings[1]}\n{after}"
    for db, keys in zip(_DBS, listings[0], strict=True):
        if not keys:
            continue
        reads = [
            argv for key in keys for argv in ([b"TYPE", key], [b"OBJECT", b"ENCODING", key], [b"PEXPIRETIME", key])
        ]
        answers = [client.pipeline([[b"SELECT", db], *reads])[1:] for client in clients]
        kinds = [raw.strip(b"+\r\n") for raw in answers[0][::3]]
        contents = [[_READS[kind][0], key, *_READS[kind][1:]] for key, kind in zip(keys, kinds, strict=True)]
        for client, found in zip(clients, answers, strict=True):
            found += client.pipeline(contents)
        for argv, mine, other in zip([*reads, *contents], *answers, strict=True):
            same = not comparison.differ(argv, mine, other)
            assert same, f"\nin database {db.decode()}, {show(argv)}\n   ours {mine!r}\n  redis {other!r}\n{after}"


def show(argv: Argv) -> str:
    """A command as one would type it."""
    return " ".join([repr(word)[1:] if not word or not word.isalnum() else word.decode() for word in argv])


def show_all(commands: list[Argv]) -> str:
    """One command a line."""
    return "\n".join(["  " + show(argv) for argv in commands])
