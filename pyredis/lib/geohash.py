"""Geohashes as Redis uses them: a position on the earth as the score of a sorted set's member.

Longitude and latitude (degrees) are each cut into ``2**step`` equal intervals; the two interval numbers, interleaved
bit by bit (latitude in the even bits), are the hash. With 26 bits each it fits into a double. Every cell of a coarser
grid is a range of scores, which is how areas are searched: the cell of the centre and its eight neighbours, at a step
where these cover the area.

All distances are in metres on a sphere. The order of each floating point operation is part of what clients see: the
last digit of a distance, and which of two cells a point at the border is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import asin, cos, inf, isinf, nan, pi, sin, sqrt
from typing import Final

MAX_STEP: Final = 26
MAX_LONGITUDE: Final = 180.0
MAX_LATITUDE: Final = 85.05112878
"""Of the web's Mercator projection; closer to the poles there is nothing."""
EARTH_RADIUS: Final = 6372797.560856
_WIDEST: Final = 20037726.37
"""Half the circumference at the equator, in that projection."""
_DIAMETER: Final = 2.0 * EARTH_RADIUS
_RADIANS: Final = pi / 180.0
_CELLS: Final = float(1 << MAX_STEP)
_LATITUDES: Final = MAX_LATITUDE + MAX_LATITUDE
_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"
_TOP: Final = float(1 << 63)

Position = tuple[float, float]
"""Longitude and latitude."""
Found = tuple[float, bytes, float, Position]
"""The distance from a centre in metres, the member, its score and its position."""
Place = tuple[float, float, float, float, float]
"""Longitude and latitude, both again in radians, and the cosine of the latitude."""
Cell = tuple[int, int]
"""Interval numbers of longitude and latitude."""


def valid(longitude: float, latitude: float) -> bool:
    """Whether there is a hash for the position."""
    return -MAX_LONGITUDE <= longitude <= MAX_LONGITUDE and -MAX_LATITUDE <= latitude <= MAX_LATITUDE


def _cell(longitude: float, latitude: float, step: int, max_latitude: float = MAX_LATITUDE) -> Cell:
    """The cell of a position; the largest longitude and latitude are beyond the last cell."""
    x = (longitude + MAX_LONGITUDE) / (MAX_LONGITUDE + MAX_LONGITUDE)
    y = (latitude + max_latitude) / (max_latitude + max_latitude)
    return int(x * (1 << step)), int(y * (1 << step))


def interleave(cell: Cell) -> int:
    """The hash of a cell: binary digits, read as digits of base 4, are a bit and a gap each."""
    x, y = cell
    return int(f"{x:b}", 4) << 1 | int(f"{y:b}", 4)


def encode(longitude: float, latitude: float) -> int:
    """The hash at step 26."""
    return interleave(_cell(longitude, latitude, MAX_STEP))


def _as_uint64(score: float) -> int:
    """What a C program on x86-64 makes of a double: also for scores that are no hash at all."""
    if isinf(score):
        return 0 if score > 0 else 1 << 63
    if score >= _TOP:
        return (int(score - _TOP) if score - _TOP < _TOP else 1 << 63) ^ 1 << 63
    return int(score) & (1 << 64) - 1 if score >= -_TOP else 1 << 63


def _bounds(number: int, step: int, limit: float) -> tuple[float, float]:
    """The lower and upper end of an interval of ``-limit`` to ``limit``."""
    cells = 1 << step
    scale = limit + limit
    # Interval numbers have 32 bits.
    return -limit + (number / cells) * scale, -limit + (((number + 1) & 0xFFFFFFFF) / cells) * scale


def decode(score: float) -> Position:
    """The middle of the cell (step 26) that a score stands for."""
    digits = f"{int(score) if 0 <= score < _TOP else _as_uint64(score):064b}"
    return _center(int(digits[::2], 2), int(digits[1::2], 2))


@lru_cache(maxsize=1 << 14)
def place(score: float) -> Place:
    """What distances are computed from. Scores that are looked at again and again are decoded once: a few megabytes."""
    return _place_at(*decode(score))


def _place_at(longitude: float, latitude: float) -> Place:
    radians = latitude * _RADIANS
    return longitude, latitude, longitude * _RADIANS, radians, cos(radians)


def _center(x: int, y: int) -> Position:
    """The middle of a cell of step 26."""
    west, east = _bounds(x, MAX_STEP, MAX_LONGITUDE)
    south, north = _bounds(y, MAX_STEP, MAX_LATITUDE)
    longitude = (west + east) / 2
    latitude = (south + north) / 2
    return (
        max(min(longitude, MAX_LONGITUDE), -MAX_LONGITUDE),
        max(min(latitude, MAX_LATITUDE), -MAX_LATITUDE),
    )


def text(score: float) -> bytes:
    """The standard geohash of eleven characters, which knows latitudes to 90 degrees; the last one is always 0."""
    longitude, latitude = decode(score)
    bits = interleave(_cell(longitude, latitude, MAX_STEP, 90.0))
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
    return _DIAMETER * asin(root) if root <= 1.0 else nan


