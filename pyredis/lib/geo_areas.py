"""Circles and boxes on the earth: the cells to look into, and which of the members in them are inside.

The cell of the centre and its eight neighbours are searched, at a step where these cover the area: which cells, and in
which order, decides what clients get and in which order. What is certainly outside of the area (its `Frame`) is left
out sooner: whole cells, their parts, and members before their distance is computed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import asin, cos, frexp, inf, isinf, nan, pi, sin, sqrt
from typing import Final

from pyredis.lib.geohash import (
    DIAMETER,
    EARTH_RADIUS,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    MAX_STEP,
    RADIANS,
    Place,
    Position,
    bounds,
    cell,
    interleave,
    place,
)

_WIDEST: Final = 20037726.37
"""Half the circumference at the equator, in the projection of the geohash."""

Found = tuple[float, bytes, float, Place]
"""The distance from a centre in metres, the member, its score and its place."""
Area = tuple[float, float, int, int, int]
"""A cell: its lowest score, the one behind its highest, the interval numbers, the step."""
_Interval = tuple[int, float, float]
"""Its number, the lower and the upper end."""


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

    def plan(self) -> tuple[Frame, tuple[Area, ...]]:
        """The frame and the cells to search; those of shapes that come again and again are remembered."""
        return _plan(self.center, self.radius, self.width, self.height, self.unit)

    def reach(self) -> float:
        """The distance from the centre to the farthest point, in metres."""
        if self.radius is not None:
            return self.radius * self.unit
        return sqrt((self.width / 2) * (self.width / 2) + (self.height / 2) * (self.height / 2)) * self.unit

    def halves(self) -> tuple[float, float]:
        """How far it reaches to one side, and up, in metres."""
        if self.radius is not None:
            return self.unit * self.radius, self.unit * self.radius
        return self.unit * (self.width / 2), self.unit * (self.height / 2)

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north end. Where a pole is inside, longitudes mean nothing (as in Redis)."""
        longitude, latitude = self.center
        width, height = self.halves()
        up = height / EARTH_RADIUS / RADIANS
        # The parallel nearer to the pole is the shorter one.
        at = latitude - up if latitude < 0 else latitude + up
        aside = nan if isinf(at) else width / EARTH_RADIUS / cos(at * RADIANS) / RADIANS
        return longitude - aside, latitude - up, longitude + aside, latitude + up


