"""Encoding of commands, as clients send them, for the append-only file, replicas and other servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis


def encode_command(argv: Sequence[bytes]) -> bytes:
    """One command as an array of bulk strings.

    >>> encode_command([b"GET", b"k"])
    b'*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n'
    """
    words: tuple[Any, ...] = tuple(argv)
    packed: bytes = hiredis.pack_command(words)
    return packed
