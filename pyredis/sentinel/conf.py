"""``sentinel`` lines of the configuration file: read at the start, written whenever the state changes.

Order does not matter: what other lines depend on is read first. The file is replaced at once or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

from pyredis.core import config_rewrite
from pyredis.core.config import FileError, SentinelLine
from pyredis.core.option_kinds import quoted
from pyredis.lib.splitargs import quote_arg
from pyredis.sentinel.address import Address
from pyredis.sentinel.instance import Master
from pyredis.sentinel.numbers import leading_int, parse_epoch
from pyredis.sentinel.state import InstanceError, Sentinel, decode, encode

_NO_MASTER: Final = "No such master with specified name."


class LineError(ValueError):
    """A ``sentinel`` line that cannot be taken; the text says why, in Redis's words."""


def load_lines(sentinel: Sentinel, lines: list[SentinelLine]) -> None:
    """Carry out the ``sentinel`` lines of a configuration file. Raises FileError."""
    for line in sorted(lines, key=_stage):
        try:
            _load(sentinel, line.words)
        except ValueError as e:
            raise FileError(line.number, line.text, str(e)) from None


def _stage(line: SentinelLine) -> int:
    """What comes first: lines about the sentinel, then masters, then what belongs to them."""
    name = line.words[0].lower()
    return 0 if name in _GLOBAL else 1 if name == "monitor" else 2


def _load(sentinel: Sentinel, words: list[str]) -> None:
    name, args = words[0].lower(), words[1:]
    if name in _GLOBAL and len(args) == 1:
        _GLOBAL[name](sentinel, args[0])
    elif name == "monitor" and len(args) == 4:
        sentinel.add_master(args[0], args[1], leading_int(args[2]), leading_int(args[3]))
    elif name == "known-sentinel" and len(args) in (3, 4):
        if len(args) == 4:  # without the run ID, as versions before 3.0 wrote it, it says nothing
            _known_sentinel(sentinel, _master(sentinel, args[0]), args[1:])
    elif name in _OF_MASTER and len(args) == _OF_MASTER[name][0] + 1:
        _OF_MASTER[name][1](sentinel, _master(sentinel, args[0]), args[1:])
    else:
        raise LineError("Unrecognized sentinel configuration statement.")


def _master(sentinel: Sentinel, name: str) -> Master:
    master = sentinel.masters.get(name)
    if master is None:
        raise LineError(_NO_MASTER)
    return master


def executable(path: str) -> bool:
    """Whether a script can be run."""
    return os.access(path, os.X_OK)


# --- lines about the sentinel ---------------------------------------------------------------------------------------


def _yes_no(name: str, value: str, plural: str = "") -> bool:
    if value.lower() not in ("yes", "no"):
        raise LineError(f"Please specify yes or no for the {name} option{plural}.")
    return value.lower() == "yes"


def _announce_ip(s: Sentinel, value: str) -> None:
    s.announce_ip = value


def _announce_port(s: Sentinel, value: str) -> None:
    s.announce_port = leading_int(value)


def _deny_scripts(s: Sentinel, value: str) -> None:
    s.deny_scripts_reconfig = _yes_no("deny-scripts-reconfig", value, "s")


def _user(s: Sentinel, value: str) -> None:
    s.sentinel_user = value


def _pass(s: Sentinel, value: str) -> None:
    s.sentinel_pass = value


def _current_epoch(s: Sentinel, value: str) -> None:
    s.current_epoch = max(s.current_epoch, parse_epoch(value))


def _myid(s: Sentinel, value: str) -> None:
    if len(value) != 40:
        raise LineError("Malformed Sentinel id in myid option.")
    s.myid = value


def _resolve(s: Sentinel, value: str) -> None:
    s.resolver.names = _yes_no("resolve-hostnames", value)


def _announce_hostnames(s: Sentinel, value: str) -> None:
    s.announce_hostnames = _yes_no("announce-hostnames", value)


