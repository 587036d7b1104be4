"""What the tools for files share: exit codes as Redis's tools have them, and the progress on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import click

_REDRAW_BYTES: Final = 1 << 20


class _UsageError(click.UsageError):
    exit_code = 1


class ToolCommand(click.Command):
    """A command that exits with 1 also where the command line is wrong, as Redis's tools do."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as e:
            raise _UsageError(e.format_message(), e.ctx) from None


class ToolError(click.ClickException):
    """The end with exit code 1 and one line on standard error."""

    def show(self, file: Any = None) -> None:
        click.echo(self.message, err=True, file=file)


def open_file(path: str) -> tuple[BinaryIO, int]:
    """A file to read and its size. Raises ToolError."""
    try:
        file = open(path, "rb", 1 << 18)  # noqa: SIM115  # the caller closes it
        return file, os.fstat(file.fileno()).st_size
    except OSError as e:
        raise ToolError(f"Cannot open file {path}: {e.strerror}") from None


def with_progress(offsets: Iterable[int], total: int, label: str, show: bool = True) -> Iterator[int]:
    """Pass offsets on; where standard error is a terminal, a bar there shows how far they have come to ``total``."""
    if not show or not sys.stderr.isatty():
        yield from offsets
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        shown = 0
        for offset in offsets:
            if offset - shown >= _REDRAW_BYTES:
                bar.update(offset - shown)
                shown = offset
            yield offset
        bar.update(max(total - shown, 0))


def printable(text: str) -> str:
    """A text for the terminal: what is not printable as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
