"""What the project asks of itself in speed and memory, held against what was measured."""

from __future__ import annotations

from typing import Protocol

from benchmarks import memory, moments, persistence, replication, scaling, throughput
from benchmarks.throughput import median

# throughput by that of redis-server: pipeline depth, row → at least
UNPIPELINED = 0.95
UNPIPELINED_EXCEPT = ("LRANGE_300", "LRANGE_500", "LRANGE_600")
PIPELINED = {
    **dict.fromkeys(("SET", "GET", "INCR", "SADD", "HSET", "SPOP", "LPOP"), 0.65),
    "MSET": 0.8,
    "LRANGE_100": 0.7,
}
SCRIPTS_UNPIPELINED = 0.35
SCRIPTS_PIPELINED = 0.2
SMALL_STRINGS = 1_000_000
SMALL_STRINGS_RSS = 2.3  # at most, by that of redis-server
START_SECONDS = 0.4
GONE_SECONDS = 2.0  # 10,000 keys due at once
STALL_MS = 10.0
LARGE = 1_000_000  # elements; smaller runs say nothing about growth
# The cost at the largest size by that at the smallest: cache misses alone make up to 4 of it (redis-server's too), and
# an operation that walks its elements would show the quotient of the sizes, a thousand.
FLAT = 6.0
SYNC = 6.0  # seconds of a full synchronisation, at most, by those of redis-server
DISK = 6.0  # seconds of loading and saving, at most, by those of redis-server
EVERYSEC = 0.55  # throughput with appendfsync everysec, at least, by that of redis-server
REPLICATED = 0.6  # throughput with a replica, at least, by that of redis-server


class Sections(Protocol):
    """What is looked at of the results."""

    throughput: list[throughput.Measured]
    memory: list[memory.Measured]
    scaling: list[scaling.Measured]
    start_seconds: dict[str, list[float]]
    expiry: list[moments.Expired]
    replication: replication.Measured | None
    persistence: persistence.Measured | None


def by_row(measured: list[scaling.Measured]) -> dict[str, dict[int, scaling.Measured]]:
    """Row → size → figures, rows in their order."""
    rows: dict[str, dict[int, scaling.Measured]] = {}
    for one in measured:
        rows.setdefault(one.row, {})[one.size] = one
    return rows


def _unpipelined() -> dict[str, float]:
    plain = {row.name: UNPIPELINED for row in throughput.DEFAULT_ROWS if row.name not in UNPIPELINED_EXCEPT}
    return plain | _scripts(SCRIPTS_UNPIPELINED)


def _scripts(goal: float) -> dict[str, float]:
    return {row.name: goal for row in throughput.ROWS if row.fill == "SCRIPTS"}


def _grouped(goals: dict[str, float], measured: dict[str, float]) -> list[tuple[float, list[str]]]:
    """Goal → the rows that have it and were measured."""
    groups: dict[float, list[str]] = {}
    for row in measured:
        if row in goals:
            groups.setdefault(goals[row], []).append(row)
    return sorted(groups.items())


def check(ours: str, redis: str, sections: Sections) -> list[list[str]]:
    """Lines of goal, what was measured, and ``reached`` or ``missed``; only what this run can tell."""
    lines: list[list[str]] = []

    def line(goal: str, measured: str, reached: bool) -> None:
        lines.append([goal, measured, "reached" if reached else "**missed**"])

    for title, goals in (("P=1", _unpipelined()), ("P=16", PIPELINED | _scripts(SCRIPTS_PIPELINED))):
        depth = int(title[2:])
        ratios = {one.row: median(one.ratios(ours, redis)) for one in sections.throughput if one.pipeline == depth}
        for least, rows in _grouped(goals, ratios):
            missed = [f"{row} {ratios[row]:.2f}" for row in rows if ratios[row] < least]
            lowest = min(rows, key=lambda row: ratios[row])
            goal = f"{title}: throughput ≥ {least} × redis-server's for {', '.join(rows)}"
            line(goal, "short: " + ", ".join(missed) if missed else f"lowest {lowest} {ratios[lowest]:.2f}", not missed)
    if sections.memory and (loaded := sections.memory[0]).keys >= SMALL_STRINGS:
        ratio = loaded.ratio(ours, redis)
        goal = f"{loaded.keys:,} small strings: RSS ≤ {SMALL_STRINGS_RSS} × redis-server's"
        line(goal, f"{ratio:.2f}", ratio <= SMALL_STRINGS_RSS)
    if sections.start_seconds:
        seconds = median(sections.start_seconds[ours])
        line(f"start to first PONG < {START_SECONDS} s", f"{seconds:.3f} s", seconds < START_SECONDS)
    for expired in sections.expiry:
        if expired.keys != 10_000:
            continue
        gone, stall = median(expired.gone_seconds[ours]), median(expired.stall_ms[ours])
        line(f"10,000 keys due at once gone within {GONE_SECONDS:.0f} s", f"{gone:.2f} s", gone <= GONE_SECONDS)
        line(f"meanwhile no stall of more than {STALL_MS:.0f} ms", f"{stall:.1f} ms", stall <= STALL_MS)
    if sections.scaling and max(one.size for one in sections.scaling) >= LARGE:
        sizes = sorted({one.size for one in sections.scaling})
        growth = {
            row: by_size[sizes[-1]].cost(ours) / by_size[sizes[0]].cost(ours)
            for row, by_size in by_row(sections.scaling).items()
        }
        worst = max(growth, key=lambda row: growth[row])
        goal = f"every operation flat from {sizes[0]:,} to {sizes[-1]:,} elements (growth < {FLAT:.0f})"
        line(goal, f"most {growth[worst]:.1f} ({worst})", growth[worst] < FLAT)
    if (disk := sections.persistence) is not None:
        # The time of loading is that of a start, of which the start itself is most where there are few keys.
        whole = disk.keys >= SMALL_STRINGS
        for what, took in (("loaded", disk.load_seconds), ("saved", disk.save_seconds)) if whole else ():
            ratio = median(took[ours]) / median(took[redis])
            goal = f"{disk.keys:,} mixed keys {what} in ≤ {DISK:.0f} × redis-server's time"
            line(goal, f"{ratio:.1f}", ratio <= DISK)
        ratio = median(disk.rps["everysec"][ours]) / median(disk.rps["everysec"][redis])
        line(f"everysec, P=16: SET ≥ {EVERYSEC} × redis-server's", f"{ratio:.2f}", ratio >= EVERYSEC)
    if (measured := sections.replication) is not None:
        seconds = median(measured.sync_seconds[ours]) / median(measured.sync_seconds[redis])
        goal = f"full synchronisation of {measured.keys:,} keys in ≤ {SYNC:.0f} × redis-server's time"
        line(goal, f"{seconds:.1f}", seconds <= SYNC)
        ratio = median(measured.replica_rps[ours]) / median(measured.replica_rps[redis])
        goal = f"P=16: SET with a replica ≥ {REPLICATED} × redis-server's"
        line(goal, f"{ratio:.2f}", ratio >= REPLICATED)
    return lines
