"""Raw replies as trees that keep what an ordinary client forgets: which kind of aggregate, which kind of string."""

from __future__ import annotations

from typing import Any, NamedTuple


class Node(NamedTuple):
    """A reply: its type byte (``"*"``, ``"%"``, ``"~"``, ``"+"``, ``"$"``, ``":"`` …) and its value.

    Aggregates hold a tuple of nodes (a map's keys and values in turn), everything else the bytes as sent; null is None.
    """

    kind: str
    value: Any

    def pairs(self) -> list[tuple[bytes, Node]]:
        """Keys and values of a map, in order; also of RESP2's flat array."""
        items = self.value
        return [(key.value, value) for key, value in zip(items[::2], items[1::2], strict=True)]


def tree(reply: bytes) -> Node:
    """The tree of one whole reply."""
    node, end = _read(reply, 0)
    assert end == len(reply), reply[end:]
    return node


def _read(data: bytes, at: int) -> tuple[Node, int]:
    end = data.index(b"\r\n", at)
    kind, text = chr(data[at]), data[at + 1 : end]
    end += 2
    if kind in "$=!":
        size = int(text)
        return (Node(kind, None), end) if size < 0 else (Node(kind, data[end : end + size]), end + size + 2)
    if kind not in "*%~>":
        return Node(kind, text), end
    count = int(text) * (2 if kind == "%" else 1)
    items = []
    for _ in range(count):
        item, end = _read(data, end)
        items.append(item)
    return Node(kind, tuple(items) if count >= 0 else None), end
