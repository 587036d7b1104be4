"""SENTINEL: what it tells, and the orders about a master."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from pyredis.core.args import get_int
from pyredis.core.blocked import BLOCKED_SAVE, block_for_keys
from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_ONLY_SENTINEL, CMD_SENTINEL, CMD_STALE, command, container
from pyredis.core.dispatch import error_reply
from pyredis.lib.glob import compile_pattern
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import (
    NULL_ARRAY,
    OK,
    ZERO,
    array,
    array_header,
    bulk,
    bulk_array,
    bulk_map,
    bulk_or_null,
    help_reply,
    integer,
    map_header,
    simple,
)
from pyredis.sentinel.describe import instance_fields
from pyredis.sentinel.election import check_quorum, vote_leader
from pyredis.sentinel.failover import select_replica, start_failover
from pyredis.sentinel.instance import FAILOVER_IN_PROGRESS, FORCE_FAILOVER, SDOWN, Instance, Master
from pyredis.sentinel.state import SIMULATE_ELECTION, SIMULATE_PROMOTION, Sentinel, decode, encode

if TYPE_CHECKING:
    from pyredis.sentinel.server import SentinelServer

_NOT_SAVED: Final = b"ERR Failed to save config file. Check server logs."
_ADMIN: Final = CMD_ADMIN | CMD_SENTINEL | CMD_ONLY_SENTINEL


def sentinel_of(c: Client) -> Sentinel:
    """The sentinel whose client this is."""
    return cast("SentinelServer", c.server).sentinel


def once_saved(c: Client, argv: list[bytes], reply: bytes, problem: bytes = _NOT_SAVED) -> None:
    """Answer ``reply`` when the state is on the disk, the error ``problem`` if it could not be saved; empty: nothing
    depends on that."""
    server = c.server
    block_for_keys(c, BLOCKED_SAVE, [], 0, argv, reply)
    state = c.blocked

    def done(saved: bool) -> None:
        if c.blocked is state:  # else the client has gone, or waits no more
            server.end_wait(c, reply if saved or not problem else error_reply(server, problem))

    sentinel_of(c).save(done)


def find_master(s: Sentinel, name: bytes) -> Master:
    """The master of that name. Raises CommandError."""
    master = s.masters.get(decode(name))
    if master is None:
        raise CommandError(b"ERR No such master with that name")
    return master


def _described(s: Sentinel, ri: Instance, resp: int) -> bytes:
    return bulk_map([encode(str(part)) for field in instance_fields(s, ri) for part in field], resp)


def _all_described(s: Sentinel, some: Iterable[Instance], resp: int) -> bytes:
    return array([_described(s, ri, resp) for ri in some])


container(
    b"SENTINEL",
    -2,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Ask and instruct a sentinel.",
    complexity="Depends on subcommand.",
)


@command(
    b"SENTINEL|MASTERS",
    2,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Describe all masters.",
    complexity="O(N) where N is the number of masters",
)
def sentinel_masters_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    return _all_described(s, s.masters.values(), c.resp)


@command(
    b"SENTINEL|MASTER",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Describe a master.",
    complexity="O(1)",
    usage="master-name",
)
def sentinel_master_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    return _described(s, find_master(s, argv[2]), c.resp)


def _replicas(c: Client, argv: list[bytes]) -> bytes:
    """Those that want to be known."""
    s = sentinel_of(c)
    replicas = find_master(s, argv[2]).replicas.values()
    return _all_described(s, [replica for replica in replicas if replica.replica_announced], c.resp)


@command(
    b"SENTINEL|REPLICAS",
    3,
    _ADMIN,
    group="sentinel",
    since="5.0.0",
    summary="Describe the replicas of a master.",
    complexity="O(N) where N is the number of replicas",
    usage="master-name",
)
def sentinel_replicas_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _replicas(c, argv)


@command(
    b"SENTINEL|SLAVES",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.0",
    summary="Describe the replicas of a master.",
    complexity="O(N) where N is the number of slaves",
    usage="master-name",
    deprecated_since="5.0.0",
    replaced_by="`SENTINEL REPLICAS`",
    doc_flags=("deprecated",),
)
def sentinel_slaves_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _replicas(c, argv)


@command(
    b"SENTINEL|SENTINELS",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Describe the other sentinels of a master.",
    complexity="O(N) where N is the number of Sentinels",
    usage="master-name",
)
def sentinel_sentinels_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    return _all_described(s, find_master(s, argv[2]).sentinels.values(), c.resp)


@command(
    b"SENTINEL|MYID",
    2,
    _ADMIN,
    group="sentinel",
    since="6.2.0",
    summary="Return the sentinel's own ID.",
    complexity="O(1)",
)
def sentinel_myid_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk(encode(sentinel_of(c).myid))


@command(
    b"SENTINEL|GET-MASTER-ADDR-BY-NAME",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Return where a master is.",
    complexity="O(1)",
    usage="master-name",
)
def sentinel_get_master_addr_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    master = s.masters.get(decode(argv[2]))
    if master is None:
        return NULL_ARRAY[c.resp]
    addr = master.current_addr()
    return bulk_array([encode(s.shown(addr)), b"%d" % addr.port])


@command(
    b"SENTINEL|IS-MASTER-DOWN-BY-ADDR",
    6,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Tell another sentinel whether a master is down, and vote.",
    complexity="O(1)",
    usage="ip port:int current-epoch:int runid",
)
def sentinel_is_master_down_command(c: Client, argv: list[bytes]) -> bytes | None:
    """With a run ID in place of ``*`` the other sentinel asks for this one's vote."""
    s = sentinel_of(c)
    port = get_int(argv[3])
    epoch = get_int(argv[4]) & (1 << 64) - 1
    master = s.find_master(decode(argv[2]), port)
    down = master is not None and not s.tilt and bool(master.flags & SDOWN)
    if master is None or argv[5] == b"*":
        return array([integer(int(down)), bulk(b"*"), ZERO])
    before = (s.current_epoch, master.leader_epoch)
    leader, leader_epoch = vote_leader(s, master, epoch, decode(argv[5]))
    reply = array([integer(int(down)), bulk(encode(leader or "*")), integer(leader_epoch)])
    if (s.current_epoch, master.leader_epoch) == before:
        return reply
    once_saved(c, argv, reply, b"")  # a vote that is told must not be forgotten
    return None


