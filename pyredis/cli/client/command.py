"""``cli`` as one of the subcommands of ``pyredis``, for its list and the completion of shells.

Run as ``pyredis cli`` it is :mod:`pyredis.cli.entry` that starts the client, without click.
"""

from __future__ import annotations

import click

from pyredis.cli.client.main import main as client


@click.command(
    "cli",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(arguments: tuple[str, ...]) -> None:
    """Talk to a server."""
    client(list(arguments))
