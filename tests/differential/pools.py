"""What arguments are made of: keys of every type, and for each kind of argument usual, odd and hostile values.

The first entries are the plainest: hypothesis shrinks towards them.
"""

from __future__ import annotations

from tests.support.payloads import PAYLOADS

STRINGS = [b"s1", b"s2", b"s3", b"s4"]
LISTS = [b"l1", b"l2"]
SETS = [b"t1", b"t2", b"t3"]
HASHES = [b"h1", b"h2"]
ZSETS = [b"z1", b"z2", b"y"]
GEO = [b"g1", b"g2", b"g3"]
STREAMS = [b"x1", b"x2"]
HYPERLOGLOGS = [b"p1", b"p2"]
NAMELESS = [b"m", b"", b"k\x00\xff\r\n"]
KEYS = [*STRINGS, *LISTS, *SETS, *HASHES, *ZSETS, *STREAMS, *HYPERLOGLOGS, *NAMELESS]
"""All keys that are used. ``m``, the empty and the binary one hold nothing at first."""

KEYS_OF_GROUP: dict[str, list[bytes]] = {
    "string": STRINGS,
    "list": LISTS,
    "set": SETS,
    "hash": HASHES,
    "sorted_set": ZSETS,
    "bitmap": STRINGS,
    "geo": GEO,
    "stream": STREAMS,
    "hyperloglog": HYPERLOGLOGS,
}

POPULATION: list[list[bytes]] = [
    line.split(b" ")
    for line in (
        b"SET s1 10",
        b"SET s2 ohmytext",
        b"SET s3 mynewtext0",
        b"SET s4 3.25",
        b"EXPIREAT s4 9999999999",
        b"RPUSH l1 a b c 1 2 3 a b",
        b"RPUSH l2 x",
        b"EXPIREAT l2 9999999999",
        b"SADD t1 1 2 3 -7",
        b"SADD t2 a b c 1",
        b"SADD t3 3",
        b"HSET h1 a 1 b 2.5 c x",
        b"HSET h2 a 9223372036854775806",
        b"ZADD z1 1 a 2 b 2 c 3.5 d",
        b"ZADD z2 -inf a inf b 0 1",
        b"ZADD y 0 a 0 b 0 c 0 d 0 e",
        b"GEOADD g1 13.361389 38.115556 a 15.087269 37.502669 b 13.361389 38.115556 c 12.5 41.9 d 2.35 48.86 e",
        b"GEOADD g2 180 0 a -180 0 b 179.99 85.05 c -179.99 -85.05 d 0 0 e 0 0.001 1 0.001 0 2 0.001 0.001 3",
        b"ZADD g3 -1 a 1e300 b -inf c inf d 3.7 e 4503599627370496 1 9007199254740993 2 -1e17 3 1.8e19 x",
        b"XADD x1 1-1 f 1",
        b"XADD x1 1-2 f 2 g 3",
        b"XADD x1 2-0 f abc",
        b"XADD x1 5-1 g -5 f x",
        b"XADD x2 3-0 f v",
        b"XDEL x1 2-0",
        b"XGROUP CREATE x1 g 0",
        b"XREADGROUP GROUP g a COUNT 2 STREAMS x1 >",
        b"XGROUP CREATE x2 g $",
        b"PFADD p1 a b c 1 2 3",
        b"PFADD p2 a x y",
        b"PFDEBUG TODENSE p2",
    )
]

