"""Are two replies to the same command the same? The same bytes, unless the command is named here with what may differ.

The sets at the top are the whole list of what is not compared byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

Parsed = tuple[str, Any]
"""A reply's kind (its first byte; "null") and its content: bytes, or a list of replies."""
Argv = list[bytes]

UNORDERED = frozenset(
    b"SMEMBERS SINTER SUNION SDIFF KEYS HKEYS HVALS HGETALL PUBSUB|CHANNELS PUBSUB|SHARDCHANNELS".split()
)
"""Redis's order is that of its hash table's buckets."""
PAIRS = frozenset(b"HGETALL CONFIG|GET".split())
"""Likewise, by pairs."""
SHAPE_ONLY = frozenset(
    b"TIME INFO LASTSAVE LOLWUT CLIENT|ID CLIENT|INFO CLIENT|LIST OBJECT|IDLETIME OBJECT|FREQ SLOWLOG|GET SLOWLOG|LEN "
    b"LATENCY|LATEST LATENCY|HISTORY LATENCY|GRAPH LATENCY|DOCTOR LATENCY|HISTOGRAM MEMORY|USAGE MEMORY|STATS "
    b"MEMORY|DOCTOR MEMORY|MALLOC-STATS MEMORY|PURGE DUMP HELLO COMMAND COMMAND|COUNT COMMAND|LIST "
    b"COMMAND|INFO COMMAND|DOCS".split()
)
"""Times, sizes, addresses, identifiers, the order within a DUMP, what is compared elsewhere, HELP (in our own words):
the kind of the reply and an error's text are compared."""
SORTS = frozenset(b"SORT SORT_RO".split())
"""With BY: elements of equal weight, and those of a set that is not sorted at all, come in any order (and LIMIT takes
any of them)."""
PICKS = frozenset(b"SPOP SRANDMEMBER HRANDFIELD ZRANDMEMBER RANDOMKEY".split())
"""Random: as many items on both sides, and ours must be among what the command sent before it lists (``expand``)."""
SCANS = frozenset(b"SCAN SSCAN HSCAN ZSCAN".split())
"""Each server has its own cursors: compared (without order) where both walks end with the first step."""
_CONTAINERS = frozenset(b"CONFIG CLIENT OBJECT PUBSUB SLOWLOG LATENCY MEMORY COMMAND XINFO XGROUP".split())
LIFETIMES = {b"TTL": 1000, b"PTTL": 1, b"EXPIRETIME": 1000, b"PEXPIRETIME": 1}
"""Milliseconds of their units. They may be as far apart as the servers were asked (and a little, as they are rounded);
the absolute ones only where a deadline was given relative to now."""
TIMED = frozenset(b"XPENDING XINFO|CONSUMERS XINFO|STREAM".split())
"""With times, or milliseconds since something: numbers may be as far apart where both are large."""
RELATIVE = frozenset(b"RESTORE RESTORE-ASKING EX PX EXPIRE PEXPIRE SETEX PSETEX".split())


def parse(raw: bytes) -> Parsed:
    """The one reply that ``raw`` is."""
    replies = parse_all(raw)
    assert len(replies) == 1, raw
    return replies[0]


def parse_all(raw: bytes) -> list[Parsed]:
    """All replies in ``raw``."""
    found: list[Parsed] = []
    at = 0
    while at < len(raw):
        reply, at = _parse_at(raw, at)
        found.append(reply)
    return found


def _parse_at(raw: bytes, at: int) -> tuple[Parsed, int]:
    end = raw.index(b"\r\n", at)
    kind, line = chr(raw[at]), raw[at + 1 : end]
    at = end + 2
    if kind == "_" or (line == b"-1" and kind in "$*"):
        return ("null", kind.encode()), at
    if kind in "$=!":
        size = int(line)
        return (kind, raw[at : at + size]), at + size + 2
    if kind in "*~>%":
        items = []
        for _ in range(int(line) * (2 if kind == "%" else 1)):
            item, at = _parse_at(raw, at)
            items.append(item)
        return (kind, items), at
    return (kind, line), at


