"""What DUMP gives and RESTORE takes: a value's type and bytes as in a snapshot, the version, a checksum."""

from __future__ import annotations

from typing import Any, Final

from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.lib.crc64 import crc64
from pyredis.persistence import rdb_format as f
from pyredis.persistence.rdb_format import EmptyKey, EncodingLimits, RdbError, Truncated
from pyredis.persistence.rdb_read_values import READERS
from pyredis.persistence.rdb_write_values import write_value

_VERSION_BYTES: Final = 2
_FOOTER: Final = _VERSION_BYTES + f.CHECKSUM_BYTES


def version_for(value: Any) -> int:
    """The version of the format that a value needs."""
    return f.VERSION_HASH_FIELDS if type(value) is VolatileHashObj and value.expires else f.VERSION


def dump_payload(value: Any, limits: EncodingLimits, compression: bool) -> bytes:
    """A value as DUMP returns it."""
    kind, parts = write_value(value, limits, compression)
    body = b"".join([bytes((kind,)), *parts, version_for(value).to_bytes(_VERSION_BYTES, "little")])
    return body + crc64(body).to_bytes(f.CHECKSUM_BYTES, "little")


def verify_payload(payload: bytes, checksum: bool = True) -> bool:
    """Whether a payload is of a known version and undamaged; a checksum of 0 says that none was computed."""
    if len(payload) < _FOOTER:
        return False
    version = int.from_bytes(payload[-_FOOTER : -f.CHECKSUM_BYTES], "little")
    if version > f.NEWEST_VERSION:
        return False
    if not checksum:
        return True
    written = int.from_bytes(payload[-f.CHECKSUM_BYTES :], "little")
    return written == 0 or written == crc64(memoryview(payload)[: -f.CHECKSUM_BYTES])


def load_payload(payload: bytes, limits: EncodingLimits, thorough: bool) -> Any | None:
    """The value of a payload that :func:`verify_payload` has found good; None if it is damaged all the same."""
    body = payload[:-_FOOTER]
    read = READERS.get(body[0]) if body else None
    if read is None:
        return None
    try:
        value, end = read(body, 1, limits, thorough)
    except (RdbError, Truncated, EmptyKey, IndexError, ValueError):
        return None
    return value if end == len(body) else None


def dump_functions(sources: list[bytes], compression: bool) -> bytes:
    """The libraries of functions with these sources, as FUNCTION DUMP returns them."""
    parts = [bytes((f.OP_FUNCTION2,)) + f.string_bytes(source, compression) for source in sources]
    body = b"".join([*parts, f.VERSION.to_bytes(_VERSION_BYTES, "little")])
    return body + crc64(body).to_bytes(f.CHECKSUM_BYTES, "little")


def load_functions(payload: bytes) -> list[bytes] | None:
    """The sources of libraries in a payload that :func:`verify_payload` has found good; None if it holds others."""
    body = payload[:-_FOOTER]
    sources: list[bytes] = []
    at = 0
    try:
        while at < len(body):
            if body[at] != f.OP_FUNCTION2:
                return None
            source, at = f.read_string(body, at + 1)
            sources.append(source)
    except (RdbError, Truncated, IndexError, ValueError):
        return None
    return sources
