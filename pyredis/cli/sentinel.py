"""``pyredis-sentinel`` and ``redis-sentinel``: what ``redis-server … --sentinel`` is, too."""

from __future__ import annotations

import click

from pyredis.cli.server import ServerCommand, answer_special, run


@click.command(cls=ServerCommand, add_help_option=False)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run a sentinel."""
    args: list[str] = ctx.obj
    if args:
        answer_special(ctx, args[0])
    run(args, True)


if __name__ == "__main__":
    main()
