"""Request streams as a hostile or broken client would send them, made from any ``random.Random``.

The generators take the source of chance as an argument, so that hypothesis (which shrinks what its ``randoms()``
decided) and plain seeded runs of many thousands share them. Only commands that neither change nor reveal anything are
used: two servers must answer them with the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from random import Random

from tests.support.raw import encode

COMMANDS: list[list[bytes]] = [
    [b"PING"],
    [b"ping", b"hello"],
    [b"PING", b"a", b"b"],
    [b"ECHO", b"payload"],
    [b"ECHO", b""],
    [b"ECHO", b"\r\n*1\r\n$4\r\nPING\r\n"],
    [b"ECHO", b"\x00\xff\n+x\n:1\n(2\n=3\n"],
    [b"ECHO"],
    [b"GET", b"missing"],
    [b"GET"],
    [b"nosuch", b"arg\r\n", b"\x00two", b"x" * 150],
    [b""],
    [b"", b"x"],
    [b"CONFIG", b"nosuch", b"x"],
    [b"MGET", *[b"m%d" % i for i in range(12)]],
    [b"EXISTS", b"a" * 300],
    [b"HELLO", b"4"],
    [b"HELLO", b"3"],
    [b"HELLO", b"2"],
    [b"MULTI"],
    [b"EXEC"],
    [b"DISCARD"],
    [b"RESET"],
    [b"AUTH", b"secret"],
    [b"QUIT"],
]
_WEIGHTS = [20, 8, 2, 10, 3, 3, 3, 2, 6, 2, 2, 1, 1, 1, 2, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]

NUMBERS = [
    b"0", b"-0", b"00", b"01", b"1", b"+1", b" 1", b"1 ", b"2", b"3", b"-1", b"-2", b"10", b"11", b"1000", b"16384",
    b"16385", b"99999", b"999999", b"1048576", b"1048577", b"536870912", b"536870913", b"600000000", b"1000000000",
    b"2147483647", b"2147483648", b"4294967297", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"18446744073709551617", b"1" * 40, b"", b"x", b"1x", b"0x10", b"1.0", b"1e1", b"1_0",
    b"\xb2", b"-", b"1\x00", b"\x001", b"*", b"$",
]  # fmt: skip
ENDS = [b"\r\n"] * 6 + [b"\n", b"\r", b"\n\r", b"\r\r\n", b"", b"\rX", b"\x00\r\n", b" \r\n"]
MARKS = [b"*", b"$", b"+", b"-", b":", b"%", b"~", b">", b"|", b"(", b"=", b"_", b"#", b",", b"!", b"\x00", b" ", b"@"]
INLINE_WORDS = [
    b"PING", b"ping", b"ECHO", b"GET", b"x", b'""', b"''", b'"a b"', b"'a b'", b'"\\x41\\n\\r\\t\\b\\a\\q"', b"'\\''",
    b"'\\n'", b'"\\x4"', b'"\\xZZ"', b'"abc', b"'abc", b'"a"b', b"'a'b", b'a"b c"', b"a'b'", b'"\\"', b'"\\\\"',
    b"\x00", b"a\x00b", b"\xff", b"*1", b"$4", b"\\", b"\\n", b"\\x41", b'"a""b"', b"#", b"+OK", b"=", b":1", b'"\x00"',
    b"'\\", b'"\\', b'"\\x', b'"\\x4', b'"\n', b"GET x",
]  # fmt: skip
SPACES = [b" "] * 6 + [b"  ", b"\t", b"\v", b"\f", b"\r", b" \t ", b"\x00", b"\xa0", b""]

_ID = re.compile(rb"(\$2\r\nid\r\n):\d+\r\n")


def normalised(replies: bytes) -> bytes:
    """HELLO tells the client's number, which is the server's own."""
    return _ID.sub(rb"\1:0\r\n", replies)


def command(rng: Random) -> list[bytes]:
    """A harmless command, perhaps a wrong one."""
    return rng.choices(COMMANDS, _WEIGHTS)[0]


def inline(rng: Random) -> bytes:
    """A line of words, quoted in every possible way, rightly and wrongly."""
    words = [rng.choice(INLINE_WORDS) for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.6:
        words.insert(0, rng.choice([b"PING", b"ECHO", b"echo"]))
    line = rng.choice([b"", b"", b"", b" ", b"\t"])
    for word in words:
        line += word + rng.choice(SPACES)
    return line + rng.choice(ENDS)


def odd_multibulk(rng: Random) -> bytes:
    """An array whose header, element headers or line ends are odd."""
    argv = command(rng)
    count = b"%d" % len(argv) if rng.random() < 0.6 else rng.choice(NUMBERS)
    parts = [b"*" if rng.random() < 0.85 else rng.choice(MARKS), count, rng.choice(ENDS)]
    for arg in argv:
        mark = b"$" if rng.random() < 0.85 else rng.choice(MARKS)
        size = b"%d" % len(arg) if rng.random() < 0.85 else rng.choice(NUMBERS)
        parts += [mark, size, rng.choice(ENDS)]
        if rng.random() < 0.95:
            parts += [arg, rng.choice(ENDS)]
    return b"".join(parts)


def typed_reply(rng: Random, depth: int = 0) -> bytes:
    """Any RESP3 value: legal as a reply, never as a request."""
    kind = rng.randint(0, 11 if depth < 3 else 8)
    if kind < 9:
        return rng.choice(
            [b"+PING\r\n", b":1\r\n", b"-ERR x\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(123\r\n", b"$4\r\nPING\r\n",
             b"=8\r\ntxt:PING\r\n", b"!4\r\nPING\r\n", b"$-1\r\n", b"*-1\r\n", b"$0\r\n\r\n"]
        )  # fmt: skip
    mark, per_item = rng.choice([(b"*", 1), (b"~", 1), (b">", 1), (b"%", 2), (b"|", 2)])
    n = rng.randint(0, 2)
    items = [b"$4\r\nPING\r\n" if rng.random() < 0.6 else typed_reply(rng, depth + 1) for _ in range(n * per_item)]
    return mark + b"%d\r\n" % n + b"".join(items)


def mutated(rng: Random, data: bytes) -> bytes:
    """``data`` with some bytes changed, lost, doubled or moved."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        if not out:
            break
        at = rng.randrange(len(out))
        what = rng.randint(0, 6)
        if what == 0:
            out[at] = rng.randrange(256)
        elif what == 1:
            del out[at]
        elif what == 2:
            out.insert(at, rng.choice(b"\r\n*$0123456789-+: \x00\"'"))
        elif what == 3:
            out[at:at] = out[at : at + rng.randint(1, 12)]
        elif what == 4:
            del out[at : at + rng.randint(1, 12)]
        elif what == 5:
            out[at] = rng.choice(b"\r\n*$0123456789-+: \x00\"'")
        else:
            out[at] ^= 1 << rng.randrange(8)
    return bytes(out)


