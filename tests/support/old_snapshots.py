"""Snapshots built by hand, in encodings that redis-server 7.0 reads but does not write any more, and in later ones.

Everything here follows the public description of the format; nothing is shared with the code that is tested but the
checksum and listpacks.
"""

from __future__ import annotations

import struct
from typing import Final

from pyredis.lib.crc64 import crc64
from pyredis.lib.listpack import encode_element, encode_integer, encode_listpack, join_listpack

FAR: Final = 4_000_000_000_000
"""A deadline in Unix milliseconds."""


def length(n: int) -> bytes:
    if n < 64:
        return bytes([n])
    if n < 1 << 14:
        return struct.pack(">H", 0x4000 | n)
    return b"\x80" + struct.pack(">I", n) if n < 1 << 32 else b"\x81" + struct.pack(">Q", n)


def string(text: bytes) -> bytes:
    return length(len(text)) + text


def strings(*texts: bytes) -> bytes:
    return b"".join(map(string, texts))


def ziplist(*elements: bytes | int, long_links: bool = False) -> bytes:
    """``long_links``: five bytes for the length of the element before, as larger ones leave them behind."""
    body = b""
    before = tail = 0
    for element in elements:
        tail = 10 + len(body)
        link = b"\xfe" + struct.pack("<I", before) if before >= 254 or long_links else bytes([before])
        one = link + _ziplist_content(element)
        before = len(one)
        body += one
    count = len(elements) if len(elements) < 65535 else 65535
    return struct.pack("<IIH", 11 + len(body), tail or 10, count) + body + b"\xff"