_GLOBAL: Final[dict[str, Callable[[Sentinel, str], None]]] = {
    "announce-ip": _announce_ip,
    "announce-port": _announce_port,
    "deny-scripts-reconfig": _deny_scripts,
    "sentinel-user": _user,
    "sentinel-pass": _pass,
    "current-epoch": _current_epoch,
    "myid": _myid,
    "resolve-hostnames": _resolve,
    "announce-hostnames": _announce_hostnames,
}

# --- lines about a master -------------------------------------------------------------------------------------------


def _milliseconds(value: str) -> int:
    ms = leading_int(value)
    if ms <= 0:
        raise LineError("negative or zero time parameter.")
    return ms


def _down_after(s: Sentinel, master: Master, args: list[str]) -> None:
    master.down_after_period = _milliseconds(args[0])


def _failover_timeout(s: Sentinel, master: Master, args: list[str]) -> None:
    master.failover_timeout = _milliseconds(args[0])


def _reboot_down_after(s: Sentinel, master: Master, args: list[str]) -> None:
    ms = leading_int(args[0])
    if ms < 0:
        raise LineError("negative time parameter.")
    master.master_reboot_down_after_period = ms


def _parallel_syncs(s: Sentinel, master: Master, args: list[str]) -> None:
    master.parallel_syncs = leading_int(args[0])


def _notification_script(s: Sentinel, master: Master, args: list[str]) -> None:
    if not executable(args[0]):
        raise LineError("Notification script seems non existing or non executable.")
    master.notification_script = args[0]


def _client_reconfig_script(s: Sentinel, master: Master, args: list[str]) -> None:
    if not executable(args[0]):
        raise LineError("Client reconfiguration script seems non existing or non executable.")
    master.client_reconfig_script = args[0]


def _auth_pass(s: Sentinel, master: Master, args: list[str]) -> None:
    master.auth_pass = args[0]


def _auth_user(s: Sentinel, master: Master, args: list[str]) -> None:
    master.auth_user = args[0]


def _config_epoch(s: Sentinel, master: Master, args: list[str]) -> None:
    master.config_epoch = parse_epoch(args[0])
    s.current_epoch = max(s.current_epoch, master.config_epoch)


def _leader_epoch(s: Sentinel, master: Master, args: list[str]) -> None:
    master.leader_epoch = parse_epoch(args[0])
    s.current_epoch = max(s.current_epoch, master.leader_epoch)


def _rename_command(s: Sentinel, master: Master, args: list[str]) -> None:
    name = args[0].upper()
    if name in master.renamed_commands:
        raise LineError("Same command renamed multiple times with rename-command.")
    master.renamed_commands[name] = args[1]


def _known_replica(s: Sentinel, master: Master, args: list[str]) -> None:
    s.add_replica(master, args[0], leading_int(args[1]))


def _known_sentinel(s: Sentinel, master: Master, args: list[str]) -> None:
    peer = s.add_peer(master, args[2], args[0], leading_int(args[1]))
    s.share_link(peer)


_OF_MASTER: Final[dict[str, tuple[int, Callable[[Sentinel, Master, list[str]], None]]]] = {
    "down-after-milliseconds": (1, _down_after),
    "failover-timeout": (1, _failover_timeout),
    "parallel-syncs": (1, _parallel_syncs),
    "notification-script": (1, _notification_script),
    "client-reconfig-script": (1, _client_reconfig_script),
    "auth-pass": (1, _auth_pass),
    "auth-user": (1, _auth_user),
    "master-reboot-down-after-period": (1, _reboot_down_after),
    "config-epoch": (1, _config_epoch),
    "leader-epoch": (1, _leader_epoch),
    "known-replica": (2, _known_replica),
    "known-slave": (2, _known_replica),
    "rename-command": (2, _rename_command),
}
"""Name → how many words follow the master's name, and what they do."""

# --- writing --------------------------------------------------------------------------------------------------------