def full_name(argv: Argv) -> bytes:
    """``CONFIG|GET`` for what the two words of a container name, else the upper-case name."""
    name = argv[0].upper()
    if len(argv) > 1 and name in (
        b"CONFIG",
        b"CLIENT",
        b"OBJECT",
        b"PUBSUB",
        b"SLOWLOG",
        b"LATENCY",
        b"MEMORY",
        b"COMMAND",
        b"XINFO",
        b"XGROUP",
        b"MODULE",
        b"SCRIPT",
        b"FUNCTION",
        b"CLUSTER",
    ):
        return name + b"|" + argv[1].upper()
    return name


def expand(commands: list[Argv]) -> list[Argv]:
    """Add what makes random picks comparable: what there is to pick from before each, and after SPOP the key's removal,
    so that both keyspaces stay the same."""
    found: list[Argv] = []
    for argv in commands:
        name = argv[0].upper()
        if name in SORTS:
            # redis-server's SORT looks at errno as the last number that was read anywhere has left it; this clears it.
            found.append([b"ZADD", b"nokey", b"XX", b"1", b"a"])
        elif name == b"RANDOMKEY":
            found.append([b"KEYS", b"*"])
        elif name in PICKS and len(argv) > 1:
            listing = {b"H": [b"HGETALL", argv[1]], b"Z": [b"ZRANGE", argv[1], b"0", b"-1", b"WITHSCORES"]}
            found.append(listing.get(name[:1], [b"SMEMBERS", argv[1]]))
        found.append(argv)
        if name == b"SPOP" and len(argv) > 1:
            found.append([b"DEL", argv[1]])
    return found


def _sorted(reply: Parsed, pairs: bool) -> Any:
    kind, content = reply
    if type(content) is not list:
        return reply
    if kind == "%" or (pairs and len(content) % 2 == 0):
        return kind, sorted(zip(content[::2], content[1::2], strict=True))
    return kind, sorted(content)


def _shape(reply: Parsed) -> Any:
    return reply if reply[0] in ("-", "null") else reply[0]


def _close(ours: Parsed, theirs: Parsed, small_too: bool, apart: float) -> bool:
    """The same but for numbers that are times, at most ``apart`` milliseconds."""
    if type(ours[1]) is list and type(theirs[1]) is list:
        pairs = zip(ours[1], theirs[1], strict=False)
        return len(ours[1]) == len(theirs[1]) and all(_close(a, b, small_too, apart) for a, b in pairs)
    if ours[0] == theirs[0] == ":" and ours != theirs:
        mine, other = int(ours[1]), int(theirs[1])
        return abs(mine - other) < apart and (small_too or min(mine, other) > 1 << 40)
    return ours == theirs


def _leaves(reply: Parsed) -> list[bytes]:
    """All strings and numbers in a reply, flattened."""
    kind, content = reply
    if type(content) is list:
        return [leaf for item in content for leaf in _leaves(item)]
    return [content] if kind != "null" else []


def _pick_differs(argv: Argv, ours: Parsed, theirs: Parsed, listed: Parsed) -> bool:
    def structure(reply: Parsed) -> Any:
        kind, content = reply
        return (kind, [structure(item) for item in content]) if type(content) is list else kind

    if ours[0] in ("-", "null") or theirs[0] in ("-", "null"):
        return ours != theirs
    if structure(ours) != structure(theirs):
        return True
    picked = _leaves(ours)
    if not set(picked) <= set(_leaves(listed)):
        return True
    distinct = len(argv) == 3 and not argv[2].startswith(b"-")
    return distinct and len(set(picked)) != len(picked)


def _scan_differs(argv: Argv, ours: Parsed, theirs: Parsed) -> bool:
    if ours[0] != theirs[0]:
        return True
    if argv[1 if argv[0].upper() == b"SCAN" else 2] not in (b"0", b""):
        return ours[0] != "*" and ours != theirs
    if ours[0] != "*":
        return ours != theirs
    cursors = [reply[1][0][1] for reply in (ours, theirs)]
    if cursors != [b"0", b"0"]:
        return False
    return _sorted(ours[1][1], False) != _sorted(theirs[1][1], False)


def _unsubscribed(replies: list[Parsed]) -> Any:
    """Which channels were left, and the counts; the order of the channels is free."""
    names = sorted(item[1][1] for item in replies if type(item[1]) is list and len(item[1]) == 3)
    counts = [item[1][2] for item in replies if type(item[1]) is list and len(item[1]) == 3]
    return names, counts, len(replies)


