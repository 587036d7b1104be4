"""Measure pyredis beside redis-server: ``python -m benchmarks.run --help``."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import click

from benchmarks import report, throughput
from benchmarks.servers import Kind, choose_cores, pin, running

HERE = Path(__file__).resolve().parent.parent


def numbers(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    """Parse ``1,16``."""
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter("numbers separated by commas, please") from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Fewer requests and rounds: to look, not to publish.")
@click.option("--rows", default="", help="Rows of redis-benchmark, separated by commas: set,get,lrange_100 (all).")
@click.option("-P", "--pipeline", "pipelines", default="1,16", callback=numbers, help="Pipeline depths (1,16).")
@click.option("-n", "--requests", type=int, help="Requests of one measurement (by pipeline depth and row).")
@click.option("-r", "--keyspace", default=0, help="Random keys out of so many, as redis-benchmark's -r.")
@click.option("--repeat", type=int, help="Rounds, in each of which the servers take turns (5, quick 2).")
@click.option("--server-path", type=click.Path(exists=True, path_type=Path), help="Checkout to measure (this one).")
@click.option("--baseline", type=click.Path(exists=True, path_type=Path), help="Another checkout, measured between.")
def main(
    quick: bool,
    rows: str,
    pipelines: list[int],
    requests: int | None,
    keyspace: int,
    repeat: int | None,
    server_path: Path | None,
    baseline: Path | None,
) -> None:
    """Start ours and redis-server, let them take turns, print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended then, too
    try:
        selected = throughput.select([name for name in rows.split(",") if name])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--rows") from None
    kinds = [Kind("ours", (server_path or HERE).resolve())]
    if baseline is not None:
        kinds.append(Kind("baseline", baseline.resolve()))
    kinds.append(Kind("redis", None))
    cores = choose_cores()
    pin(cores.load)
    sizes = throughput.QUICK_REQUESTS if quick else throughput.REQUESTS

    def count(row: throughput.Row, pipeline: int) -> int:
        if requests is not None:
            return requests
        return sizes[1 if pipeline == 1 else 16] // row.weight

    def progress(measured: throughput.Measured) -> None:
        cells = report.throughput_cells(measured)
        click.echo(f"{cells[0]} P={cells[1]}: {cells[2]}", err=True)

    rounds = repeat or (2 if quick else 5)
    with (
        tempfile.TemporaryDirectory(prefix="pyredis-bench-") as directory,
        running(kinds, Path(directory), cores.server) as servers,
    ):
        results = throughput.run(servers, selected, pipelines, rounds, count, keyspace, progress)
    header = report.throughput_header([kind.name for kind in kinds])
    click.echo(report.markdown(header, [report.throughput_cells(measured) for measured in results]))


if __name__ == "__main__":
    main()
