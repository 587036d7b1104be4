"""The first line of a script or library: ``#!lua flags=no-writes`` or ``#!lua name=mylib``."""

from __future__ import annotations

from typing import Final

from pyredis.lib.splitargs import split_args
from pyredis.resp.errors import CommandError

NO_WRITES: Final = 1 << 0
ALLOW_OOM: Final = 1 << 1
ALLOW_STALE: Final = 1 << 2
NO_CLUSTER: Final = 1 << 3
ALLOW_CROSS_SLOT_KEYS: Final = 1 << 4
COMPATIBLE: Final = 1 << 5
"""A script without a first line of this kind: what it may do is decided call by call."""

FLAG_NAMES: Final = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT_KEYS,
}


def script_flags(body: bytes) -> tuple[int, bytes]:
    """The flags of a script, and what of it is Lua: the first line is left empty, so that lines keep their numbers."""
    if not body.startswith(b"#!"):
        return COMPATIBLE, body
    end = body.find(b"\n")
    if end < 0:
        raise CommandError(b"ERR Invalid script shebang")
    words = split_args(body[:end])
    if not words:
        raise CommandError(b"ERR Invalid engine in script shebang")
    if words[0] != b"#!lua":
        raise CommandError(b"ERR Unexpected engine in script shebang: " + words[0])
    flags = 0
    for word in words[1:]:
        name, equals, value = word.partition(b"=")
        if name != b"flags" or not equals:
            raise CommandError(b"ERR Unknown lua shebang option: " + word)
        for flag in value.split(b",") if value else ():
            if flag not in FLAG_NAMES:
                raise CommandError(b"ERR Unexpected flag in script shebang: " + flag)
            flags |= FLAG_NAMES[flag]
    return flags, body[end:]
