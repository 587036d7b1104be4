"""INFO."""

from __future__ import annotations

from pyredis.core.client import Client
from pyredis.core.command import ACL_DANGEROUS, CMD_LOADING, CMD_SENTINEL, CMD_STALE, command
from pyredis.core.info import info
from pyredis.resp.reply import verbatim


@command(
    b"INFO",
    -1,
    CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    group="server",
    since="1.0.0",
    summary="Report on the server, section by section.",
    complexity="O(1)",
    usage="[section]...",
    tips=(
        b"nondeterministic_output",
        b"request_policy:all_shards",
        b"response_policy:special",
    ),
    acl=ACL_DANGEROUS,
    history=(("7.0.0", "Added support for taking multiple section arguments."),),
)
def info_command(c: Client, argv: list[bytes]) -> bytes | None:
    wanted = {section.decode("latin-1").lower() for section in argv[1:]}
    return verbatim(info(c.server, wanted), c.resp)
