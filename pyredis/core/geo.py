"""What the geo commands share: their arguments and a position's reply."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_float
from pyredis.lib.geohash import Position, format_degrees, valid
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import array_header, bulk

_UNITS: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}


def get_unit(text: bytes) -> float:
    """A unit of length, in metres."""
    unit = _UNITS.get(text.upper())
    if unit is None:
        raise CommandError(b"ERR unsupported unit provided. please use M, KM, FT, MI")
    return unit


def get_position(argv: list[bytes], at: int) -> Position:
    """Longitude and latitude, two arguments."""
    longitude, latitude = get_float(argv[at]), get_float(argv[at + 1])
    if not valid(longitude, latitude):
        raise CommandError(b"ERR invalid longitude,latitude pair %f,%f" % (longitude, latitude))
    return longitude, latitude


def position_reply(position: Position, resp: int) -> bytes:
    """Longitude and latitude: doubles, bulk strings in RESP2."""
    longitude, latitude = format_degrees(position[0]), format_degrees(position[1])
    if resp == 3:
        return b"*2\r\n,%b\r\n,%b\r\n" % (longitude, latitude)
    return array_header(2) + bulk(longitude) + bulk(latitude)
