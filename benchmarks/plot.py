"""The picture: ratios of throughput, growth with size, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure  # not pyplot: no windows, no state shared between pictures

from benchmarks import goals
from benchmarks.report import Results
from benchmarks.throughput import median

STYLES = (("-", "o"), ("--", "s"), (":", "^"))
COLORS = ("#3b6ea5", "#d98032", "#5a9a5a", "#8a6bb1")


def draw(results: Results, path: Path) -> bool:
    """Draw one panel for each section that was measured; False if there is nothing to draw."""
    panels = []
    if results.throughput:
        panels.append((_throughput, 3.0))
    if results.scaling:
        panels.append((_scaling, 2.0))
    if results.memory:
        panels.append((_memory, 2.0))
    if not panels:
        return False
    rows = max(len({one.row for one in results.throughput}), 12)
    figure = Figure(figsize=(1 + 6 * len(panels), 1.5 + 0.38 * rows), layout="constrained")
    axes = figure.subplots(
        1,
        len(panels),
        squeeze=False,
        width_ratios=[width for _, width in panels],
    )
    for axis, (panel, _) in zip(axes[0], panels):
        panel(results, axis)
    figure.savefig(path, dpi=110)
    return True


def _throughput(results: Results, axis: Any) -> None:
    """Bars of ours by redis-server for each row and pipeline depth, with the range over the rounds."""
    ours, redis = results.names[0], results.names[-1]
    rows = list(dict.fromkeys(one.row for one in results.throughput))
    depths = list(dict.fromkeys(one.pipeline for one in results.throughput))
    height = 0.8 / len(depths)
    for i, depth in enumerate(depths):
        measured = {one.row: one.ratios(ours, redis) for one in results.throughput if one.pipeline == depth}
        middles = [median(measured[row]) for row in rows]
        low = [m - min(measured[row]) for m, row in zip(middles, rows)]
        high = [max(measured[row]) - m for m, row in zip(middles, rows)]
        places = [j + (i - (len(depths) - 1) / 2) * height for j in range(len(rows))]
        axis.barh(
            places,
            middles,
            height=height * 0.9,
            color=COLORS[i % len(COLORS)],
            label=f"P={depth}",
            xerr=[low, high],
            error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": "#444444"},
        )
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(rows)), rows)
    axis.invert_yaxis()
    axis.set_xlabel(f"throughput, {ours} ÷ {redis} (median and range)")
    axis.set_title("redis-benchmark, 50 clients")
    axis.legend(loc="lower right")


def _scaling(results: Results, axis: Any) -> None:
    """Processor time by size, a line for each operation."""
    ours, redis = results.names[0], results.names[-1]
    for i, (row, sizes) in enumerate(goals.by_row(results.scaling).items()):
        costs = [one.cost(ours) for one in sizes.values()]
        style, marker = STYLES[i // 10 % len(STYLES)]
        axis.plot(list(sizes), costs, color=f"C{i % 10}", linestyle=style, marker=marker, linewidth=1.2, label=row)
    # one grey band says where redis-server is, without twenty more lines
    by_size: dict[int, list[float]] = {}
    for one in results.scaling:
        by_size.setdefault(one.size, []).append(one.cost(redis))
    axis.fill_between(
        list(by_size),
        [min(costs) for costs in by_size.values()],
        [max(costs) for costs in by_size.values()],
        color="#bbbbbb",
        alpha=0.5,
        label=f"{redis}, all of them",
    )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("elements")
    axis.set_ylabel("server CPU per command, µs (logarithmic)")
    axis.set_title("Growth with size")
    axis.grid(axis="y", which="both", linewidth=0.3)
    axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _memory(results: Results, axis: Any) -> None:
    """Bars of resident memory by redis-server's."""
    ours, redis = results.names[0], results.names[-1]
    rows = [one.row for one in results.memory]
    ratios = [one.ratio(ours, redis) for one in results.memory]
    axis.barh(rows, ratios, color=COLORS[0])
    for i, ratio in enumerate(ratios):
        axis.text(ratio, i, f" {ratio:.1f}", va="center", fontsize=8)
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel(f"resident memory, {ours} ÷ {redis}")
    axis.set_title("Memory")
