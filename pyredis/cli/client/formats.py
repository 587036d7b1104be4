"""Replies as text: for people at a terminal, raw for pipes, CSV, JSON; as redis-cli writes them."""

from __future__ import annotations

from typing import Final

from pyredis.cli.client.connection import Reply
from pyredis.lib.splitargs import quote_arg

_MARKS: Final = {b"*": b")", b"%": b"#", b"~": b"~", b">": b")"}
_EMPTY: Final = {b"*": b"(empty array)", b"%": b"(empty hash)", b"~": b"(empty set)", b">": b"(empty push)"}


def for_terminal(reply: Reply, prefix: bytes = b"") -> bytes:
    """Numbered, quoted and typed, with a line end."""
    kind, value = reply.kind, reply.value
    if kind in _MARKS:
        return _numbered(reply, prefix)
    if kind == b"$":
        return quote_arg(value) + b"\n"
    if kind in (b"+", b"="):
        return bytes(value) + b"\n"
    if kind == b"-":
        return b"(error) %b\n" % value
    if kind == b":":
        return b"(integer) %d\n" % value
    if kind == b",":
        return b"(double) %b\n" % value
    if kind == b"#":
        return b"(true)\n" if value else b"(false)\n"
    return b"(nil)\n" if value is None else bytes(value) + b"\n"


def _numbered(reply: Reply, prefix: bytes) -> bytes:
    elements = reply.value
    if not elements:
        return _EMPTY[reply.kind] + b"\n"
    step = 2 if reply.kind == b"%" else 1
    width = len(str(len(elements) // step))
    inner = prefix + b" " * (width + 2)
    out = []
    for number, at in enumerate(range(0, len(elements), step), 1):
        head = b"%b%*d%b " % (prefix if at else b"", width, number, _MARKS[reply.kind])
        text = for_terminal(elements[at], inner)
        if step == 2:
            value = for_terminal(elements[at + 1], inner)
            text = text[:-1] + b" => " + (b"\n" + inner if value.count(b"\n") > 1 else b"") + value
        out.append(head + text)
    return b"".join(out)


def raw(reply: Reply, delimiter: bytes = b"\n") -> bytes:
    """The values alone, without a line end."""
    kind, value = reply.kind, reply.value
    if kind == b"%":
        pairs = [raw(value[at], delimiter) + b" " + raw(value[at + 1], delimiter) for at in range(0, len(value), 2)]
        return delimiter.join(pairs)
    if kind in _MARKS:
        return delimiter.join([raw(element, delimiter) for element in value])
    if kind == b"-":
        return bytes(value) + b"\n"
    if kind == b":":
        return b"%d" % value
    if kind == b"#":
        return b"(true)" if value else b"(false)"
    return b"" if value is None else bytes(value)


def csv(reply: Reply) -> bytes:
    """Strings quoted, elements between commas, without a line end."""
    kind, value = reply.kind, reply.value
    if kind in _MARKS:
        return b",".join([csv(element) for element in value])
    if kind == b"-":
        return b"ERROR," + quote_arg(value)
    if kind == b":":
        return b"%d" % value
    if kind == b"#":
        return b"true" if value else b"false"
    if value is None:
        return b"NULL"
    return bytes(value) if kind == b"," else quote_arg(value)


def json(reply: Reply, ascii_only: bool = False) -> bytes:
    """JSON, without a line end; bytes that are not UTF-8 stand as ``\\xHH`` does in quoted output."""
    kind, value = reply.kind, reply.value
    if kind == b"%":
        pairs = [
            _json_key(value[at], ascii_only) + b":" + json(value[at + 1], ascii_only) for at in range(0, len(value), 2)
        ]
        return b"{" + b",".join(pairs) + b"}"
    if kind in _MARKS:
        return b"[" + b",".join([json(element, ascii_only) for element in value]) + b"]"
    if kind == b"-":
        return b"error:" + _json_string(value, ascii_only)
    if kind == b":":
        return b"%d" % value
    if kind == b"#":
        return b"true" if value else b"false"
    if value is None:
        return b"null"
    return bytes(value) if kind == b"," else _json_string(value, ascii_only)


def _json_key(reply: Reply, ascii_only: bool) -> bytes:
    if reply.kind in (b"$", b"+", b"="):
        return json(reply, ascii_only)
    return _json_string(json(reply, ascii_only), ascii_only)


def _json_string(text: bytes, ascii_only: bool) -> bytes:
    if ascii_only:
        return b'"' + quote_arg(text)[1:-1].replace(b"\\", b"\\\\") + b'"'
    from json import dumps

    return dumps(text.decode("utf-8", "backslashreplace"), ensure_ascii=False).encode()