def stream(rng: Random) -> bytes:
    """Some requests and what only looks like some, one behind the other (under 16 KB, not empty)."""
    parts = []
    for _ in range(rng.randint(1, 5)):
        kind = rng.randint(0, 9)
        if kind < 3:
            parts.append(encode(command(rng)))
        elif kind < 5:
            parts.append(mutated(rng, encode(command(rng))))
        elif kind == 5:
            parts.append(inline(rng))
        elif kind == 6:
            parts.append(odd_multibulk(rng))
        elif kind == 7:
            parts.append(typed_reply(rng))
        elif kind == 8:
            parts.append(mutated(rng, b"".join([encode(command(rng)) for _ in range(3)])))
        else:
            parts.append(bytes([rng.randrange(256) for _ in range(rng.randint(1, 30))]))
    return b"".join(parts) or b"\n"


def split(rng: Random, data: bytes) -> list[bytes]:
    """``data`` in pieces cut at random places."""
    cuts = sorted(rng.randrange(len(data)) for _ in range(rng.randint(0, 6)))
    return [data[a:b] for a, b in pairwise([0, *cuts, len(data)]) if a < b]


def shrunk(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """A smaller stream that fails too: parts are left out as long as the rest still fails."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size :]
            if less and fails(less):
                data = less
            else:
                at += size
        size //= 2
    return data
