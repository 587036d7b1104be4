"""CONFIG."""

from __future__ import annotations

from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command, container
from pyredis.core.config import ALIASES, DIRECTIVES, ConfigError
from pyredis.resp.errors import CommandError, wrong_arity
from pyredis.resp.reply import OK, bulk_map

_LISTENING = ("port", "bind")


container(
    b"CONFIG",
    -2,
    0,
    group="server",
    since="2.0.0",
    summary="Read and change the configuration.",
    complexity="Depends on subcommand.",
)


@command(
    b"CONFIG|GET",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Return directives that match patterns.",
    complexity="O(N) when N is the number of configuration parameters provided",
    usage="(parameter)...",
    history=(("7.0.0", "Added the ability to pass multiple pattern parameters in one call"),),
)
def config_get_command(c: Client, argv: list[bytes]) -> bytes | None:
    found = c.server.config.get_matching(argv[2:])
    return bulk_map([part.encode() for pair in found.items() for part in pair], c.resp)


@command(
    b"CONFIG|SET",
    -4,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Change directives.",
    complexity="O(N) when N is the number of configuration parameters provided",
    usage="(parameter value)...",
    tips=(
        b"request_policy:all_nodes",
        b"response_policy:all_succeeded",
    ),
    history=(("7.0.0", "Added the ability to set multiple parameters in one call."),),
)
def config_set_command(c: Client, argv: list[bytes]) -> bytes | None:
    """Several at once: all are set, or none."""
    if len(argv) % 2:
        raise wrong_arity(b"config|set")
    server = c.server
    config = server.config
    before = {d.attribute: getattr(config, d.attribute) for d in DIRECTIVES.values()}
    seen: set[str] = set()
    for at in range(2, len(argv), 2):
        name = argv[at].decode("latin-1").lower()
        directive = DIRECTIVES.get(ALIASES.get(name, name))
        try:
            if directive is None:
                raise CommandError(b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % argv[at])
            if directive.name in seen:
                raise ConfigError("duplicate parameter")
            if directive.name in _LISTENING:
                raise ConfigError("can't be changed while the server runs yet")
            seen.add(directive.name)
            value = argv[at + 1].decode("utf-8", "surrogateescape")
            config.set(name, value.split() if directive.words == 0 else [value], False)
        except (ConfigError, CommandError) as e:
            for attribute, old in before.items():
                setattr(config, attribute, old)
            if isinstance(e, CommandError):
                raise
            raise CommandError(
                b"ERR CONFIG SET failed (possibly related to argument '%b') - %b" % (argv[at], str(e).encode())
            ) from None
    server.apply_slowlog_config()
    server.set_notify_flags(config.notify_keyspace_events)
    return OK


@command(
    b"CONFIG|RESETSTAT",
    2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Reset the counters of INFO.",
    complexity="O(1)",
)
def config_resetstat_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    for cmd in server.commands.values():
        cmd.reset_stats()
    server.stats.reset()
    server.stat_keyspace_hits = server.stat_keyspace_misses = 0
    server.stat_expired_keys = server.stat_expired_time_cap_reached_count = 0
    return OK
