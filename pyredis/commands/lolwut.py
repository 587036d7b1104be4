"""LOLWUT: a picture made by the computer, and the version. The pictures are those of Redis 5 and 6, drawn anew."""

from __future__ import annotations

from random import Random

from pyredis.core.args import get_int
from pyredis.core.client import Client
from pyredis.core.command import CMD_FAST, CMD_READONLY, command
from pyredis.lib.braille import Canvas
from pyredis.resp.reply import verbatim

_SHADES = ("\x1b[0;30;40m \x1b[0m", "\x1b[0;90;100m \x1b[0m", "\x1b[0;37;47m \x1b[0m")
"""Night, a wall, a lit window: a coloured space each."""


@command(
    b"LOLWUT",
    -1,
    CMD_READONLY | CMD_FAST,
    group="server",
    since="5.0.0",
    summary="Show generated art and the version.",
    usage="[VERSION version:int]",
)
def lolwut_command(c: Client, argv: list[bytes]) -> bytes | None:
    text = ""
    if len(argv) >= 3 and argv[1].lower() == b"version":
        version = get_int(argv[2])
        rng = c.server.rng
        if version == 5:
            columns, across, down = _sizes(argv[3:], ((66, 1000), (8, 200), (12, 200)))
            text = schotter(columns, across, down, rng) + "\nGeorg Nees - schotter, plotter on paper, 1968. "
        elif version == 6:
            columns, rows = _sizes(argv[3:], ((80, 1000), (20, 1000)))
            text = skyline(columns, rows, rng) + (
                "Dedicated to the 8 bit game developers of past and present.\n"
                "Original 8 bit image from Plaguemon by hikikomori. "
            )
    return verbatim(text.encode() + b"Redis ver. %b\n" % c.server.redis_version, c.resp)


def _sizes(words: list[bytes], limits: tuple[tuple[int, int], ...]) -> list[int]:
    """The numbers given, each between 1 and its maximum, and the default for those that are missing."""
    sizes = [default for default, _ in limits]
    for at, word in enumerate(words[: len(limits)]):
        sizes[at] = min(max(get_int(word), 1), limits[at][1])
    return sizes


def schotter(columns: int, across: int, down: int, rng: Random) -> str:
    """Squares in rows, orderly at the top, and the more turned and shifted the lower they are."""
    width = columns * 2
    padding = 2 if width > 4 else 0
    side = (width - padding * 2) / across
    canvas = Canvas(width, int(side * down + padding * 2))
    for row in range(down):
        disorder = row / down if row > 1 else 0.0
        for column in range(across):
            x, y = (column + 0.5) * side + padding, (row + 0.5) * side + padding
            angle, right, below = (rng.uniform(-disorder, disorder) for _ in range(3))
            canvas.square(x + right * side / 3, y + below * side / 3, side, angle)
    picture = canvas.render()
    # The line end is missing where Redis, too, leaves it out.
    return picture[:-1] if canvas.height % 4 == 1 else picture


def skyline(columns: int, rows: int, rng: Random) -> str:
    """A city by night: houses of different widths and heights, the near ones before the far, some windows lit."""
    cells = [[0] * columns for _ in range(rows)]
    for wall, tallest in ((1, rows * 9 // 10), (0, rows * 6 // 10), (1, rows * 4 // 10)):
        left = -rng.randrange(5)
        while left < columns:
            width, height = rng.randrange(8, 17), max(1, rng.randint(tallest // 2, max(tallest, 1)))
            _house(cells, left, width, height, wall, rng)
            left += width + rng.randrange(4)
    return "".join("".join([_SHADES[cell] for cell in row]) + "\n" for row in cells)


def _house(cells: list[list[int]], left: int, width: int, height: int, wall: int, rng: Random) -> None:
    rows, columns = len(cells), len(cells[0])
    for up in range(min(height, rows)):
        for across in range(width):
            x = left + across
            if 0 <= x < columns:
                cells[rows - 1 - up][x] = wall
    lit = {(x, y) for x in range(2, width - 2, 4) for y in range(2, height - 1, 4) if rng.random() < 0.4}
    for x, y in lit:
        for dx in (0, 1):
            at = left + x + dx
            if y < rows and 0 <= at < columns:
                cells[rows - 1 - y][at] = 2
