"""SENTINEL: the commands that change what is watched and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_ONLY_SENTINEL, CMD_SENTINEL, command
from pyredis.core.logging import LEVELS
from pyredis.core.option_kinds import INT_MAX, LONG_MAX
from pyredis.lib.glob import compile_pattern
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import OK, bulk_map
from pyredis.sentinel.commands import find_master, once_saved, sentinel_of
from pyredis.sentinel.conf import executable
from pyredis.sentinel.instance import Master
from pyredis.sentinel.state import WARNING, InstanceError, Sentinel, decode, encode
from pyredis.sentinel.times import NAMES

_ADMIN: Final = CMD_ADMIN | CMD_SENTINEL | CMD_ONLY_SENTINEL


@command(
    b"SENTINEL|MONITOR",
    6,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Watch one more master.",
    complexity="O(1)",
    usage="name ip port:int quorum:int",
)
def sentinel_monitor_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    quorum, port = string2ll(argv[5]), string2ll(argv[4])
    if quorum is None:
        raise CommandError(b"ERR Invalid quorum")
    if port is None:
        raise CommandError(b"ERR Invalid port")
    host = decode(argv[3])
    if not s.resolver.resolve(host) and not s.resolver.names:
        raise CommandError(b"ERR Invalid IP address or hostname specified")
    try:
        master = s.add_master(decode(argv[2]), host, port, quorum)
    except InstanceError as e:
        raise CommandError(b"ERR " + encode(str(e))) from None
    s.event(WARNING, "+monitor", master, f"quorum {master.quorum}")
    once_saved(c, argv, OK)
    return None


@command(
    b"SENTINEL|REMOVE",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Watch a master no more.",
    complexity="O(1)",
    usage="master-name",
)
def sentinel_remove_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    master = find_master(s, argv[2])
    s.event(WARNING, "-monitor", master)
    s.remove_master(master)
    once_saved(c, argv, OK)
    return None


@command(
    b"SENTINEL|FLUSHCONFIG",
    2,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Write the configuration file anew.",
    complexity="O(1)",
)
def sentinel_flushconfig_command(c: Client, argv: list[bytes]) -> bytes | None:
    once_saved(c, argv, OK, b"")
    return None


# --- SENTINEL SET ---------------------------------------------------------------------------------------------------


@command(
    b"SENTINEL|SET",
    -5,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Change settings of a master.",
    complexity="O(1)",
    usage="master-name (option value)...",
)
def sentinel_set_command(c: Client, argv: list[bytes]) -> bytes | None:
    """One option after the other: what stood before one that is refused has been set, and is saved."""
    s = sentinel_of(c)
    master = find_master(s, argv[2])
    at = 3
    try:
        while at < len(argv):
            option = argv[at].lower()
            width = 2 if option == b"rename-command" else 1
            values = [decode(value) for value in argv[at + 1 : at + 1 + width]]
            if option not in _OPTIONS or len(values) < width:
                raise CommandError(
                    b"ERR Unknown option or number of arguments for SENTINEL SET '%b'" % c_text(argv[at])
                )
            if option in (b"notification-script", b"client-reconfig-script") and s.deny_scripts_reconfig:
                raise CommandError(_SCRIPTS_DENIED)
            wrong = _OPTIONS[option](s, master, values)
            if wrong is not None:
                raise CommandError(
                    b"ERR Invalid argument '%b' for SENTINEL SET '%b'" % (c_text(encode(wrong)), c_text(argv[at]))
                )
            shown = "******" if option == b"auth-pass" else " ".join(values)
            s.event(WARNING, "+set", master, f"{decode(argv[at])} {shown}")
            at += 1 + width
    except CommandError:
        if at > 3:
            s.save()
        raise
    once_saved(c, argv, OK)
    return None


_Setter = Callable[[Sentinel, Master, list[str]], "str | None"]
_SCRIPTS_DENIED: Final = (
    b"ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig "
    b"configuration directive in your Sentinel configuration"
)


def _number(attribute: str, least: int = 1) -> _Setter:
    def set_number(s: Sentinel, master: Master, values: list[str]) -> str | None:
        n = string2ll(encode(values[0]))
        if n is None or not least <= n <= LONG_MAX:
            return values[0]
        setattr(master, attribute, n)
        return None

    return set_number


def _script(attribute: str) -> _Setter:
    def set_script(s: Sentinel, master: Master, values: list[str]) -> str | None:
        if values[0] and not executable(values[0]):
            return values[0]
        setattr(master, attribute, values[0])
        return None

    return set_script


def _credential(attribute: str) -> _Setter:
    def set_credential(s: Sentinel, master: Master, values: list[str]) -> str | None:
        setattr(master, attribute, values[0])
        s.renew_links(master)
        return None

    return set_credential


def _rename_command(s: Sentinel, master: Master, values: list[str]) -> str | None:
    """A command renamed to itself is called by its own name again."""
    old, new = values[0].upper(), values[1]
    if not old or not new:
        return values[0] if not old else new
    master.renamed_commands.pop(old, None)
    if new.upper() != old:
        master.renamed_commands[old] = new
    return None


_OPTIONS: Final[dict[bytes, _Setter]] = {
    b"down-after-milliseconds": _number("down_after_period"),
    b"failover-timeout": _number("failover_timeout"),
    b"parallel-syncs": _number("parallel_syncs"),
    b"notification-script": _script("notification_script"),
    b"client-reconfig-script": _script("client_reconfig_script"),
    b"auth-pass": _credential("auth_pass"),
    b"auth-user": _credential("auth_user"),
    b"quorum": _number("quorum"),
    b"rename-command": _rename_command,
    b"master-reboot-down-after-period": _number("master_reboot_down_after_period", 0),
}
"""Name → what sets it; that returns the value at fault, if it cannot be taken."""

# --- SENTINEL CONFIG and DEBUG --------------------------------------------------------------------------------------


@command(
    b"SENTINEL|CONFIG",
    -3,
    _ADMIN,
    group="sentinel",
    since="6.2.0",
    summary="Show or change parameters of the sentinel.",
    complexity="O(1)",
    usage="set_or_get=(SET set_param_value=(parameter value)...|GET parameter...)",
)
def sentinel_config_command(c: Client, argv: list[bytes]) -> bytes | None:
    """Since 7.2 with several parameters: all of them are set, or none."""
    s = sentinel_of(c)
    action = argv[2].lower()
    several = c.server.compat >= _SEVERAL_SINCE
    if action == b"set" and (len(argv) == 5 or (several and len(argv) > 5)):
        _config_set(s, argv[3:], several)
        once_saved(c, argv, OK)
        return None
    if action == b"get" and (len(argv) == 4 or (several and len(argv) > 4)):
        return _config_get(s, argv[3:], c.resp)
    if several:
        raise CommandError(
            b"ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> "
            b"[<param> <value> ...] are supported."
        )
    raise CommandError(b"ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are supported.")


_SEVERAL_SINCE: Final = 702


def _config_get(s: Sentinel, patterns: list[bytes], resp: int) -> bytes:
    fits = [compile_pattern(pattern, True) for pattern in patterns]
    values = {
        b"resolve-hostnames": b"yes" if s.resolver.names else b"no",
        b"announce-hostnames": b"yes" if s.announce_hostnames else b"no",
        b"announce-ip": encode(s.announce_ip),
        b"announce-port": b"%d" % s.announce_port,
        b"sentinel-user": encode(s.sentinel_user),
        b"sentinel-pass": encode(s.sentinel_pass),
    }
    if s.server.compat >= _SEVERAL_SINCE:
        values[b"loglevel"] = encode(s.server.config.loglevel)
    found = [pair for pair in values.items() if any(fit(pair[0]) for fit in fits)]
    return bulk_map([part for pair in found for part in pair], resp)


def _config_set(s: Sentinel, words: list[bytes], several: bool) -> None:
    """Everything is looked at before anything is set."""
    pairs: dict[bytes, bytes] = {}
    for at in range(0, len(words), 2):
        option = words[at].lower()
        if option in pairs:
            raise CommandError(b"ERR Duplicate argument '%b' to SENTINEL CONFIG SET" % c_text(words[at]))
        if option not in _PARAMETERS and not (several and option == b"loglevel"):
            raise CommandError(b"ERR Invalid argument '%b' to SENTINEL CONFIG SET" % c_text(words[at]))
        if at + 1 == len(words):
            raise CommandError(b"ERR Missing argument '%b' value" % c_text(words[at]))
        pairs[option] = words[at + 1]
        if not _takes(option, decode(words[at + 1])):
            raise _invalid(words[at], words[at + 1])
    for option, value in pairs.items():
        _set_parameter(s, option, decode(value))


_PARAMETERS: Final = (
    *(b"resolve-hostnames", b"announce-hostnames", b"announce-ip", b"announce-port"),
    *(b"sentinel-user", b"sentinel-pass"),
)


def _takes(option: bytes, value: str) -> bool:
    """Whether a parameter can have the value."""
    if option in (b"resolve-hostnames", b"announce-hostnames"):
        return value.lower() in ("yes", "no")
    if option == b"announce-port":
        port = string2ll(encode(value))
        return port is not None and 0 <= port <= 65535
    return option != b"loglevel" or value.lower() in LEVELS


def _set_parameter(s: Sentinel, option: bytes, value: str) -> None:
    if option == b"resolve-hostnames":
        s.resolver.names = value.lower() == "yes"
    elif option == b"announce-hostnames":
        s.announce_hostnames = value.lower() == "yes"
    elif option == b"announce-ip":
        s.announce_ip = value
    elif option == b"announce-port":
        s.announce_port = int(value)
    elif option == b"loglevel":
        s.server.config.set("loglevel", [value.lower()])
    else:
        if option == b"sentinel-user":
            s.sentinel_user = value
        else:
            s.sentinel_pass = value
        s.renew_peer_links()


def _invalid(name: bytes, value: bytes) -> CommandError:
    return CommandError(b"ERR Invalid value '%b' to SENTINEL CONFIG SET '%b'" % (c_text(value), c_text(name)))


_PERIODS: Final = {name.lower().encode(): attribute for name, attribute in NAMES}


@command(
    b"SENTINEL|DEBUG",
    -2,
    _ADMIN,
    group="sentinel",
    since="7.0.0",
    summary="Show or change the sentinel's periods and limits.",
    complexity="O(N) where N is the number of configurable parameters",
    usage="(parameter value)...",
)
def sentinel_debug_command(c: Client, argv: list[bytes]) -> bytes | None:
    """One after the other, as with SET: what stood before a fault has been set."""
    times = sentinel_of(c).times
    if len(argv) == 2:
        flat = [part for name, attribute in NAMES for part in (name, str(getattr(times, attribute)))]
        return bulk_map([part.encode() for part in flat], c.resp)
    for at in range(2, len(argv), 2):
        attribute = _PERIODS.get(argv[at].lower())
        if attribute is None or at + 1 == len(argv):
            raise CommandError(b"ERR Unknown option or number of arguments for SENTINEL DEBUG '%b'" % c_text(argv[at]))
        ms = string2ll(argv[at + 1])
        if ms is None or not 0 < ms <= INT_MAX:
            raise CommandError(
                b"ERR Invalid argument '%b' for SENTINEL DEBUG '%b'" % (c_text(argv[at + 1]), c_text(argv[at]))
            )
        setattr(times, attribute, ms)
    return OK
