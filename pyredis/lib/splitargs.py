"""Quoting of inline commands and configuration lines, and the quoted form in logs and MONITOR."""

from __future__ import annotations

from typing import Final

_WORD_ENDS: Final = b" \n\r\t\0"
"""What ends a word; a vertical tab or form feed is only skipped in front of one."""
_AFTER_QUOTE: Final = b" \n\r\t\0\v\f"
_ESCAPES: Final = {0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09, 0x62: 0x08, 0x61: 0x07}
_HEX: Final = b"0123456789abcdefABCDEF"
_SPECIAL: Final = {
    0x5C: b"\\\\",
    0x22: b'\\"',
    0x0A: b"\\n",
    0x0D: b"\\r",
    0x09: b"\\t",
    0x07: b"\\a",
    0x08: b"\\b",
}


def split_args(line: bytes) -> list[bytes] | None:
    """The words of a line. ``"…"`` knows ``\\n \\r \\t \\b \\a \\xHH``, ``'…'`` only ``\\'``.

    None when a quote is not closed, or a closing quote is followed by something else than a space.
    """
    words: list[bytes] = []
    at, n = 0, len(line)
    while True:
        while at < n and line[at] in b" \n\r\t\v\f":
            at += 1
        if at >= n or line[at] == 0:
            return words
        word = bytearray()
        while at < n and line[at] not in _WORD_ENDS:
            quote = line[at]
            if quote not in b"\"'":
                word.append(quote)
                at += 1
                continue
            end = _quoted(line, at + 1, quote, word)
            if end < 0 or (end < n and line[end] not in _AFTER_QUOTE):
                return None
            at = end
            break
        words.append(bytes(word))


def _quoted(line: bytes, at: int, quote: int, word: bytearray) -> int:
    """Read up to the closing quote into ``word``; the position behind it, -1 if there is none."""
    n = len(line)
    while at < n:
        c = line[at]
        if c == quote:
            return at + 1
        if c == 0x5C and at + 1 < n:
            following = line[at + 1]
            if quote == 0x22:
                if following == 0x78 and at + 3 < n and line[at + 2] in _HEX and line[at + 3] in _HEX:
                    word.append(int(line[at + 2 : at + 4], 16))
                    at += 4
                else:
                    word.append(_ESCAPES.get(following, following))
                    at += 2
                continue
            if following == 0x27:
                word.append(0x27)
                at += 2
                continue
        word.append(c)
        at += 1
    return -1


def quote_arg(value: bytes) -> bytes:
    """``value`` in double quotes, everything unprintable escaped."""
    out = bytearray(b'"')
    for c in value:
        special = _SPECIAL.get(c)
        if special is not None:
            out += special
        elif 0x20 <= c < 0x7F:
            out.append(c)
        else:
            out += b"\\x%02x" % c
    out += b'"'
    return bytes(out)