_NORMAL: dict[bytes, Callable[[bytes], Any]] = {
    # Patterns that fit are told in any order.
    b"PUBLISH": lambda raw: sorted(parse_all(raw)),
    b"UNSUBSCRIBE": lambda raw: _unsubscribed(parse_all(raw)),
    b"PUNSUBSCRIBE": lambda raw: _unsubscribed(parse_all(raw)),
    b"SUNSUBSCRIBE": lambda raw: _unsubscribed(parse_all(raw)),
}


class Comparison:
    """Compares two runs of one sequence; follows MULTI, so that what EXEC returns is compared command by command."""

    def __init__(self, commands: list[Argv]) -> None:
        words = {word.upper() for argv in commands for word in argv[:1] + argv[2:]}
        self.relative = bool(words & RELATIVE)
        self.float_results = b"INCRBYFLOAT" in words
        self.queue: list[Argv] = []
        self.listed: Parsed = ("null", b"")
        self.began = monotonic()
        """Seconds; before the first of the servers is asked."""

    def _apart(self) -> float:
        """Milliseconds between what was asked of one server and the same of the other, at most."""
        return 2000 + (monotonic() - self.began) * 1000

    def differ(self, argv: Argv, ours: bytes, theirs: bytes) -> bool:
        """Whether two raw replies to ``argv`` differ in what they must not."""
        if theirs == b"+QUEUED\r\n":
            self.queue.append(argv)
            return ours != theirs
        name = full_name(argv)
        if name in (b"EXEC", b"DISCARD", b"RESET", b"MULTI"):
            queue, self.queue = self.queue, []
            if name == b"EXEC" and ours != theirs:
                return self._exec_differs(queue, parse(ours), parse(theirs))
            if name == b"MULTI" and theirs.startswith(b"-"):
                self.queue = queue
            return ours != theirs
        if name in _NORMAL:
            return bool(_NORMAL[name](ours) != _NORMAL[name](theirs))
        if name in PICKS or name in UNORDERED or name == b"ZRANGE" or ours != theirs:
            return self._parsed_differ(name, argv, parse(ours), parse(theirs))
        return False

    def _exec_differs(self, queue: list[Argv], ours: Parsed, theirs: Parsed) -> bool:
        if ours[0] != "*" or theirs[0] != "*" or len(ours[1]) != len(theirs[1]) or len(queue) != len(theirs[1]):
            return ours != theirs
        pairs = zip(queue, ours[1], theirs[1], strict=True)
        return any(self._parsed_differ(full_name(argv), argv, a, b) for argv, a, b in pairs)

    def _parsed_differ(self, name: bytes, argv: Argv, ours: Parsed, theirs: Parsed) -> bool:
        if name in PICKS:
            return _pick_differs(argv, ours, theirs, self.listed)
        if name in UNORDERED or name == b"ZRANGE":
            self.listed = ours
        if ours == theirs:
            return False
        if name in UNORDERED or name in PAIRS:
            return bool(_sorted(ours, name in PAIRS) != _sorted(theirs, name in PAIRS))
        if name in SHAPE_ONLY or name.endswith(b"|HELP"):
            return bool(_shape(ours) != _shape(theirs))
        if name in SCANS:
            return _scan_differs(argv, ours, theirs)
        if name in TIMED:
            return not _close(ours, theirs, name != b"XINFO|STREAM", self._apart())
        if name in SORTS and b"BY" in (words := [word.upper() for word in argv[2:]]) and ours[0] == theirs[0] == "*":
            return len(ours[1]) != len(theirs[1]) or (b"LIMIT" not in words and sorted(ours[1]) != sorted(theirs[1]))
        if name in LIFETIMES and ours[0] == theirs[0] == ":":
            if name.endswith(b"TIME") and not self.relative:
                return True
            mine, other = int(ours[1]), int(theirs[1])
            return min(mine, other) < 0 or abs(mine - other) > self._apart() / LIFETIMES[name]
        if name == b"OBJECT" or name == b"OBJECT|ENCODING":
            # INCRBYFLOAT leaves an integer as embstr in Redis; ours is an int then (docs/compatibility.md).
            return not (self.float_results and {ours[1], theirs[1]} == {b"int", b"embstr"})
        return True