def _word(text: str) -> str:
    """A word as it stands in a line: quoted only if it must be, as Redis does not quote here at all."""
    raw = encode(text)
    plain = raw and all(32 < byte < 127 and byte not in b"\"'\\" for byte in raw)
    return text if plain else decode(quote_arg(raw))


def switches(s: Sentinel) -> Iterator[tuple[str, str, bool]]:
    """What is yes or no: name, word, and whether it is written if the file does not have it."""
    for name, value, default in (
        ("deny-scripts-reconfig", s.deny_scripts_reconfig, True),
        ("resolve-hostnames", s.resolver.names, False),
        ("announce-hostnames", s.announce_hostnames, False),
    ):
        yield name, "yes" if value else "no", value != default


def state_lines(s: Sentinel) -> Iterator[tuple[str, str]]:
    """The state as lines: the directive's name and the words behind it."""
    yield "myid", s.myid
    for master in s.masters.values():
        yield from _master_lines(s, master)
    yield "current-epoch", str(s.current_epoch)
    if s.announce_ip:
        yield "announce-ip", quoted(s.announce_ip)
    if s.announce_port:
        yield "announce-port", str(s.announce_port)
    if s.sentinel_user:
        yield "sentinel-user", _word(s.sentinel_user)
    if s.sentinel_pass:
        yield "sentinel-pass", _word(s.sentinel_pass)


def _master_lines(s: Sentinel, master: Master) -> Iterator[tuple[str, str]]:
    name = _word(master.name)
    now_at = master.current_addr()
    yield "monitor", f"{name} {s.shown(now_at)} {now_at.port} {master.quorum}"
    if master.down_after_period != s.times.default_down_after:
        yield "down-after-milliseconds", f"{name} {master.down_after_period}"
    if master.failover_timeout != s.times.default_failover_timeout:
        yield "failover-timeout", f"{name} {master.failover_timeout}"
    if master.parallel_syncs != 1:
        yield "parallel-syncs", f"{name} {master.parallel_syncs}"
    if master.notification_script:
        yield "notification-script", f"{name} {_word(master.notification_script)}"
    if master.client_reconfig_script:
        yield "client-reconfig-script", f"{name} {_word(master.client_reconfig_script)}"
    if master.auth_pass:
        yield "auth-pass", f"{name} {_word(master.auth_pass)}"
    if master.auth_user:
        yield "auth-user", f"{name} {_word(master.auth_user)}"
    if master.master_reboot_down_after_period:
        yield "master-reboot-down-after-period", f"{name} {master.master_reboot_down_after_period}"
    yield "config-epoch", f"{name} {master.config_epoch}"
    yield "leader-epoch", f"{name} {master.leader_epoch}"
    for replica in master.replicas.values():
        # A failover that has promoted already: the old master will be the new one's replica.
        addr: Address = master.addr if replica.addr.is_at(now_at) else replica.addr
        yield "known-replica", f"{name} {s.shown(addr)} {addr.port}"
    for peer in master.sentinels.values():
        if peer.runid:
            yield "known-sentinel", f"{name} {s.shown(peer.addr)} {peer.addr.port} {peer.runid}"
    for old, new in master.renamed_commands.items():
        yield "rename-command", f"{name} {_word(old)} {_word(new)}"


_NAMES: Final = ("monitor", "known-sentinel", *_GLOBAL, *_OF_MASTER)


def new_content(sentinel: Sentinel, path: str) -> bytes:
    """The configuration file with the present state. Raises OSError if it cannot be read."""
    server = sentinel.server
    lines = [(f"sentinel {name}", f"sentinel {name} {word}", force) for name, word, force in switches(sentinel)]
    lines += [(f"sentinel {name}", f"sentinel {name} {words}", True) for name, words in state_lines(sentinel)]
    users = [decode(line) for line in server.users.lines()] if not server.config.aclfile else []
    replaced = [f"sentinel {name}" for name in _NAMES]
    return config_rewrite.new_content(path, server.config, users, lines, replaced)


__all__ = ["InstanceError", "LineError", "load_lines", "new_content", "state_lines"]