def _ziplist_content(element: bytes | int) -> bytes:
    if isinstance(element, int):
        if 0 <= element <= 12:
            return bytes([0xF1 + element])
        for bits, mark in ((8, 0xFE), (16, 0xC0), (24, 0xF0), (32, 0xD0), (64, 0xE0)):
            if -1 << (bits - 1) <= element < 1 << (bits - 1):
                return bytes([mark]) + element.to_bytes(bits // 8, "little", signed=True)
    assert isinstance(element, bytes)
    if len(element) < 64:
        return bytes([len(element)]) + element
    if len(element) < 1 << 14:
        return struct.pack(">H", 0x4000 | len(element)) + element
    return b"\x80" + struct.pack(">I", len(element)) + element


def zipmap(*texts: bytes, slack: int = 0) -> bytes:
    """``slack``: unused bytes behind each value, as updates left them."""
    body = b""
    for at, text in enumerate(texts):
        body += bytes([len(text)]) if len(text) < 254 else b"\xfe" + struct.pack("<I", len(text))
        body += bytes([slack]) + text + b"?" * slack if at % 2 else text
    return bytes([min(len(texts) // 2, 254)]) + body + b"\xff"


def intset(width: int, *numbers: int) -> bytes:
    return struct.pack("<II", width, len(numbers)) + b"".join(n.to_bytes(width, "little", signed=True) for n in numbers)


def aux(name: bytes, value: bytes) -> bytes:
    return b"\xfa" + strings(name, value)


def select(number: int) -> bytes:
    return b"\xfe" + length(number)


def expire_seconds(when: int) -> bytes:
    return b"\xfd" + struct.pack("<i", when)


def expire_ms(when: int) -> bytes:
    return b"\xfc" + struct.pack("<q", when)


def entry(kind: int, name: bytes, content: bytes) -> bytes:
    return bytes([kind]) + string(name) + content


def snapshot(version: int, *records: bytes, checksum: bool = True) -> bytes:
    body = b"REDIS%04d" % version + b"".join(records) + b"\xff"
    if version < 5:
        return body
    return body + (crc64(body).to_bytes(8, "little") if checksum else bytes(8))


def raw_id(ms: int, seq: int) -> bytes:
    return struct.pack(">QQ", ms, seq)


def stream(version: int) -> bytes:
    """Three entries (the second deleted), a group with a consumer that has one of them pending."""
    elements = [encode_integer(n) for n in (2, 1, 1)] + [encode_element(b"f"), encode_integer(0)]
    for flags, seq, value in ((2, 0, b"a"), (3, 1, b"b"), (2, 2, b"c")):
        elements += [encode_integer(flags), encode_integer(0), encode_integer(seq), encode_element(value)]
        elements.append(encode_integer(4))
    parts = [length(1), string(raw_id(5, 1)), string(join_listpack(elements)), length(2), length(5), length(3)]
    if version >= 2:
        parts += [length(5), length(1), length(5), length(2), length(3)]  # first, greatest deleted, added
    parts += [length(1), string(b"group"), length(5), length(1)]
    if version >= 2:
        parts.append(length(1))  # entries read
    pending = raw_id(5, 1)
    parts += [length(1), pending, struct.pack("<q", 1_700_000_000_000), length(3)]
    parts += [length(1), string(b"consumer"), struct.pack("<q", 1_700_000_000_001)]
    if version >= 3:
        parts.append(struct.pack("<q", 1_700_000_000_002))  # when it last got something
    parts += [length(1), pending]
    return b"".join(parts)


_TEXTS: Final = (b"a", b"12", b"-1", b"", b"x" * 63, b"y" * 64, b"z" * 300, b"40000000000", b"w" * 20000)
_INTS: Final = (0, 12, 13, -1, 127, -128, 128, -32768, 32768, 8388607, -8388608, 8388608, 1 << 40, -(1 << 63))
_FAR: Final = struct.pack("<q", FAR)
_DOUBLES: Final = struct.pack("<d", 1.5), struct.pack("<d", float("-inf"))

OLD: Final = {
    "1: lists and sets": snapshot(
        1,
        select(0),
        entry(0, b"s", string(b"value")),
        entry(0, b"i8", b"\xc0\x85"),
        entry(0, b"i16", b"\xc1\x00\x80"),
        entry(0, b"i32", b"\xc2\x00\x00\x00\x80"),
        entry(0, b"long length", b"\x80\x00\x00\x00\x02hi"),
        expire_seconds(2_000_000_000) + entry(1, b"l", length(3) + strings(b"a", b"b", b"a")),
        select(3),
        entry(2, b"t", length(2) + strings(b"a", b"b")),
        entry(3, b"z", length(3) + string(b"a") + b"\x031.5" + string(b"b") + b"\xfe" + string(b"c") + b"\xff"),
        entry(4, b"h", length(2) + strings(b"f", b"v", b"g", b"w")),
    ),
    "2: zipmaps": snapshot(
        2,
        select(0),
        entry(9, b"h", string(zipmap(b"f", b"v", b"g", b"1"))),
        entry(9, b"slack", string(zipmap(b"f", b"v", b"g", b"1", slack=3))),
        entry(9, b"long", string(zipmap(b"f" * 253, b"v" * 254, b"g", b"w" * 3000))),
    ),
    "3: milliseconds": snapshot(3, select(0), expire_ms(FAR) + entry(0, b"s", string(b"v"))),
    "4: ziplists": snapshot(
        4,
        select(0),
        entry(10, b"l", string(ziplist(*_TEXTS, *_INTS))),
        entry(10, b"links", string(ziplist(b"a", 1, b"b" * 300, b"c", long_links=True))),
        entry(11, b"i2", string(intset(2, -32768, 0, 5))),
        entry(11, b"i4", string(intset(4, -70000, 70000))),
        entry(11, b"i8", string(intset(8, -(1 << 63), (1 << 63) - 1))),
        entry(12, b"z", string(ziplist(b"a", 1, b"b", b"2.5", b"c", b"inf"))),
        entry(13, b"h", string(ziplist(b"f", b"v", b"g", 7, 8, b"x" * 60))),
    ),
    "5: a checksum": snapshot(5, select(15), entry(0, b"s", string(b"v"))),
    "6: quicklists of ziplists": snapshot(
        6, select(0), entry(14, b"l", length(3) + strings(ziplist(b"a", b"b"), ziplist(*_INTS), ziplist(b"c" * 70)))
    ),
    "7: aux, sizes, binary scores": snapshot(
        7,
        aux(b"redis-ver", b"4.0.0"),
        aux(b"lua", b"return 1"),
        select(0),
        b"\xfb" + length(1) + length(0),
        entry(5, b"z", length(2) + string(b"a") + _DOUBLES[0] + string(b"b") + _DOUBLES[1]),
    ),
    "8: no checksum computed": snapshot(8, select(0), entry(0, b"s", string(b"v")), checksum=False),
    "9: streams, use of keys": snapshot(
        9,
        select(0),
        b"\xf8" + length(100) + entry(0, b"idle", string(b"v")),
        b"\xf9\x05" + entry(0, b"freq", string(b"v")),
        entry(15, b"x", stream(1)),
    ),
    "10: as 7.0 writes it": snapshot(
        10,
        select(0),
        b"\xf5" + string(b"#!lua name=l\nredis.register_function('f', function() return 1 end)"),
        entry(16, b"h", string(encode_listpack([b"f", b"v", b"g", b"5"]))),
        entry(17, b"z", string(encode_listpack([b"a", b"1", b"b", b"2.5"]))),
        entry(18, b"l", length(2) + length(2) + string(encode_listpack([b"a", b"-7"])) + length(1) + string(b"plain")),
        entry(19, b"x", stream(2)),
    ),
}
"""Files that redis-server 7.0 reads, too, by version and what is in them."""

NEW: Final = {
    "11: sets in listpacks, streams of 7.2": snapshot(
        11, select(0), entry(20, b"t", string(encode_listpack([b"a", b"5", b"bc"]))), entry(21, b"x", stream(3))
    ),
    "12: fields with deadlines": snapshot(
        12,
        select(0),
        b"\xf4" + length(1) + length(2) + length(3),
        entry(24, b"h", _FAR + length(2) + length(1) + strings(b"f", b"v") + length(0) + strings(b"g", b"w")),
        entry(
            25,
            b"lp",
            _FAR + string(encode_listpack([b"f", b"v", b"%d" % FAR, b"g", b"w", b"0"])),
        ),
        entry(22, b"rc", length(2) + length(FAR) + strings(b"f", b"v") + b"\0" + strings(b"g", b"w")),
        entry(23, b"rclp", string(encode_listpack([b"f", b"v", b"%d" % FAR, b"g", b"w", b"0"]))),
    ),
}
"""Files of later versions."""