class Frame:
    """What certainly holds a whole shape, in longitude and latitude: what is outside of it needs no closer look.

    A point at the angular distance r from the centre has sin(r/2) >= sqrt(cos(lat1) cos(lat2)) sin(dlon/2), and both
    cosines are at least that of the latitude farthest from the equator. The margins are wide for rounding errors.
    """

    __slots__ = ("aside", "east", "longitude", "north", "shape", "south", "west")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        longitude, latitude = shape.center
        self.longitude = longitude
        width, height = shape.halves()
        up = height / EARTH_RADIUS / RADIANS * 1.000001 + 1e-5
        self.south, self.north = latitude - up, latitude + up
        self.aside = aside = self._aside(width / EARTH_RADIUS, min(abs(latitude) + up, MAX_LATITUDE))
        west, east = longitude - aside, longitude + aside
        if west < -MAX_LONGITUDE or east > MAX_LONGITUDE:
            west, east = -inf, inf  # across the date line
        self.west, self.east = west, east

    @staticmethod
    def _aside(angle: float, latitude: float) -> float:
        if angle < pi:
            sine = sin(angle / 2) / cos(latitude * RADIANS) * 1.000001
            if sine < 1.0:
                return 2 * asin(sine) / RADIANS + 1e-5
        return inf

    def touches_longitudes(self, west: float, east: float) -> bool:
        """Whether the frame and what is between two longitudes have anything in common, around the globe."""
        middle = (west + east) / 2
        apart = abs(middle - self.longitude)
        return (apart if apart <= 180.0 else 360.0 - apart) - (east - middle) <= self.aside

    def touches_latitudes(self, south: float, north: float) -> bool:
        """The same for latitudes."""
        return north >= self.south and south <= self.north

    def covers(self, area: Area) -> bool:
        """Whether a whole cell is in the frame."""
        _, _, x, y, step = area
        south, north = bounds(y, step, MAX_LATITUDE)
        if south < self.south or north > self.north:
            return False
        west, east = bounds(x, step, MAX_LONGITUDE)
        middle = (west + east) / 2
        apart = abs(middle - self.longitude)
        return (apart if apart <= 180.0 else 360.0 - apart) + (east - middle) <= self.aside

    def parts(self, area: Area) -> list[Area]:
        """The quarters of a cell that touch the frame, highest scores first; the cell must have some."""
        low, _, x, y, step = area
        step += 1
        size = float(1 << 2 * (MAX_STEP - step))
        x += x
        y += y
        rows = [d for d in (1, 0) if self.touches_latitudes(*bounds(y + d, step, MAX_LATITUDE))]
        found: list[Area] = []
        if rows:
            for dx in (1, 0):
                if self.touches_longitudes(*bounds(x + dx, step, MAX_LONGITUDE)):
                    for dy in rows:
                        begin = low + (2 * dx + dy) * size
                        found.append((begin, begin + size, x + dx, y + dy, step))
        return found

    def select(self, members: Iterable[bytes], scores: Iterable[float], found: list[Found], limit: int) -> None:
        """Append to ``found`` those that are inside, until there are ``limit`` of them (0: all)."""
        shape = self.shape
        if shape.radius is None:
            self._select_box(shape.height * shape.unit / 2, shape.width * shape.unit / 2, members, scores, found, limit)
        else:
            self._select_circle(shape.radius * shape.unit, members, scores, found, limit)

    def _select_circle(
        self, radius: float, members: Iterable[bytes], scores: Iterable[float], found: list[Found], limit: int
    ) -> None:
        """``geohash.distance`` for many members, written out."""
        west, east, south, north = self.west, self.east, self.south, self.north
        lon1, lat1 = self.longitude * RADIANS, self.shape.center[1] * RADIANS
        cos1 = cos(lat1)
        # What makes a chord so long is outside without a closer look; the margin is wide for rounding errors.
        most = sin(radius / DIAMETER) ** 2 * 1.000001 + 1e-18 if radius < EARTH_RADIUS else inf
        for member, score, there in zip(members, scores, map(place, scores)):
            longitude, latitude, lon2, lat2, cos2 = there
            if not (south <= latitude <= north and west <= longitude <= east):
                continue
            v = sin((lon2 - lon1) / 2)
            if v == 0.0:
                length = EARTH_RADIUS * abs(lat2 - lat1)
            else:
                u = sin((lat2 - lat1) / 2)
                chord = u * u + cos1 * cos2 * v * v
                if chord > most:
                    continue
                root = sqrt(chord)
                length = DIAMETER * asin(root) if root <= 1.0 else nan
            if not length > radius:
                found.append((length, member, score, there))
                if len(found) == limit:
                    return

    def _select_box(
        self,
        height: float,
        width: float,
        members: Iterable[bytes],
        scores: Iterable[float],
        found: list[Found],
        limit: int,
    ) -> None:
        """The same for a box, half of whose sides are given in metres: a width is measured along its parallel."""
        west, east, south, north = self.west, self.east, self.south, self.north
        lon1, lat1 = self.longitude * RADIANS, self.shape.center[1] * RADIANS
        cos1 = cos(lat1)
        for member, score, there in zip(members, scores, map(place, scores)):
            longitude, latitude, lon2, lat2, cos2 = there
            if not (south <= latitude <= north and west <= longitude <= east):
                continue
            if EARTH_RADIUS * abs(lat1 - lat2) > height:
                continue
            v = sin((lon2 - lon1) / 2)
            if v == 0.0:
                length = EARTH_RADIUS * abs(lat2 - lat1)
            else:
                root = sqrt(cos2 * cos2 * v * v)
                if root <= 1.0 and DIAMETER * asin(root) > width:
                    continue
                u = sin((lat2 - lat1) / 2)
                root = sqrt(u * u + cos1 * cos2 * v * v)
                length = DIAMETER * asin(root) if root <= 1.0 else nan
            found.append((length, member, score, there))
            if len(found) == limit:
                return


