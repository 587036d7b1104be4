"""Geohashes as Redis uses them: a position on the earth as the score of a sorted set's member.

Longitude and latitude (degrees) are each cut into ``2**step`` equal intervals; the two interval numbers, interleaved
bit by bit (latitude in the even bits), are the hash. With 26 bits each it fits into a double. Every cell of a coarser
grid is a range of scores, which is how areas are searched: see ``geo_areas.py``.

All distances are in metres on a sphere. The order of each floating point operation is part of what clients see: the
last digit of a distance, and which of two cells a point at the border is in.
"""

from __future__ import annotations

from functools import lru_cache
from math import asin, cos, isinf, nan, pi, sin, sqrt
from typing import Final

MAX_STEP: Final = 26
MAX_LONGITUDE: Final = 180.0
MAX_LATITUDE: Final = 85.05112878
"""Of the web's Mercator projection; closer to the poles there is nothing."""
EARTH_RADIUS: Final = 6372797.560856
DIAMETER: Final = 2.0 * EARTH_RADIUS
RADIANS: Final = pi / 180.0
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"
_TOP: Final = float(1 << 63)
_HASHES: Final = float(1 << 2 * MAX_STEP)
_CELL: Final = 1.0 / (1 << MAX_STEP)
_LATITUDES: Final = MAX_LATITUDE + MAX_LATITUDE

Position = tuple[float, float]
"""Longitude and latitude."""
Place = tuple[float, float, float, float, float]
"""Longitude and latitude, both again in radians, and the cosine of the latitude."""
Cell = tuple[int, int]
"""Interval numbers of longitude and latitude."""


def valid(longitude: float, latitude: float) -> bool:
    """Whether there is a hash for the position."""
    return -MAX_LONGITUDE <= longitude <= MAX_LONGITUDE and -MAX_LATITUDE <= latitude <= MAX_LATITUDE


def cell(longitude: float, latitude: float, step: int, max_latitude: float = MAX_LATITUDE) -> Cell:
    """The cell of a position; the largest longitude and latitude are beyond the last cell."""
    x = (longitude + MAX_LONGITUDE) / (MAX_LONGITUDE + MAX_LONGITUDE)
    y = (latitude + max_latitude) / (max_latitude + max_latitude)
    return int(x * (1 << step)), int(y * (1 << step))


def _spread(number: int) -> int:
    """The digits of an interval number with a gap before each: binary ones, read as digits of base 4."""
    return int(f"{number:b}", 4)


def interleave(x: int, y: int) -> int:
    """The hash of a cell."""
    return _spread(x) << 1 | _spread(y)


def encode(longitude: float, latitude: float) -> int:
    """The hash at step 26."""
    return interleave(*cell(longitude, latitude, MAX_STEP))


def bounds(number: int, step: int, limit: float) -> tuple[float, float]:
    """The lower and upper end of an interval of ``-limit`` to ``limit``."""
    cells = 1 << step
    scale = limit + limit
    # Interval numbers have 32 bits.
    return -limit + (number / cells) * scale, -limit + (((number + 1) & 0xFFFFFFFF) / cells) * scale


def decode(score: float) -> Position:
    """The middle of the cell (step 26) that a score stands for."""
    if not 0.0 <= score < _HASHES:
        return _decode_odd(score)
    digits = f"{int(score):052b}"
    x, y = int(digits[::2], 2), int(digits[1::2], 2)
    # The middle of the bounds at step 26, written out: every position that is looked at goes through here.
    return (
        ((x * _CELL * 360.0 - MAX_LONGITUDE) + ((x + 1) * _CELL * 360.0 - MAX_LONGITUDE)) / 2,
        ((y * _CELL * _LATITUDES - MAX_LATITUDE) + ((y + 1) * _CELL * _LATITUDES - MAX_LATITUDE)) / 2,
    )


def _decode_odd(score: float) -> Position:
    """The same for what is no hash of a position."""
    digits = f"{_as_uint64(score):064b}"
    west, east = bounds(int(digits[::2], 2), MAX_STEP, MAX_LONGITUDE)
    south, north = bounds(int(digits[1::2], 2), MAX_STEP, MAX_LATITUDE)
    longitude = (west + east) / 2
    latitude = (south + north) / 2
    return (
        max(min(longitude, MAX_LONGITUDE), -MAX_LONGITUDE),
        max(min(latitude, MAX_LATITUDE), -MAX_LATITUDE),
    )


def _as_uint64(score: float) -> int:
    """What a C program on x86-64 makes of a double: also for scores that are no hash at all."""
    if isinf(score):
        return 0 if score > 0 else 1 << 63
    if score >= _TOP:
        return (int(score - _TOP) if score - _TOP < _TOP else 1 << 63) ^ 1 << 63
    return int(score) & (1 << 64) - 1 if score >= -_TOP else 1 << 63


@lru_cache(maxsize=1 << 14)
def place(score: float) -> Place:
    """What distances are computed from. Scores that are looked at again and again are decoded once: a few megabytes."""
    longitude, latitude = decode(score)
    radians = latitude * RADIANS
    return longitude, latitude, longitude * RADIANS, radians, cos(radians)


def text(score: float) -> bytes:
    """The standard geohash of eleven characters, which knows latitudes to 90 degrees; the last one is always 0."""
    longitude, latitude = decode(score)
    bits = interleave(*cell(longitude, latitude, MAX_STEP, 90.0))
    return bytes([_ALPHABET[bits >> 52 - 5 * i & 31] for i in range(1, 11)]) + b"0"


# --- distances ------------------------------------------------------------------------------------------------------


def latitude_distance(a: Place, b: Place) -> float:
    """Along a meridian, in metres."""
    return EARTH_RADIUS * abs(b[3] - a[3])


def distance(a: Place, b: Place) -> float:
    """Along a great circle (haversine), in metres."""
    v = sin((b[2] - a[2]) / 2)
    if v == 0.0:
        return latitude_distance(a, b)
    u = sin((b[3] - a[3]) / 2)
    root = sqrt(u * u + a[4] * b[4] * v * v)
    return DIAMETER * asin(root) if root <= 1.0 else nan


def format_distance(length: float) -> bytes:
    """With four decimals, rounded in binary: what is exactly between two after multiplying goes to the even one."""
    return b"%d.%04d" % divmod(round(length * 10000.0), 10000)


def format_degrees(angle: float) -> bytes:
    """With as many of 17 decimals as it has."""
    return (b"%.17f" % angle).rstrip(b"0").rstrip(b".")
