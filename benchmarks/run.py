"""Measure pyredis beside redis-server: ``python -m benchmarks.run --help``."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks import machine, memory, moments, persistence, replication, report, scaling, throughput
from benchmarks.servers import Cores, Kind, choose_cores, going_first, pin, revision, running

HERE = Path(__file__).resolve().parent.parent
SECTIONS = ("throughput", "memory", "scaling", "start", "expiry", "replication", "persistence")


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int
    requests: dict[int, int]
    keys: int
    sizes: list[int]
    operations: int
    starts: int
    expiring: list[int]
    expiry_rounds: int
    replication_rounds: int
    disk_rounds: int
    weighted: bool = True  # rows that take longer get fewer requests

    def count(self, row: throughput.Row, pipeline: int) -> int:
        """Requests of one measurement."""
        return self.requests[1 if pipeline == 1 else 16] // (row.weight if self.weighted else 1)


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    sections: list[str]
    rows: list[throughput.Row]
    pipelines: list[int]
    keyspace: int
    extent: Extent


FULL = Extent(9, throughput.REQUESTS, 1_000_000, [1_000, 100_000, 1_000_000], 20_000, 10, [10_000, 100_000], 5, 3, 3)
QUICK = Extent(2, throughput.QUICK_REQUESTS, 50_000, [1_000, 30_000], 3_000, 3, [10_000], 1, 1, 1)


def numbers(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    """Parse ``1,16``."""
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter("numbers separated by commas, please") from None


def words(context: click.Context, parameter: click.Parameter, value: str) -> list[str]:
    """Parse ``set,get``."""
    return [part.strip() for part in value.split(",") if part.strip()]


def say(text: str) -> None:
    """Progress, beside the output proper."""
    click.echo(text, err=True)


def saw_row(one: throughput.Measured) -> None:
    say(f"{one.row}, P={one.pipeline}: {report.spread(one.ratios('ours', 'redis'))}")


def saw_load(one: memory.Measured) -> None:
    say(f"{one.row}: {one.ratio('ours', 'redis'):.2f}")


def saw_size(one: scaling.Measured) -> None:
    say(f"{one.row}, {one.size:,}: " + ", ".join(f"{name} {one.cost(name):.2f} µs" for name in one.samples))


def measure_times(plan: Plan, kinds: list[Kind], directory: Path, cores: Cores, results: report.Results) -> None:
    """All sections but memory, which does not mind who else works meanwhile."""
    extent, core = plan.extent, cores.server
    with running(kinds, _own(directory, "throughput"), core) as servers:
        if "throughput" in plan.sections:
            results.throughput = throughput.run(
                servers, plan.rows, plan.pipelines, extent.rounds, extent.count, plan.keyspace, saw_row
            )
        if "scaling" in plan.sections:
            results.scaling = scaling.run(servers, extent.sizes, extent.operations, saw_size)
        if "expiry" in plan.sections:
            for keys in extent.expiring:
                results.expiry.append(moments.Expired(keys))
                for _ in range(extent.expiry_rounds):
                    for server in servers:
                        moments.expire(server, keys, results.expiry[-1])
    if "start" in plan.sections:
        results.start_seconds = moments.start_times(kinds, _own(directory, "start"), core, extent.starts)
    if "replication" in plan.sections:
        results.replication = replication.run(
            kinds,
            _own(directory, "replication"),
            (cores.server, cores.load),
            extent.keys,
            extent.requests[16],
            extent.replication_rounds,
        )
    if "persistence" in plan.sections:
        results.persistence = persistence.run(
            kinds,
            _own(directory, "persistence"),
            cores.server,
            extent.keys,
            extent.requests[16],
            extent.disk_rounds,
        )


def _own(directory: Path, section: str) -> Path:
    """A section's own directory: a server that starts where another has left a snapshot would load it."""
    folder = directory / section
    folder.mkdir()
    return folder


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Fewer requests, keys and rounds: to look, not to publish.")
@click.option(
    "--rows",
    default="",
    callback=words,
    help="Rows of redis-benchmark, separated by commas "
    "(set,get,lrange_100); nothing else is measured then, unless --only names it.",
)
@click.option("--only", default="", callback=words, help=f"Sections, out of {','.join(SECTIONS)}.")
@click.option("-P", "--pipeline", "pipelines", default="1,16", callback=numbers, help="Pipeline depths (1,16).")
@click.option("-n", "--requests", type=click.IntRange(1), help="Requests of one measurement of redis-benchmark.")
@click.option("-r", "--keyspace", default=0, help="Random keys out of so many, as redis-benchmark's -r.")
@click.option("--repeat", type=click.IntRange(1), help="Rounds, in each of which the servers take turns (9, quick 2).")
@click.option("--server-path", type=click.Path(exists=True, path_type=Path), help="Checkout to measure (this one).")
@click.option("--baseline", type=click.Path(exists=True, path_type=Path), help="Another checkout, measured beside.")
@click.option("--priority", is_flag=True, help="Go before other processes on a busy machine; Linux, as root.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=HERE / "benchmarks" / "results",
    help="Directory for latest.md, .json and .png and dated copies (benchmarks/results).",
)
@click.option("--publish", is_flag=True, help="Write docs/benchmarks.md and its picture, too.")
def main(
    quick: bool,
    rows: list[str],
    only: list[str],
    pipelines: list[int],
    requests: int | None,
    keyspace: int,
    repeat: int | None,
    server_path: Path | None,
    baseline: Path | None,
    priority: bool,
    output: Path,
    publish: bool,
) -> None:
    """Start ours and redis-server, measure them in turns, write tables and a picture."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended then, too
    if unknown := set(only) - set(SECTIONS):
        raise click.BadParameter(f"no section {', '.join(unknown)}", param_hint="--only")
    try:
        selected = throughput.select(rows)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rows") from None
    if priority and not (sys.platform.startswith("linux") and os.geteuid() == 0):
        raise click.UsageError("--priority needs Linux and root")
    extent = QUICK if quick else FULL
    if repeat is not None:
        extent = replace(extent, rounds=repeat)
    if requests is not None:
        extent = replace(extent, requests=dict.fromkeys((1, 16), requests), weighted=False)
    plan = Plan(only or (["throughput"] if rows else list(SECTIONS)), selected, pipelines, keyspace, extent)

    kinds = [Kind("ours", (server_path or HERE).resolve())]
    if baseline is not None:
        kinds.append(Kind("baseline", baseline.resolve()))
    kinds.append(Kind("redis", None))
    started = time.time()
    cores = choose_cores()
    pin(cores.load)
    results = report.Results([kind.name for kind in kinds], _about(kinds, str(cores), started), keyspace=keyspace)
    with tempfile.TemporaryDirectory(prefix="pyredis-bench-") as directory:
        with going_first() if priority else nullcontext():
            measure_times(plan, kinds, Path(directory), cores, results)
        if "memory" in plan.sections:
            results.memory = memory.run(kinds, _own(Path(directory), "memory"), cores.server, extent.keys, saw_load)
    results.about["rounds"] = f"{extent.rounds} of redis-benchmark; the servers take turns, the others idle meanwhile"
    results.about["duration"] = f"{time.time() - started:.0f} s; load average at the end {machine.load()}"

    files = report.write(results, output, "latest")
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(started))
    files += report.write(results, output, f"{stamp}-{revision(kinds[0].checkout or HERE)}")
    if publish:
        files += report.write(results, HERE / "docs", "benchmarks", with_json=False)
    click.echo(report.markdown(results, None))
    if not any(file.suffix == ".png" for file in files):
        say("no picture: it needs matplotlib, which the extra 'bench' installs (pip install 'pyredis[bench]')")
    for file in files:
        say(f"wrote {file}")


def _about(kinds: list[Kind], cores: str, started: float) -> dict[str, str]:
    """Where the figures come from."""
    about = {
        "command": f"`python -m benchmarks.run {shlex.join(sys.argv[1:])}`",
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started)),
        "machine": f"{machine.describe()}; {cores}; load average {machine.load()} before we began",
        "Python": machine.python(),
    }
    for kind in kinds:
        about[kind.name] = kind.version()
    return about


if __name__ == "__main__":
    main()