def format_distance(length: float) -> bytes:
    """With four decimals, rounded in binary: what is exactly between two after multiplying goes to the even one."""
    return b"%d.%04d" % divmod(round(length * 10000.0), 10000)


def format_degrees(angle: float) -> bytes:
    """With as many of 17 decimals as it has."""
    return (b"%.17f" % angle).rstrip(b"0").rstrip(b".")


# --- areas ----------------------------------------------------------------------------------------------------------


class Shape:
    """A circle or a box around ``center``; lengths are in a unit of ``unit`` metres, as the client gave them.

    A circle has a ``radius``, else it is None; a box ``width`` and ``height`` (whole ones, not halves).
    """

    __slots__ = ("center", "height", "radius", "unit", "width")

    def __init__(self) -> None:
        self.center: Position = (0.0, 0.0)
        self.radius: float | None = None
        self.width = 0.0
        self.height = 0.0
        self.unit = 1.0

    def reach(self) -> float:
        """The distance from the centre to the farthest point, in metres."""
        if self.radius is not None:
            return self.radius * self.unit
        return sqrt((self.width / 2) * (self.width / 2) + (self.height / 2) * (self.height / 2)) * self.unit

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north end. Where a pole is inside, longitudes mean nothing (as in Redis)."""
        longitude, latitude = self.center
        height = self.unit * (self.height / 2 if self.radius is None else self.radius)
        width = self.unit * (self.width / 2 if self.radius is None else self.radius)
        up = height / EARTH_RADIUS / _RADIANS
        # The parallel nearer to the pole is the shorter one.
        at = latitude - up if latitude < 0 else latitude + up
        aside = nan if isinf(at) else width / EARTH_RADIUS / cos(at * _RADIANS) / _RADIANS
        return longitude - aside, latitude - up, longitude + aside, latitude + up

    def _distance_in_box(self, center: Place, there: Place) -> float | None:
        """The distance from the centre in metres, None outside."""
        if latitude_distance(there, center) > self.height * self.unit / 2:
            return None
        if distance(there, (center[0], there[1], center[2], there[3], there[4])) > self.width * self.unit / 2:
            return None
        return distance(center, there)

    def select(self, frame: Frame, pairs: Iterable[tuple[bytes, float]], limit: int = 0) -> list[Found]:
        """Those of the members (with scores of :func:`cells`) that are inside; with a limit, the first ones."""
        if self.radius is not None:
            return _select_circle(self.center, self.radius * self.unit, frame, pairs, limit)
        found: list[Found] = []
        center = _place_at(*self.center)
        for member, score in pairs:
            there = place(score)
            length = self._distance_in_box(center, there)
            if length is not None:
                found.append((length, member, score, there[:2]))
                if len(found) == limit:
                    break
        return found


def _select_circle(
    center: Position, radius: float, frame: Frame, pairs: Iterable[tuple[bytes, float]], limit: int
) -> list[Found]:
    """`distance` for many members, written out: half the time. Most of those outside are seen to be by the frame."""
    found: list[Found] = []
    _, _, lon1, lat1, cos1 = _place_at(*center)
    west, east = frame.longitudes()
    south, north = frame.south, frame.north
    for member, score in pairs:
        longitude, latitude, lon2, lat2, cos2 = place(score)
        if latitude < south or latitude > north or longitude < west or longitude > east:
            continue
        v = sin((lon2 - lon1) / 2)
        if v == 0.0:
            length = EARTH_RADIUS * abs(lat2 - lat1)
        else:
            u = sin((lat2 - lat1) / 2)
            root = sqrt(u * u + cos1 * cos2 * v * v)
            length = _DIAMETER * asin(root) if root <= 1.0 else nan
        if not length > radius:
            found.append((length, member, score, (longitude, latitude)))
            if len(found) == limit:
                break
    return found


class Frame:
    """What certainly holds a whole shape, in longitude and latitude: cells outside of it need no look.

    A point at the angular distance r from the centre has sin(r/2) >= sqrt(cos(lat1) cos(lat2)) sin(dlon/2), and both
    cosines are at least that of the latitude farthest from the equator. The margins are wide for rounding errors.
    """

    __slots__ = ("aside", "longitude", "north", "south")

    def __init__(self, shape: Shape) -> None:
        self.longitude, latitude = shape.center
        height = shape.height / 2 if shape.radius is None else shape.radius
        width = shape.width / 2 if shape.radius is None else shape.radius
        up = height * shape.unit / EARTH_RADIUS / _RADIANS * 1.000001 + 1e-5
        self.south, self.north = latitude - up, latitude + up
        self.aside = inf
        angle = width * shape.unit / EARTH_RADIUS
        if angle < pi:
            sine = sin(angle / 2) / cos(min(abs(latitude) + up, MAX_LATITUDE) * _RADIANS) * 1.000001
            if sine < 1.0:
                self.aside = 2 * asin(sine) / _RADIANS + 1e-5

    def longitudes(self) -> tuple[float, float]:
        """The westmost and the eastmost; all there are where it reaches across the date line."""
        west, east = self.longitude - self.aside, self.longitude + self.aside
        return (west, east) if west >= -MAX_LONGITUDE and east <= MAX_LONGITUDE else (-inf, inf)

    def touches(self, cell: Cell, step: int) -> bool:
        """Whether the cell (none beyond the last ones) and the frame have anything in common."""
        south, north = _bounds(cell[1], step, MAX_LATITUDE)
        if north < self.south or south > self.north:
            return False
        west, east = _bounds(cell[0], step, MAX_LONGITUDE)
        middle = (west + east) / 2
        apart = abs(middle - self.longitude)
        return min(apart, 360.0 - apart) - (east - middle) <= self.aside

    def covers(self, cell: Cell, step: int) -> bool:
        """Whether the whole cell is in the frame."""
        south, north = _bounds(cell[1], step, MAX_LATITUDE)
        if south < self.south or north > self.north:
            return False
        west, east = _bounds(cell[0], step, MAX_LONGITUDE)
        middle = (west + east) / 2
        apart = abs(middle - self.longitude)
        return min(apart, 360.0 - apart) + (east - middle) <= self.aside


def _estimate_step(reach: float, latitude: float) -> int:
    """A step at which nine cells cover what is within ``reach`` metres, most of the time."""
    if reach == 0:
        return MAX_STEP
    step = -1
    while reach < _WIDEST:
        reach *= 2
        step += 1
    if abs(latitude) > 66:
        step -= 2 if abs(latitude) > 80 else 1
    return min(max(step, 1), MAX_STEP)


def _neighbour(cell: Cell, step: int, dx: int, dy: int) -> Cell:
    """Around the globe in both directions; a coordinate that does not move stays even if it is beyond the last cell."""
    mask = (1 << step) - 1
    return (cell[0] + dx & mask if dx else cell[0]), (cell[1] + dy & mask if dy else cell[1])


_DIRECTIONS: Final[tuple[Cell, ...]] = (
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
)
"""The order in which cells are searched: the centre's, N, S, E, W, NE, NW, SE, SW."""


