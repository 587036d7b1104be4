"""``pyredis-server`` and ``redis-server``: Redis's own command line, to a running server."""

from __future__ import annotations

import os
import sys

import click

from pyredis import __version__
from pyredis.core.config import DIRECTIVES, Config, FileError


def argv_to_lines(args: tuple[str, ...]) -> tuple[str | None, str]:
    """``[file] [--directive value …] [-]`` → the file's path (``-`` for standard input) and configuration lines."""
    path: str | None = None
    rest = list(args)
    if rest and not rest[0].startswith("--"):
        path = rest.pop(0)
    if rest and rest[-1] == "-":
        rest.pop()
        path = "-"
    lines: list[str] = []
    for arg in rest:
        if arg.startswith("--"):
            lines.append(arg[2:])
        elif lines:
            lines[-1] += ' "' + arg.replace("\\", "\\\\").replace('"', '\\"') + '"'
        else:
            raise click.UsageError(f"unexpected argument {arg!r}")
    return path, "\n".join(lines)


def _help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo("Usage: redis-server [redis.conf] [--directive value ...] [-]\n\nDirectives and their defaults:")
        for name, directive in DIRECTIVES.items():
            click.echo(f"  --{name} {directive.show(directive.default) or chr(34) * 2}")
        ctx.exit(0)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"Redis server v=7.0.15 sha=00000000:0 malloc=python bits=64 build=pyredis-{__version__}")
        ctx.exit(0)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("-h", "--help", is_flag=True, is_eager=True, expose_value=False, callback=_help)
@click.option("-v", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def main(args: tuple[str, ...]) -> None:
    """Run a server."""
    if "--test-memory" in args:
        click.echo("--test-memory is not available: memory belongs to the Python process. Use memtest86.", err=True)
        sys.exit(1)
    path, lines = argv_to_lines(args)
    config = Config()
    try:
        if path is not None:
            try:
                text = sys.stdin.read() if path == "-" else _read(path)
            except OSError as e:
                click.echo(f"Fatal error, can't open config file '{os.path.abspath(path)}': {e.strerror}", err=True)
                sys.exit(1)
            config.load_lines(text)
        config.load_lines(lines)
    except FileError as e:
        click.echo(e.report(), err=True)
        sys.exit(1)
    if config.daemonize:
        _daemonize()
    if config.pidfile:
        with open(config.pidfile, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    from pyredis.app import run_server

    try:
        code = run_server(config, os.path.abspath(path) if path and path != "-" else None)
    finally:
        if config.pidfile and os.path.exists(config.pidfile):
            os.unlink(config.pidfile)
    sys.exit(code)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _daemonize() -> None:
    """Leave the terminal: the parent ends, the child goes on in a session of its own."""
    if not hasattr(os, "fork"):
        click.echo("daemonize is not available on this system", err=True)
        sys.exit(1)
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