def _estimate_step(reach: float, latitude: float) -> int:
    """A step at which nine cells cover what is within ``reach`` metres, most of the time."""
    if reach == 0:
        return MAX_STEP
    step = -1
    if reach < _WIDEST:
        # How often it must be doubled.
        mantissa, exponent = frexp(reach)
        widest, most = frexp(_WIDEST)
        step += most - exponent + (mantissa < widest)
    if abs(latitude) > 66:
        step -= 2 if abs(latitude) > 80 else 1
    return min(max(step, 1), MAX_STEP)


def _around(number: int, step: int, limit: float) -> tuple[_Interval, _Interval, _Interval]:
    """An interval, the next and the one before (as -1 is an index), around the globe.

    The interval itself stays even if it is beyond the last one.
    """
    mask = (1 << step) - 1
    before, after = number - 1 & mask, number + 1 & mask
    low, high = bounds(number, step, limit)
    if 0 < number < mask:
        # Neighbours in the middle share their ends.
        return (
            (number, low, high),
            (after, high, bounds(after, step, limit)[1]),
            (before, bounds(before, step, limit)[0], low),
        )
    return (number, low, high), (after, *bounds(after, step, limit)), (before, *bounds(before, step, limit))


_DIRECTIONS: Final = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""The order in which cells are searched: the centre's, N, S, E, W, NE, NW, SE, SW."""


@lru_cache(maxsize=512)
def _plan(
    center: Position, radius: float | None, width: float, height: float, unit: float
) -> tuple[Frame, tuple[Area, ...]]:
    shape = Shape()
    shape.center, shape.radius, shape.width, shape.height, shape.unit = center, radius, width, height, unit
    frame = Frame(shape)
    return frame, tuple(_areas(shape, frame))


def _areas(shape: Shape, frame: Frame) -> list[Area]:
    """Cells in which all positions of the shape are, in the order in which they are searched.

    Those that have nothing in common with the frame are left out.
    """
    west, south, east, north = shape.bounds()
    longitude, latitude = shape.center
    step = _estimate_step(shape.reach(), latitude)
    x, y = cell(longitude, latitude, step)
    columns, rows = _around(x, step, MAX_LONGITUDE), _around(y, step, MAX_LATITUDE)
    if step > 1 and (rows[1][2] < north or rows[-1][1] > south or columns[1][2] < east or columns[-1][1] > west):
        # The neighbours do not reach as far as the area.
        step -= 1
        x, y = cell(longitude, latitude, step)
        columns, rows = _around(x, step, MAX_LONGITUDE), _around(y, step, MAX_LATITUDE)
    # Neighbours at a side where the centre's cell itself reaches farther than the area are not searched.
    narrow = step >= 2
    no_row = (False, narrow and rows[0][2] > north, narrow and rows[0][1] < south)
    no_column = (False, narrow and columns[0][2] > east, narrow and columns[0][1] < west)
    row_touches = [frame.touches_latitudes(low, high) for _, low, high in rows]
    column_touches = [frame.touches_longitudes(low, high) for _, low, high in columns]
    shift = 2 * (MAX_STEP - step)
    last = (-1, -1)
    found: list[Area] = []
    for dx, dy in _DIRECTIONS:
        if no_column[dx] or no_row[dy]:
            continue
        x, y = columns[dx][0], rows[dy][0]
        if (x, y) == last:
            continue  # with four cells only, both sides are the same
        if dx or dy:
            last = x, y
        if row_touches[dy] and column_touches[dx]:
            bits = interleave(x, y)
            found.append((float(bits << shift), float(bits + 1 << shift), x, y, step))
    return found


def divisible(area: Area) -> bool:
    """Whether a cell has parts: not the smallest ones, nor those beyond the last."""
    _, _, x, y, step = area
    return step < MAX_STEP and not (x >> step or y >> step)