@command(
    b"SENTINEL|CKQUORUM",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Check whether a failover could be agreed on now.",
    usage="master-name",
)
def sentinel_ckquorum_command(c: Client, argv: list[bytes]) -> bytes | None:
    possible, message = check_quorum(find_master(sentinel_of(c), argv[2]))
    if not possible:
        raise CommandError(message.encode())
    return simple(message.encode())


@command(
    b"SENTINEL|INFO-CACHE",
    -3,
    _ADMIN,
    group="sentinel",
    since="3.2.0",
    summary="Return the last INFO of masters and their replicas.",
    complexity="O(N) where N is the number of instances",
    usage="nodename...",
)
def sentinel_info_cache_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    now = s.now()
    wanted = {decode(name) for name in argv[2:]}
    masters = [master for master in s.masters.values() if master.name in wanted]
    out = [array_header(2 * len(masters))]
    for master in masters:
        out.append(bulk(encode(master.name)))
        entries = []
        for ri in (master, *master.replicas.values()):
            age = now - ri.info_refresh if ri.info_refresh else 0
            entries.append(array([integer(age), bulk_or_null(ri.info or None, c.resp)]))
        out.append(array(entries))
    return b"".join(out)


@command(
    b"SENTINEL|PENDING-SCRIPTS",
    2,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Describe the scripts that wait or run.",
)
def sentinel_pending_scripts_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    now = s.now()
    out = []
    for job in s.scripts.queue:
        if job.process is not None:
            status, pid, label = b"running", job.process.pid, b"run-time"
            ms = now - job.start_time
        else:
            status, pid, label = b"scheduled", 0, b"run-delay"
            ms = max(job.start_time - now, 0) if job.start_time else 0
        fields = [
            (b"argv", bulk_array([encode(part) for part in job.argv])),
            (b"status", bulk(status)),
            (b"pid", bulk(b"%d" % pid)),
            (label, bulk(b"%d" % ms)),
            (b"retry-num", bulk(b"%d" % job.retries)),
        ]
        out.append(map_header(len(fields), c.resp) + b"".join([bulk(name) + value for name, value in fields]))
    return array_header(len(out)) + b"".join(out)