LONG = [b"x" * 44, b"x" * 45, b"y" * 64, b"y" * 65, b"z" * 300]
INTEGERS = [
    b"0",
    b"1",
    b"2",
    b"-1",
    b"3",
    b"-2",
    b"10",
    b"-100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"-9223372036854775807",
    b"4611686018427387904",
    b"2147483648",
    b"1.5",
    b"01",
    b"+1",
    b" 1",
    b"-0",
    b"",
    b"x",
]
SMALL = [b"0", b"1", b"2", b"3", b"-1", b"-2", b"-3", b"5", b"100", b"-100"]
FLOATS = [
    b"0",
    b"1",
    b"-1",
    b"2.5",
    b"0.1",
    b"-0.3",
    b"3e2",
    b"1e-7",
    b"1e17",
    b"123456789.123456789",
    b"9007199254740993",
    b"1e308",
    b"-1e308",
    b"1e400",
    b"1e4932",
    b"1e5000",
    b"1e-5000",
    b"1e-320",
    b"inf",
    b"-inf",
    b"+Infinity",
    b"nan",
    b"-nan",
    b"0x1p3",
    b"0x.8",
    b".5",
    b"5.",
    b"-0",
    b"-0.0",
    b" 1",
    b"1 ",
    b"1e",
    b"",
    b"x",
    b"1_0",
    b"1\x00",
]
BOUNDS = [b"0", b"1", b"2", b"-inf", b"+inf", b"(1", b"(2", b"(-inf", b"3.5", b"(", b"((1", b"nan", b"x", b"1e400", b""]
LONGITUDES = [
    b"13.361389",
    b"15",
    b"0",
    b"180",
    b"-180",
    b"179.9",
    b"2.35",
    b"180.0001",
    b"-1e-9",
    b"nan",
    b"inf",
    b"x",
]
LATITUDES = [
    b"38.115556",
    b"37.5",
    b"0",
    b"85.05112878",
    b"-85.05112878",
    b"48.86",
    b"85.06",
    b"-90",
    b"67",
    b"-81",
    b"",
]
LENGTHS = [
    *(b"100", b"200", b"0", b"1", b"500000", b"1500", b"20000", b"1e7", b"0.001", b"1e300", b"1e-300"),
    *(b"inf", b"-1", b"-0", b"nan", b"x"),
]
LEX_BOUNDS = [b"-", b"+", b"[a", b"(a", b"[c", b"(d", b"[bb", b"[", b"(", b"a", b"", b"[\xff", b"--", b"+x"]
PATTERNS = [
    b"*",
    b"?",
    b"[a-c]",
    b"[^a]",
    b"?1",
    b"s*",
    b"*1",
    b"a*b*",
    b"\\a",
    b"[",
    b"[a",
    b"[b-a]",
    b"\\",
    b"",
    b"*?*",
]
WORDS = [b"a", b"b", b"c", b"d", b"1", b"2", b"3", b"-7", b"e", b"x", b"", b"\x00\xff", b"01", b"9223372036854775807"]
"""Members, fields and elements: no longer than a small encoding takes."""
VALUES = [*WORDS, b"3.5", b"abc", b"1e3", b"inf", b"nan", b"ohmytext", b"-9223372036854775808", b"1" * 30, *LONG]
TIMES = [b"9999999999", b"99999999999", b"0", b"1", b"-1", b"9999999999999", b"9223372036854775807", b"9e9", b"x", b""]
LIFETIMES = [
    b"100000",
    b"200000",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"9223372036854775",
    b"-9223372036854775808",
    b"x",
]
TIMEOUTS = [b"0.001", b"-1", b"-0.5", b"nan", b"inf", b"x", b"", b"1e400", b"0x1p-10", b" 1", b"-inf", b"1e-4000"]
DATABASES = [b"0", b"1", b"9", b"15", b"16", b"-1", b"x", b"9223372036854775807"]
BIT_OFFSETS = [b"0", b"1", b"7", b"8", b"15", b"63", b"100", b"1000", b"-1", b"4294967296", b"#1", b"x", b""]
"""No large one that is allowed: it would make a string of that size."""
FIELD_OFFSETS = [*BIT_OFFSETS, b"#0", b"#2", b"#9", b"#-1", b"##1", b"#", b"#x", b"#288230376151711744", b"3", b"5"]
ENCODINGS = [
    *[b"u1", b"i1", b"u8", b"i8", b"u4", b"i5", b"u63", b"i64", b"i63", b"u16", b"i32", b"i2", b"u62"],
    *[b"u64", b"i65", b"i0", b"u0", b"u", b"8", b"U8", b"i-1", b"u08", b"u8\x00x", b"", b"x8"],
]
FIELD_NUMBERS = [b"0", b"1", b"-1", b"5", b"-7", b"100", b"-128", b"127", b"255", b"256", b"65536", b"-65536"]
CHANNELS = [b"c", b"d", b"ca", b"", b"\x00\xff"]
DIRECTIVES = [
    b"hash-max-listpack-entries",
    b"hash-max-listpack-value",
    b"set-max-intset-entries",
    b"zset-max-listpack-entries",
    b"zset-max-listpack-value",
    b"hash-max-ziplist-entries",
]
DEFAULTS: list[bytes] = (
    b"hash-max-listpack-entries 128 hash-max-listpack-value 64 set-max-intset-entries 512 "
    b"zset-max-listpack-entries 128 zset-max-listpack-value 64"
).split(b" ")

