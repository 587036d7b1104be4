"""What a value is called: its type, and the encoding that Redis would report. And copies of values."""

from __future__ import annotations

from typing import Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.lib.intparse import string2ll

TYPE_NAMES: Final[dict[type, bytes]] = {
    bytes: b"string",
    bytearray: b"string",
    ListObj: b"list",
    SetObj: b"set",
    ZSetObj: b"zset",
    HashObj: b"hash",
    VolatileHashObj: b"hash",
    StreamObj: b"stream",
}
_EMBSTR_MAX: Final = 44
_SHARED: Final = (1 << 31) - 1


def encoding_of(value: Any) -> bytes:
    """The encoding Redis would report."""
    if type(value) is bytes:
        if string2ll(value) is not None:
            return b"int"
        return b"embstr" if len(value) <= _EMBSTR_MAX else b"raw"
    if type(value) is bytearray:
        return b"raw"
    return str(value.encoding()).encode()


def reference_count(value: Any) -> int:
    """The references Redis would report: the integers from 0 to 9999 are shared by all keys, anything else is not."""
    if type(value) is bytes and len(value) < 5 and string2ll(value) is not None and int(value) >= 0:
        return _SHARED
    return 1


def copy_value(value: Any) -> Any:
    """An independent copy of any value."""
    return value if type(value) is bytes else value.copy()
