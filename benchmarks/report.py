"""Tables of what was measured."""

from __future__ import annotations

from benchmarks.throughput import Measured, median

Table = tuple[list[str], list[list[str]]]


def spread(values: list[float]) -> str:
    """The median and the range of ratios: ``0.97 (0.95–1.01)``."""
    if not values:
        return "–"
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def thousands(rps: list[float]) -> str:
    """Requests per second, in thousands."""
    return f"{median(rps) / 1000:.1f}"


def throughput_header(names: list[str]) -> list[str]:
    """Column titles; ``names`` are the servers, ours first and redis-server last."""
    ratios = [f"{names[0]} ÷ {other}" for other in names[1:]] + [f"{name} ÷ {names[-1]}" for name in names[1:-1]]
    per_server = [f"{what} {name}" for what in ("krps", "p50 ms", "p99 ms", "CPU µs") for name in names]
    return ["row", "P", *ratios, *per_server]


def throughput_cells(measured: Measured) -> list[str]:
    """One line of the table."""
    names = list(measured.samples)
    pairs = [(names[0], other) for other in names[1:]] + [(name, names[-1]) for name in names[1:-1]]
    samples = list(measured.samples.values())
    return [
        measured.row,
        str(measured.pipeline),
        *[spread(measured.ratios(a, b)) for a, b in pairs],
        *[thousands(s.rps) for s in samples],
        *[f"{median(s.p50_ms):.2f}" for s in samples],
        *[f"{median(s.p99_ms):.2f}" for s in samples],
        *[f"{median(s.cpu_us):.2f}" if s.cpu_us else "–" for s in samples],
    ]


def markdown(header: list[str], lines: list[list[str]]) -> str:
    """A Markdown table with its columns padded, so that it reads well in a terminal too."""
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]

    def one(line: list[str]) -> str:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join([("-" * (w + 1) + ":") if i else ("-" * (w + 2)) for i, w in enumerate(widths)]) + "|"
    return "\n".join([one(header), rule, *map(one, lines)])
