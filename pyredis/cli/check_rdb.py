"""``pyredis check-rdb``: reads a snapshot as a server would, with every check, and keeps nothing of it."""

from __future__ import annotations

import os
import sys
from time import time
from typing import Any, BinaryIO, Final

import click

from pyredis.cli.tools import ToolCommand, open_file, printable, with_progress
from pyredis.keyspace.encoding import TYPE_NAMES
from pyredis.persistence.rdb_format import EncodingLimits, RdbError
from pyredis.persistence.rdb_reader import RdbReader
from pyredis.persistence.rdb_scan import scan

_TYPES: Final = ("string", "list", "set", "zset", "hash", "stream")


class Census:
    """A sink that counts what goes by and tells of what is not a key."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.reader: RdbReader | None = None
        self.keys = 0
        self.expires = 0
        self.expired = 0
        self.types = dict.fromkeys(_TYPES, 0)
        self.empty = 0
        self.functions = 0
        self.modules: dict[str, int] = {}

    def _tell(self, text: str) -> None:
        offset = self.reader.loaded() if self.reader is not None else 0
        click.echo(f"[offset {offset}] {text}")

    def select(self, number: int) -> None:
        self._tell(f"Selecting DB ID {number}")

    def resize(self, keys: int, expires: int) -> None:
        """Only a hint."""

    def aux(self, name: bytes, value: bytes) -> None:
        self._tell(f"AUX FIELD {shown(name)} = '{shown(value)}'")

    def function(self, code: bytes) -> None:
        self.functions += 1

    def module_data(self, name: str, key: bytes | None) -> None:
        if key is None:
            self._tell(f"MODULE AUX for: {name}")
        else:
            self.keys += 1
        self.modules[name] = self.modules.get(name, 0) + 1

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        self.keys += 1
        self.types[TYPE_NAMES[type(value)].decode()] += 1
        if when >= 0:
            self.expires += 1
            if when < self.now_ms:
                self.expired += 1

    def empty_key(self, key: bytes) -> None:
        self.empty += 1


def shown(text: bytes) -> str:
    """A text for the terminal: what is not printable as an escape."""
    return printable(text.decode("utf-8", "backslashreplace"))


def check(file: BinaryIO, path: str, size: int) -> int | None:
    """Check the snapshot at the beginning of a file and tell of it; where it ends, None if it is damaged."""
    census = Census(int(time() * 1000))
    reader = census.reader = RdbReader(census, EncodingLimits())
    reader.thorough = reader.skip_modules = True
    click.echo(f"[offset 0] Checking RDB file {os.path.basename(path)}")
    damage: RdbError | None = None
    try:
        for _ in with_progress(scan(file, reader, size), size, "Checking"):
            pass
    except RdbError as e:
        damage = e
    end = reader.loaded()
    if damage is None:
        verified = (
            "Checksum OK" if reader.checksum else "RDB file was saved with checksum disabled: no check performed."
        )
        click.echo(f"[offset {end}] {verified}")
        click.echo(f"[offset {end}] \\o/ RDB looks OK! \\o/")
    else:
        click.echo("--- RDB ERROR DETECTED ---")
        click.echo(f"[offset {damage.offset}] {damage.message}")
        if not reader.checksum:
            click.echo(f"[additional info] The last whole record ends at offset {end}")
    _summary(census)
    return end if damage is None else None


def _summary(census: Census) -> None:
    click.echo(f"[info] {census.keys} keys read")
    click.echo(f"[info] {census.expires} expires")
    click.echo(f"[info] {census.expired} already expired")
    for name, count in census.types.items():
        if count:
            click.echo(f"[info] {count} of type {name}")
    if census.functions:
        click.echo(f"[info] {census.functions} libraries of functions")
    for name, count in census.modules.items():
        click.echo(f"[info] {count} values of module type {name}, which this server cannot load")
    if census.empty:
        click.echo(f"[info] {census.empty} keys without elements, which loading leaves out")


@click.command("check-rdb", cls=ToolCommand)
@click.argument("file")
def main(file: str) -> None:
    """Check the snapshot FILE: every value in every encoding, every length, the checksum.

    Exits with 0 if a server can load it, with 1 if not; then the last lines say at which offset it is damaged.
    """
    opened, size = open_file(file)
    with opened:
        sys.exit(0 if check(opened, file, size) is not None else 1)
