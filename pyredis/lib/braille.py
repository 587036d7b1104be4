"""A canvas of dots drawn with Unicode's braille characters: each character is 2 dots wide and 4 high."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Final

_BITS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot in a character, by row and column."""
_BLANK: Final = 0x2800


class Canvas:
    """``width`` and ``height`` in dots; (0, 0) is the upper left corner. Dots outside are not drawn."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.dots: set[tuple[int, int]] = set()

    def line(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """A straight line with both its ends."""
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            x, y = x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)
            if 0 <= x < self.width and 0 <= y < self.height:
                self.dots.add((x, y))

    def square(self, x: float, y: float, side: float, angle: float) -> None:
        """A square around its centre, turned by ``angle`` (radians)."""
        radius = side / 2**0.5
        corners = [
            (round(x + radius * sin(turn)), round(y + radius * cos(turn)))
            for turn in (angle + pi / 4 + k * pi / 2 for k in range(4))
        ]
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            self.line(x0, y0, x1, y1)

    def render(self) -> str:
        """The picture, a line of text for every 4 rows of dots."""
        columns, rows = (self.width + 1) // 2, (self.height + 3) // 4
        cells = [[_BLANK] * columns for _ in range(rows)]
        for x, y in self.dots:
            cells[y // 4][x // 2] |= _BITS[y % 4][x % 2]
        return "".join("".join(map(chr, row)) + "\n" for row in cells)
