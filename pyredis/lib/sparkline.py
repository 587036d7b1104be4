"""Small charts of text: a bar of characters for each sample, its label below it, read from top to bottom."""

from __future__ import annotations

from typing import Final

_LEVELS: Final = "_o#"
"""The upper end of a bar, lowest first: each row of the chart tells three heights apart."""


def sparkline(samples: list[tuple[int, str]], columns: int, rows: int) -> str:
    """Draw ``(value, label)`` samples, ``columns`` to a chart; the scale is that of all of them together."""
    low = min(value for value, _ in samples)
    span = max(value for value, _ in samples) - low or 1
    charts = []
    for at in range(0, len(samples), columns):
        part = samples[at : at + columns]
        steps = len(_LEVELS) * rows
        heights = [min((value - low) * steps // span, steps - 1) for value, _ in part]
        lines = ["".join([_bar(height, row) for height in heights]) for row in range(rows - 1, -1, -1)]
        lines.append(" " * len(part))
        for row in range(max(len(label) for _, label in part)):
            lines.append("".join([label[row] if row < len(label) else " " for _, label in part]))
        charts.append("".join(line + "\n" for line in lines))
    return "\n".join(charts)


def _bar(height: int, row: int) -> str:
    """What a bar of so many steps shows in a row (0 is the lowest)."""
    level = height - row * len(_LEVELS)
    if level < 0:
        return " "
    return _LEVELS[level] if level < len(_LEVELS) else "|"
