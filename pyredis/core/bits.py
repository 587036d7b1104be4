"""What the bit commands share: reading a bit's offset, and the string to write bits into."""

from __future__ import annotations

from pyredis.core.args import write_string
from pyredis.core.client import Client
from pyredis.keyspace.db import Database
from pyredis.lib.bitops import signed
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError


def get_bit_offset(c: Client, text: bytes, bits: int = 0) -> int:
    """A bit's offset below 8 times ``proto-max-bulk-len``; ``#n`` stands for ``n * bits`` where ``bits`` is not 0."""
    in_steps = bits > 0 and text.startswith(b"#")
    offset = string2ll(text[1:] if in_steps else text)
    if offset is not None and in_steps:
        offset = signed(offset * bits, 64)  # Redis does not look for an overflow here
    if offset is None or not 0 <= offset >> 3 < c.server.config.proto_max_bulk_len:
        raise CommandError(b"ERR bit offset is not an integer or out of range")
    return offset


def bits_to_write(db: Database, key: bytes, last: int) -> tuple[bytearray, bool]:
    """The string at a key, made or extended with zeros so that it has the bit ``last``; True if it was too short."""
    value = write_string(db, key)
    size = (last >> 3) + 1
    if value is None:
        value = bytearray(size)
        db.add(key, value)
        return value, True
    if type(value) is not bytearray:
        value = bytearray(value)
        db.overwrite(key, value)
    missing = size - len(value)
    if missing > 0:
        value += bytes(missing)
    return value, missing > 0
