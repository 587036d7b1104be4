"""``pyredis rdb-to-json``: what a snapshot holds, as JSON, or as a report of what takes the room."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from time import time

import click

from pyredis.cli.rdb_records import JsonSink
from pyredis.cli.rdb_report import ReportSink
from pyredis.cli.tools import ToolCommand, ToolError, open_file, with_progress
from pyredis.lib.glob import compile_filter
from pyredis.persistence.rdb_format import EncodingLimits, RdbError
from pyredis.persistence.rdb_reader import RdbReader
from pyredis.persistence.rdb_scan import scan

TYPES = ("string", "list", "set", "zset", "hash", "stream", "module")


class _Lines:
    """Where records go: one a line, or the elements of one array."""

    def __init__(self, array: bool) -> None:
        self._array = array
        self._out = sys.stdout.buffer
        self._between = b"[\n" if array else b""

    def write(self, record: str) -> None:
        self._out.write(self._between + record.encode() + (b"" if self._array else b"\n"))
        if self._array:
            self._between = b",\n"

    def end(self) -> None:
        if self._array:
            self._out.write(b"[]\n" if self._between == b"[\n" else b"\n]\n")
        self._out.flush()


def _filter(dbs: tuple[int, ...], pattern: str | None, types: tuple[str, ...]) -> Callable[[int, bytes, str], bool]:
    matches = compile_filter(os.fsencode(pattern)) if pattern is not None else None

    def wanted(db: int, key: bytes, kind: str) -> bool:
        if (dbs and db not in dbs) or (types and kind not in types):
            return False
        return matches is None or matches(key)

    return wanted


def _read(path: str, reader: RdbReader) -> None:
    """Read the snapshot in a file. Raises ToolError."""
    file, size = open_file(path)
    reader.skip_modules = True
    with file:
        try:
            for _ in with_progress(scan(file, reader, size), size, "Reading", not sys.stdout.isatty()):
                pass
        except RdbError as e:
            sys.stdout.flush()
            raise ToolError(f"{path} is damaged: {e}") from None
    if size > reader.loaded():
        behind = size - reader.loaded()
        click.echo(f"{behind} bytes behind the snapshot (of an append-only file?) were left out.", err=True)


@click.command("rdb-to-json", cls=ToolCommand)
@click.option("--db", "dbs", type=click.IntRange(0), multiple=True, help="Only keys of this database (repeatable).")
@click.option("--match", "pattern", metavar="PATTERN", help="Only keys that match a glob pattern, as SCAN has it.")
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, help="Only keys of this type (repeatable).")
@click.option("--array", is_flag=True, help="One JSON array instead of a record a line.")
@click.option("--memory", is_flag=True, help="No records but a report: keys by type, size, TTL; the largest keys.")
@click.option("--largest", type=click.IntRange(0, 10_000), default=20, show_default=True, help="For --memory: so many.")
@click.option("--json", "as_json", is_flag=True, help="With --memory: the report as one JSON object.")
@click.argument("file")
def main(
    file: str,
    dbs: tuple[int, ...],
    pattern: str | None,
    types: tuple[str, ...],
    array: bool,
    memory: bool,
    largest: int,
    as_json: bool,
) -> None:
    """Print what the snapshot FILE holds as JSON, one record a line, while it is read: the memory needed is that of
    the largest value.

    A key is {"db": 0, "key": "k", "type": "string", "value": …} and, where it has them, "expire_at" (Unix
    milliseconds), "idle" (seconds), "freq". Strings that are not UTF-8 are "base64:…".
    """
    wanted = _filter(dbs, pattern, types)
    if memory:
        report = ReportSink(wanted, largest, int(time() * 1000))
        report.reader = RdbReader(report, EncodingLimits())
        _read(file, report.reader)
        if as_json:
            click.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
        else:
            for line in report.lines():
                click.echo(line)
        return
    lines = _Lines(array)
    sink = JsonSink(lines.write, wanted, bool(dbs or pattern is not None or types))
    try:
        _read(file, RdbReader(sink, EncodingLimits()))
    finally:
        lines.end()