TIGHT: list[bytes] = (
    b"hash-max-listpack-entries 3 hash-max-listpack-value 2 set-max-intset-entries 3 "
    b"zset-max-listpack-entries 4 zset-max-listpack-value 2"
).split(b" ")
"""Thresholds so low that every type changes its encoding all the time."""

IDS = [
    *(b"%d-%d" % (ms, seq) for ms in (1, 2, 3, 5) for seq in range(3)),
    *b"0 1 5 9 - + $ > * 5-* 9-* 0-0 0-1 (1-1 (5 (0-0 (- ( x 1- -1 1--1 +1 01-01 1-x 3-3-3 x-*".split(),
    b"18446744073709551615",
    b"18446744073709551615-18446744073709551615",
    b"(18446744073709551615-18446744073709551615",
    b"18446744073709551616",
    b"",
    b" 1",
    b"1\x002",
]
NEW_IDS = [b"%d-%d" % (ms, seq) for ms in range(5, 12) for seq in (0, 2)]
GROUP_NAMES = [b"g", b"g", b"h", b""]
CONSUMERS = [b"a", b"b", b"c\x00"]

# By the argument's name, whatever the command; then by command and name where a name means different things.
BY_NAME: dict[str, list[bytes]] = {
    "value": VALUES,
    "element": VALUES,
    "member": WORDS,
    "field": WORDS,
    "pivot": WORDS,
    "message": VALUES,
    "pattern": PATTERNS,
    "seconds": LIFETIMES,
    "milliseconds": LIFETIMES,
    "timeout": TIMEOUTS,
    "db": DATABASES,
    "destination-db": DATABASES,
    "index1": DATABASES,
    "index2": DATABASES,
    "score": FLOATS,
    "weight": FLOATS,
    "longitude": LONGITUDES,
    "latitude": LATITUDES,
    "radius": LENGTHS,
    "width": LENGTHS,
    "height": LENGTHS,
    "member1": WORDS,
    "member2": WORDS,
    "min": BOUNDS,
    "max": BOUNDS,
    "start": [*SMALL, *INTEGERS],
    "stop": [*SMALL, *INTEGERS],
    "end": [*SMALL, *INTEGERS],
    "count": [*SMALL, *INTEGERS],
    "offset": [*SMALL, *SMALL, b"9223372036854775807", b"-9223372036854775808", b"536870912", b"x"],
    "cursor": [b"0", b"0", b"0", b"x", b"-1", b"18446744073709551615", b"18446744073709551616", b" 0", b"0x0", b""],
    "type": [b"string", b"list", b"set", b"hash", b"zset", b"stream", b"x", b"STRING"],
    "channel": CHANNELS,
    "shardchannel": CHANNELS,
    "parameter": DIRECTIVES,
    "id": IDS,
    "last-id": IDS,
    "max_deleted_entry_id": IDS,
    "threshold": [*SMALL, *IDS],
    "group": GROUP_NAMES,
    "groupname": GROUP_NAMES,
    "consumer": CONSUMERS,
    "consumername": CONSUMERS,
    "min-idle-time": [b"0", b"0", b"0", b"100000000", b"-1", b"x"],
    "ms": [b"1000000000", b"x"],
    "ttl": [b"0", b"0", b"10000000", b"99999999999999", b"9223372036854775807", b"-1", b"x"],
    "serialized-value": PAYLOADS,
    "frequency": [b"0", b"255", b"256", b"-1", b"x"],
    "unix-time-milliseconds": [b"1000", b"-1", b"99999999999999", b"x"],
}
BY_COMMAND: dict[tuple[bytes, str], list[bytes]] = {
    (b"RESTORE", "seconds"): [b"0", b"100", b"-1", b"x"],
    (b"RESTORE-ASKING", "seconds"): [b"0", b"100", b"-1", b"x"],
    (b"XADD", "id"): [*NEW_IDS * 3, *IDS],
    (b"XADD", "auto_id"): NEW_IDS,
    (b"XRANGE", "start"): [b"-", *IDS],
    (b"XRANGE", "end"): [b"+", *IDS],
    (b"XREVRANGE", "start"): [b"-", *IDS],
    (b"XREVRANGE", "end"): [b"+", *IDS],
    (b"XPENDING", "start"): [b"-", *IDS],
    (b"XPENDING", "end"): [b"+", *IDS],
    (b"XAUTOCLAIM", "start"): [b"-", *IDS],
    (b"XREAD", "milliseconds"): [b"1", b"x", b"-1", b"1.5"],
    (b"XREADGROUP", "milliseconds"): [b"1", b"x", b"-1", b"1.5"],
    (b"XREADGROUP", "id"): [*[b">"] * 12, *IDS],
    (b"SELECT", "index"): DATABASES,
    (b"HINCRBYFLOAT", "increment"): FLOATS,
    (b"INCRBYFLOAT", "increment"): FLOATS,
    (b"ZINCRBY", "increment"): FLOATS,
    (b"SETRANGE", "value"): [*WORDS, b"", b"abc"],
    (b"ZLEXCOUNT", "min"): LEX_BOUNDS,
    (b"ZLEXCOUNT", "max"): LEX_BOUNDS,
    (b"ZRANGEBYLEX", "min"): LEX_BOUNDS,
    (b"ZRANGEBYLEX", "max"): LEX_BOUNDS,
    (b"ZREVRANGEBYLEX", "min"): LEX_BOUNDS,
    (b"ZREVRANGEBYLEX", "max"): LEX_BOUNDS,
    (b"ZREMRANGEBYLEX", "min"): LEX_BOUNDS,
    (b"ZREMRANGEBYLEX", "max"): LEX_BOUNDS,
    (b"ZRANGE", "start"): [*SMALL, *BOUNDS, *LEX_BOUNDS],
    (b"ZRANGE", "stop"): [*SMALL, *BOUNDS, *LEX_BOUNDS],
    (b"ZRANGESTORE", "min"): [*SMALL, *BOUNDS, *LEX_BOUNDS],
    (b"ZRANGESTORE", "max"): [*SMALL, *BOUNDS, *LEX_BOUNDS],
    (b"CONFIG|SET", "value"): [b"0", b"1", b"2", b"3", b"64", b"-1", b"x", b"1k", b""],
    (b"HELLO", "protover"): [b"2", b"3", b"1", b"4", b"x", b""],
    (b"AUTH", "username"): [b"default", b"x", b""],
    (b"AUTH", "password"): [b"x", b""],
    (b"HELLO", "username"): [b"default", b"x", b""],
    (b"HELLO", "clientname"): [b"me", b"a b", b""],
    (b"PFDEBUG", "subcommand"): [b"DECODE", b"ENCODING", b"TODENSE", b"decode", b"GETREG", b"x", b"", b"a\r\nb"],
    (b"SETBIT", "offset"): BIT_OFFSETS,
    (b"SETBIT", "value"): [b"0", b"1", b"1", b"2", b"-1", b"01", b"x", b""],
    (b"GETBIT", "offset"): [*BIT_OFFSETS, b"4294967295"],
    (b"BITPOS", "bit"): [b"0", b"1", b"0", b"1", b"2", b"-1", b"x"],
    (b"BITOP", "operation"): [b"AND", b"OR", b"XOR", b"NOT", b"and", b"Xor", b"NAND", b""],
    (b"BITFIELD", "encoding"): ENCODINGS,
    (b"BITFIELD", "offset"): FIELD_OFFSETS,
    (b"BITFIELD", "value"): [*FIELD_NUMBERS, *INTEGERS],
    (b"BITFIELD", "increment"): [*FIELD_NUMBERS, *INTEGERS],
    (b"BITFIELD_RO", "encoding"): ENCODINGS,
    (b"BITFIELD_RO", "offset"): [*FIELD_OFFSETS, b"4294967295"],
    (b"CLIENT|SETNAME", "connection-name"): [b"me", b"a b", b"", b"\xff"],
}
HOSTILE = [
    b"",
    b"x",
    b"0",
    b"-1",
    b"1",
    b"NX",
    b"XX",
    b"GT",
    b"GET",
    b"KEEPTTL",
    b"PERSIST",
    b"COUNT",
    b"LIMIT",
    b"WITHSCORES",
    b"WITHVALUES",
    b"REV",
    b"BYSCORE",
    b"BYLEX",
    b"WEIGHTS",
    b"AGGREGATE",
    b"LEFT",
    b"RIGHT",
    b"MIN",
    b"MAX",
    b"IDX",
    b"LEN",
    b"INCR",
    b"CH",
    b"MATCH",
    b"STORE",
    b"STOREDIST",
    b"ANY",
    b"km",
    b"nan",
    b"inf",
    b"1.5",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"99999999999999999999",
    b"\x00",
    b"\r\n",
    b"a\x00b",
    b"m",
    b"s1",
    b"l1",
]
"""What mutations insert or put in an argument's place."""