def _covered(cell: Cell, step: int, bounds: tuple[float, float, float, float]) -> bool:
    """Whether the neighbours reach as far as the area."""
    west, south, east, north = bounds
    return not (
        _bounds(_neighbour(cell, step, 0, 1)[1], step, MAX_LATITUDE)[1] < north
        or _bounds(_neighbour(cell, step, 0, -1)[1], step, MAX_LATITUDE)[0] > south
        or _bounds(_neighbour(cell, step, 1, 0)[0], step, MAX_LONGITUDE)[1] < east
        or _bounds(_neighbour(cell, step, -1, 0)[0], step, MAX_LONGITUDE)[0] > west
    )


def scores_of(cell: Cell, step: int) -> tuple[float, float]:
    """The scores of a cell; the second one is excluded."""
    bits = interleave(cell)
    shift = 2 * (MAX_STEP - step)
    return float(bits << shift), float(bits + 1 << shift)


def quarters(cell: Cell, step: int) -> tuple[Cell, ...]:
    """The four cells of the next step that make up this one, lowest scores first; none for one beyond the last."""
    x, y = cell
    if step == MAX_STEP or x >> step or y >> step:
        return ()
    x, y = x * 2, y * 2
    return (x, y), (x, y + 1), (x + 1, y), (x + 1, y + 1)


def cells(shape: Shape) -> Iterator[tuple[Cell, int]]:
    """Cells, with their step, in which all positions of the area are: in the order in which they are searched."""
    bounds = shape.bounds()
    west, south, east, north = bounds
    longitude, latitude = shape.center
    step = _estimate_step(shape.reach(), latitude)
    cell = _cell(longitude, latitude, step)
    if step > 1 and not _covered(cell, step, bounds):
        step -= 1
        cell = _cell(longitude, latitude, step)
    own_x, own_y = _bounds(cell[0], step, MAX_LONGITUDE), _bounds(cell[1], step, MAX_LATITUDE)
    left_out: set[Cell] = set()
    if step >= 2:
        # Neighbours at a side where the centre's cell itself reaches farther than the area.
        for direction in _DIRECTIONS:
            dx, dy = direction
            if (
                (dy < 0 and own_y[0] < south)
                or (dy > 0 and own_y[1] > north)
                or (dx < 0 and own_x[0] < west)
                or (dx > 0 and own_x[1] > east)
            ):
                left_out.add(direction)
    last = (-1, -1)
    for direction in _DIRECTIONS:
        if direction in left_out:
            continue
        found = _neighbour(cell, step, *direction)
        if found == last:
            continue  # with four cells only, both sides are the same
        yield found, step
        if direction != (0, 0):
            last = found
