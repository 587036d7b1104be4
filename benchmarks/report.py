"""What was measured, as Markdown, JSON and (if matplotlib is installed) a picture."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import goals, memory, moments, persistence, replication, scaling, throughput
from benchmarks.throughput import median

FORMAT = 1  # of the JSON file


@dataclass
class Results:
    """All that one run measured. Sections that were not asked for are empty."""

    names: list[str]  # of the servers, ours first and redis-server last
    about: dict[str, str]  # machine, versions, command: title → text
    throughput: list[throughput.Measured] = field(default_factory=list)
    keyspace: int = 0
    memory: list[memory.Measured] = field(default_factory=list)
    scaling: list[scaling.Measured] = field(default_factory=list)
    start_seconds: dict[str, list[float]] = field(default_factory=dict)
    expiry: list[moments.Expired] = field(default_factory=list)
    replication: replication.Measured | None = None
    persistence: persistence.Measured | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """Which servers are compared: ours with each other one, and each other one with redis-server."""
        ours, *others = self.names
        return [(ours, other) for other in others] + [(other, others[-1]) for other in others[:-1]]


def spread(values: list[float]) -> str:
    """The median and the range of ratios: ``0.97 (0.95–1.01)``."""
    if not values:
        return "–"
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def markdown_table(header: list[str], lines: list[list[str]]) -> str:
    """A Markdown table with its columns padded, so that it reads well in a terminal too."""
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]

    def one(line: list[str]) -> str:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join([("-" * (w + 1) + ":") if i else ("-" * (w + 2)) for i, w in enumerate(widths)]) + "|"
    return "\n".join([one(header), rule, *map(one, lines)])


def _columns(names: list[str], *titles: str) -> list[str]:
    return [f"{title} {name}" for title in titles for name in names]


def throughput_cells(results: Results, measured: throughput.Measured) -> list[str]:
    """One line of the throughput table."""
    samples = [measured.samples[name] for name in results.names]
    foreign = [share for s in samples for share in s.foreign]
    return [
        measured.row,
        str(measured.pipeline),
        *[spread(measured.ratios(a, b)) for a, b in results.pairs()],
        *[f"{median(s.rps) / 1000:.1f}" for s in samples],
        *[f"{median(s.p50_ms):.2f}" for s in samples],
        *[f"{median(s.p99_ms):.2f}" for s in samples],
        *[f"{median(s.cpu_us):.2f}" if s.cpu_us else "–" for s in samples],
        f"{median(foreign):.0%}" if foreign else "–",
    ]


def throughput_table(results: Results) -> str:
    """The rows of redis-benchmark."""
    ratios = [f"{a} ÷ {b}" for a, b in results.pairs()]
    columns = _columns(results.names, "krps", "p50 ms", "p99 ms", "CPU µs")
    lines = [throughput_cells(results, measured) for measured in results.throughput]
    return markdown_table(["row", "P", *ratios, *columns, "others"], lines)


def memory_table(results: Results) -> str:
    """Whole resident memory, and what a million keys (or elements) add."""
    mb = 1e6
    header = ["row", "keys", *[f"RSS {a} ÷ {b}" for a, b in results.pairs()]]
    header += _columns(results.names, "RSS MB", "MB per million")
    lines = []
    for measured in results.memory:
        ratios = [f"{measured.ratio(a, b):.2f}" for a, b in results.pairs()]
        rss = [f"{measured.after[name] / mb:.0f}" for name in results.names]
        added = [f"{measured.per_million(name) / mb:.0f}" for name in results.names]
        lines.append([measured.row, f"{measured.keys:,}", *ratios, *rss, *added])
    return markdown_table(header, lines)


def scaling_table(results: Results) -> str:
    """Cost of a command by size, the growth from the smallest to the largest, and the first command of all."""
    sizes = sorted({measured.size for measured in results.scaling})
    header = ["operation"]
    for name in results.names:
        header += [f"{name} {size:.0e}".replace("e+0", "e") for size in sizes]
        header += [f"{name} growth", f"{name} first ms"]
    lines = []
    for row, by_size in goals.by_row(results.scaling).items():
        line = [row]
        for name in results.names:
            costs = [by_size[size].cost(name) for size in sizes]
            line += [f"{cost:.2f}" for cost in costs]
            line += [f"{costs[-1] / costs[0]:.1f}", f"{by_size[sizes[-1]].samples[name].first_ms:.1f}"]
        lines.append(line)
    return markdown_table(header, lines)


def moments_tables(results: Results) -> str:
    """Start, and keys that expire at once."""
    parts = []
    if results.start_seconds:
        lines = [
            [name, f"{median(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}", str(len(values))]
            for name, values in results.start_seconds.items()
        ]
        header = ["from start to first PONG, s", "median", "least", "most", "starts"]
        parts.append(markdown_table(header, lines))
    if results.expiry:
        lines = [
            [
                f"{expired.keys:,}",
                name,
                f"{median(expired.gone_seconds[name]):.2f}",
                f"{median(expired.stall_ms[name]):.1f}",
                f"{median(expired.idle_stall_ms[name]):.1f}",
            ]
            for expired in results.expiry
            for name in results.names
        ]
        header = ["keys due at once", "server", "gone after s", "longest stall ms", "without expiry ms"]
        parts.append(markdown_table(header, lines))
    return "\n\n".join(parts)


def replication_table(measured: replication.Measured) -> str:
    """One line for each server."""
    header = [
        "master and replica",
        f"sync of {measured.keys:,} keys, s",
        "master + MB",
        "krps alone",
        "krps with replica",
        "lag p99 ms",
    ]
    lines = [
        [
            name,
            f"{median(measured.sync_seconds[name]):.2f}",
            f"{median(measured.master_added_mb[name]):.1f}",
            f"{median(measured.alone_rps[name]) / 1000:.1f}",
            f"{median(measured.replica_rps[name]) / 1000:.1f}",
            f"{median(measured.lag_p99_ms[name]):.2f}",
        ]
        for name in measured.sync_seconds
    ]
    return markdown_table(header, lines)


def persistence_table(measured: persistence.Measured) -> str:
    """One line for each server."""
    header = [
        f"{measured.keys:,} mixed keys",
        "save s",
        "load s",
        "p99 ms",
        "… during BGSAVE",
        "… during BGREWRITEAOF",
        "child MB",
        *[f"SET P=16 {policy}, krps" for policy in persistence.POLICIES],
    ]
    lines = [
        [
            name,
            f"{median(measured.save_seconds[name]):.2f}",
            f"{median(measured.load_seconds[name]):.2f}",
            f"{median(measured.quiet_p99_ms[name]):.2f}",
            f"{median(measured.save_p99_ms[name]):.2f}",
            f"{median(measured.rewrite_p99_ms[name]):.2f}",
            f"{median(measured.child_mb[name]):.0f}",
            *[f"{median(measured.rps[policy][name]) / 1000:.1f}" for policy in persistence.POLICIES],
        ]
        for name in measured.save_seconds
    ]
    return markdown_table(header, lines)


def markdown(results: Results, picture: str | None) -> str:
    """The whole page; ``picture`` is the name of the PNG beside it."""
    parts = ["# Benchmarks: pyredis beside redis-server"]
    parts.append("\n".join(f"- {title}: {text}" for title, text in results.about.items()))
    if lines := goals.check(results.names[0], results.names[-1], results):
        parts += ["## Goals", "\n".join(f"- {reached}: {goal}: {measured}" for goal, measured, reached in lines)]
    if picture is not None:
        parts.append(f"![Ratios, memory and growth]({picture})")
    if results.throughput:
        keys = f"random keys out of {results.keyspace:,}" if results.keyspace else "the same key again and again"
        parts += [
            "## redis-benchmark",
            f"{throughput.CLIENTS} clients, {keys}. Ratios are those of throughput within one round: their median and "
            "range over all rounds; everything else is the median over the rounds. krps: thousand commands per "
            "second. CPU: the server's processor time for one command. others: what other processes took of the "
            "machine meanwhile, in cores; where it is not near 0 %, a row is to be read with care.",
            throughput_table(results),
        ]
    if results.memory:
        parts += [
            "## Memory",
            "Resident memory (RSS) of a server started for each row, once it has settled; the ratio is that of the "
            "whole, MB per million is what the keys (or the elements of the one value) have added, for a million.",
            memory_table(results),
        ]
    if results.scaling:
        parts += [
            "## Growth with size",
            "The server's processor time for one command, in µs, on a value (or keyspace) of so many elements; one "
            f"connection, prepared commands in batches, the least of {scaling.ROUNDS} rounds. growth: the largest by "
            "the smallest size. first ms: the very first such command at the largest size, which may have to build "
            "what the others use.",
            scaling_table(results),
        ]
    if results.start_seconds or results.expiry:
        parts += [
            "## Start and expiry",
            "Stalls are the longest wait for a reply to DBSIZE, asked without pause until all keys are gone, or, "
            "without expiry, for as long before that.",
            moments_tables(results),
        ]
    if results.replication is not None:
        parts += [
            "## Replication",
            "A full synchronisation without a disk; what the master's resident memory grows meanwhile (its child not "
            "counted); SET at P=16 with random keys, without and with a replica, which shares the load generator's "
            "core; the time from a SET's reply until the replica has the value.",
            replication_table(results.replication),
        ]
    if results.persistence is not None:
        parts += [
            "## Persistence",
            "SAVE of mixed keys, and the start of a server that loads them; the round trips of a client that sets and "
            "gets keys meanwhile; what copying on write has cost in memory; SET with the append-only file.",
            persistence_table(results.persistence),
        ]
    return "\n\n".join(parts) + "\n"


def as_json(results: Results) -> str:
    """All samples."""
    data: dict[str, Any] = {"format": FORMAT, **dataclasses.asdict(results)}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def write(results: Results, directory: Path, stem: str, with_json: bool = True) -> list[Path]:
    """Write ``stem``.md, .json and, if matplotlib is there, .png; return the files."""
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    picture = directory / f"{stem}.png"
    try:
        from benchmarks import plot  # needs matplotlib, which is an extra
    except ImportError:
        drawn = False
    else:
        drawn = plot.draw(results, picture)
    if drawn:
        files.append(picture)
    page = directory / f"{stem}.md"
    page.write_text(markdown(results, picture.name if drawn else None), encoding="utf-8")
    files.append(page)
    if with_json:
        data = directory / f"{stem}.json"
        data.write_text(as_json(results), encoding="utf-8")
        files.append(data)
    return files