@command(
    b"SENTINEL|FAILOVER",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Begin a failover without asking the other sentinels.",
    usage="master-name",
)
def sentinel_failover_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    master = find_master(s, argv[2])
    if master.flags & FAILOVER_IN_PROGRESS:
        raise CommandError(b"INPROG Failover already in progress")
    if select_replica(s, master) is None:
        raise CommandError(b"NOGOODSLAVE No suitable replica to promote")
    s.log.warning(f"Executing user requested FAILOVER of '{master.name}'")
    start_failover(s, master)
    master.flags |= FORCE_FAILOVER
    return OK


@command(
    b"SENTINEL|RESET",
    3,
    _ADMIN,
    group="sentinel",
    since="2.8.4",
    summary="Forget what was found out about the masters whose names match.",
    complexity="O(N) where N is the number of monitored masters",
    usage="pattern:pattern",
)
def sentinel_reset_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    fits = compile_pattern(argv[2])
    found = [master for master in s.masters.values() if fits(encode(master.name))]
    for master in found:
        s.reset_master(master, tell=True)
    return integer(len(found))


_SIMULATE: Final = {b"crash-after-election": SIMULATE_ELECTION, b"crash-after-promotion": SIMULATE_PROMOTION}


_SIMULATED: Final = {
    b"crash-after-election": "being successfully elected as failover leader",
    b"crash-after-promotion": "promoting the selected replica to master",
}


@command(
    b"SENTINEL|SIMULATE-FAILURE",
    -3,
    _ADMIN,
    group="sentinel",
    since="3.2.0",
    summary="Crash in a step of the next failover.",
    usage="mode=['CRASH-AFTER-ELECTION'|'CRASH-AFTER-PROMOTION'|HELP]...",
)
def sentinel_simulate_failure_command(c: Client, argv: list[bytes]) -> bytes | None:
    s = sentinel_of(c)
    s.simulate_failure = 0
    for word in argv[2:]:
        mode = word.lower()
        if mode == b"help":
            return bulk_array(list(_SIMULATE))
        if mode not in _SIMULATE:
            raise CommandError(b"ERR Unknown failure simulation specified")
        s.simulate_failure |= _SIMULATE[mode]
        s.log.warning(f"Failure simulation: this Sentinel will crash after {_SIMULATED[mode]}")
    return OK


@command(
    b"SENTINEL|HELP",
    2,
    CMD_LOADING | CMD_STALE | CMD_SENTINEL | CMD_ONLY_SENTINEL,
    group="sentinel",
    since="6.2.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def sentinel_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(b"SENTINEL", _HELP)


_HELP: Final = (
    b"CKQUORUM <master-name>",
    b"    Are there enough sentinels to agree that the master is down, and for a",
    b"    majority that lets one of them carry out the failover?",
    b"CONFIG SET <param> <value>",
    b"    Set a parameter of this sentinel.",
    b"CONFIG GET <param>",
    b"    The parameters of this sentinel that match.",
    b"DEBUG [<param> <value> ...]",
    b"    The periods and limits in milliseconds; with arguments they are changed.",
    b"GET-MASTER-ADDR-BY-NAME <master-name>",
    b"    The address and port of the master.",
    b"FAILOVER <master-name>",
    b"    Begin a failover at once; the other sentinels are not asked.",
    b"FLUSHCONFIG",
    b"    Write the configuration file anew, with the present state.",
    b"INFO-CACHE <master-name>",
    b"    The last INFO of the master and of its replicas.",
    b"IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    b"    Is the master there down as this sentinel sees it? With a run ID also: its vote.",
    b"MASTER <master-name>",
    b"    The state of a master.",
    b"MASTERS",
    b"    The state of all masters.",
    b"MONITOR <name> <ip> <port> <quorum>",
    b"    Watch one more master.",
    b"MYID",
    b"    The ID of this sentinel.",
    b"PENDING-SCRIPTS",
    b"    The scripts that run or wait to be run.",
    b"REMOVE <master-name>",
    b"    Watch a master no more.",
    b"REPLICAS <master-name>",
    b"    The state of the master's replicas.",
    b"RESET <pattern>",
    b"    Begin anew with the masters whose names match.",
    b"SENTINELS <master-name>",
    b"    The state of the other sentinels that watch the master.",
    b"SET <master-name> <option> <value> [<option> <value> ...]",
    b"    Change settings of a master.",
    b"SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    b"    Crash in the next failover.",
)
