"""``pyredis check-aof``: checks an append-only file, all of its parts, and cuts off a damaged end on request.

FILE is a manifest (then all files it lists are checked), or one file: incremental, base, or of the old kind; a snapshot
at its beginning is checked, too. Messages and exit codes follow redis-check-aof.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from pyredis.cli import check_rdb
from pyredis.cli.tools import ToolCommand, ToolError, open_file, with_progress
from pyredis.persistence.aof_check import AofCheck, Damage, LaterTimestamp, cut
from pyredis.persistence.aof_manifest import AofFile, Manifest, ManifestError
from pyredis.persistence.rdb_format import MAGIC

_LONGEST_MANIFEST: Final = 1 << 20


class Checker:
    """The options, applied to one file after the other."""

    def __init__(self, fix: bool, yes: bool, to_timestamp: int | None) -> None:
        self.fix = fix
        self.yes = yes
        self.to_timestamp = to_timestamp

    def one(self, path: str, last: bool, what: str) -> None:
        """Check a file, and mend it if that is asked for. Ends the process if it stays damaged."""
        name = os.path.basename(path)
        file, size = open_file(path)
        with file:
            if not size:
                click.echo(f"{what} {name} is empty")
                return
            begin = 0
            if file.read(len(MAGIC)) == MAGIC:
                file.seek(0)
                found = check_rdb.check(file, path, size)
                if found is None:
                    raise ToolError("RDB preamble of AOF file is not sane, aborting.")
                begin = found
                click.echo("RDB preamble is OK, proceeding with AOF tail...")
            check = AofCheck(file, begin, size, self.to_timestamp)
            damage: Damage | None = None
            try:
                for _ in with_progress(check.run(), size, "Checking"):
                    pass
            except Damage as e:
                damage = e
            except LaterTimestamp as e:
                self._cut_to_timestamp(path, e.offset, last)
        if damage is None and self.to_timestamp is not None and last:
            click.echo(f"Truncate nothing in AOF {name} to timestamp {self.to_timestamp}")
        else:
            if damage is not None:
                click.echo(f"0x{damage.offset:16x}: {damage.reason}")
            click.echo(
                f"AOF analyzed: filename={name}, size={size}, ok_up_to={check.ok_up_to}, "
                f"ok_up_to_line={check.line}, diff={size - check.ok_up_to}"
            )
        if damage is None:
            click.echo(f"{what} {name} is valid")
        else:
            self._mend(path, size, check.ok_up_to, last)

    def _cut_to_timestamp(self, path: str, offset: int, last: bool) -> None:
        """Forget what is later, which ends the work."""
        name = os.path.basename(path)
        if not last:
            raise ToolError(
                f"Failed to truncate AOF {name} to timestamp {self.to_timestamp} to offset {offset} because it is not "
                "the last file.\nIf you insist, please delete all files after this file according to the manifest file "
                "and delete the corresponding records in manifest file manually. Then re-run pyredis check-aof."
            )
        if not offset:
            raise ToolError(f"AOF {name} has nothing before timestamp {self.to_timestamp}, aborting...")
        self._cut(path, offset)
        click.echo(f"Successfully truncated AOF {name} to timestamp {self.to_timestamp}")
        sys.exit(0)

    def _mend(self, path: str, size: int, good: int, last: bool) -> None:
        name = os.path.basename(path)
        if not self.fix:
            raise ToolError(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
        if not last:
            raise ToolError(f"Failed to truncate AOF {name} because it is not the last file")
        click.echo(f"This will shrink the AOF {name} from {size} bytes, with {size - good} bytes, to {good} bytes")
        if not self.yes and not _asked():
            raise ToolError("Aborting...")
        self._cut(path, good)
        click.echo(f"Successfully truncated AOF {name}")

    def _cut(self, path: str, size: int) -> None:
        try:
            cut(path, size)
        except OSError as e:
            raise ToolError(f"Failed to truncate AOF {os.path.basename(path)}: {e.strerror}") from None


def _asked() -> bool:
    click.echo("Continue? [y/N]: ", nl=False)
    return sys.stdin.readline().strip().lower() == "y"


def read_manifest(path: str) -> Manifest | None:
    """The manifest in a file; None if the file is something else. Raises ToolError if it is a damaged one."""
    file, size = open_file(path)
    with file:
        head = file.read(5)
        if not head.startswith((b"file ", b"#")) or (head.startswith(b"#TS:")):
            return None
        if size > _LONGEST_MANIFEST:
            raise ToolError(f"The manifest {path} is too long")
        data = head + file.read()
    try:
        return Manifest.decode(data, os.path.basename(path).removesuffix(".manifest"))
    except ManifestError as e:
        raise ToolError(f"*** FATAL AOF MANIFEST FILE ERROR ***\nReading the manifest file {path}: {e}") from None


def _check_parts(checker: Checker, directory: str, manifest: Manifest) -> None:
    def path(file: AofFile) -> str:
        return os.path.join(directory, file.name)

    click.echo("Start checking Multi Part AOF")
    if manifest.base is not None:
        base, _ = open_file(path(manifest.base))
        with base:
            rdb = base.read(len(MAGIC)) == MAGIC
        click.echo(f"Start to check BASE AOF ({'RDB' if rdb else 'RESP'} format).")
        checker.one(path(manifest.base), not manifest.increments, "BASE AOF")
    if manifest.increments:
        click.echo("Start to check INCR files.")
        for number, file in enumerate(manifest.increments, 1):
            checker.one(path(file), number == len(manifest.increments), "INCR AOF")
    click.echo("All AOF files and manifest are valid")


@click.command("check-aof", cls=ToolCommand)
@click.option("--fix", is_flag=True, help="Cut the last file behind its last whole command, after asking.")
@click.option("-y", "--yes", is_flag=True, help="With --fix: do not ask.")
@click.option(
    "--truncate-to-timestamp",
    "to_timestamp",
    type=click.IntRange(1),
    metavar="T",
    help="Cut the last file before what is later than the Unix time T (seconds; needs aof-timestamp-enabled).",
)
@click.argument("file")
def main(file: str, fix: bool, yes: bool, to_timestamp: int | None) -> None:
    """Check the append-only file whose manifest (appendonlydir/*.manifest) is FILE, or the single file FILE.

    Exits with 0 if all is valid or has been mended, with 1 if not; the offset of the damage is told. Stop the server
    and keep a copy before --fix.
    """
    if fix and to_timestamp is not None:
        raise ToolError("--fix and --truncate-to-timestamp exclude one another")
    checker = Checker(fix, yes, to_timestamp)
    manifest = read_manifest(file)
    if manifest is None:
        click.echo("Start checking Old-Style AOF")
        checker.one(file, True, "AOF")
    else:
        _check_parts(checker, os.path.dirname(os.path.abspath(file)), manifest)
