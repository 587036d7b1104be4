"""CLUSTER, ASKING, READONLY, READWRITE: the server is no node of a cluster, and says so as Redis does then."""

from __future__ import annotations

from typing import Final

from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_CONNECTION,
    CMD_ADMIN,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_ASYNC_LOADING,
    CMD_NOSCRIPT,
    CMD_STALE,
    command,
    container,
)
from pyredis.resp.errors import CommandError

_LOOK: Final = CMD_STALE
_LOOK_ADMIN: Final = CMD_ADMIN | CMD_STALE
_CHANGE: Final = CMD_ADMIN | CMD_STALE | CMD_NO_ASYNC_LOADING
_VARIES: Final = (b"nondeterministic_output",)
_OF_NODES: Final = "O(N) where N is the total number of Cluster nodes"
_OF_SLOTS: Final = "O(N) where N is the total number of hash slot arguments"
_OF_RANGES: Final = "O(N) where N is the total number of the slots between the start slot and end slot arguments."

Row = tuple[bytes, int, int, str, str, str]

_SUBCOMMANDS: Final[tuple[Row, ...]] = (
    # name, arity, flags, summary, usage, complexity (O(1) if empty)
    (b"ADDSLOTS", -3, _CHANGE, "Give slots to a node.", "slot:int...", _OF_SLOTS),
    (b"ADDSLOTSRANGE", -4, _CHANGE, "Give ranges of slots to a node.", "(start-slot:int end-slot:int)...", _OF_RANGES),
    (b"BUMPEPOCH", 2, _CHANGE, "Advance a node's epoch.", "", ""),
    (
        b"COUNT-FAILURE-REPORTS",
        3,
        _LOOK_ADMIN,
        "Count the nodes that hold another for failed.",
        "node-id",
        "O(N) where N is the number of failure reports",
    ),
    (b"COUNTKEYSINSLOT", 3, _LOOK, "Count the keys of a slot.", "slot:int", ""),
    (b"DELSLOTS", -3, _CHANGE, "Take slots from a node.", "slot:int...", _OF_SLOTS),
    (
        b"DELSLOTSRANGE",
        -4,
        _CHANGE,
        "Take slots from a node by ranges.",
        "(start-slot:int end-slot:int)...",
        _OF_RANGES,
    ),
    (b"FAILOVER", -2, _CHANGE, "Have a replica take over from its master.", "options=[FORCE|TAKEOVER]", ""),
    (b"FLUSHSLOTS", 2, _CHANGE, "Take all slots from a node.", "", ""),
    (b"FORGET", 3, _CHANGE, "Remove a node from the list of nodes.", "node-id", ""),
    (
        b"GETKEYSINSLOT",
        4,
        _LOOK,
        "List keys of a slot.",
        "slot:int count:int",
        "O(log(N)) where N is the number of requested keys",
    ),
    (b"HELP", 2, CMD_LOADING | CMD_STALE, "Explain the subcommands.", "", ""),
    (b"INFO", 2, _LOOK, "Describe a node's view of the cluster.", "", ""),
    (b"KEYSLOT", 3, _LOOK, "Tell the slot of a key.", "key:string", "O(N) where N is the number of bytes in the key"),
    (b"LINKS", 2, _LOOK, "List the links to other nodes.", "", _OF_NODES),
    (b"MEET", -4, _CHANGE, "Introduce a node.", "ip port:int [cluster_bus_port:int]@4.0.0", ""),
    (b"MYID", 2, _LOOK, "Tell the node's ID.", "", ""),
    (b"MYSHARDID", 2, _LOOK, "Tell the ID of the node's shard.", "", ""),
    (b"NODES", 2, _LOOK, "List the nodes as in the file of the cluster.", "", _OF_NODES),
    (b"REPLICAS", 3, _LOOK_ADMIN, "List a master's replicas.", "node-id", ""),
    (b"REPLICATE", 3, _CHANGE, "Make the node a replica of another.", "node-id", ""),
    (
        b"RESET",
        -2,
        CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE,
        "Make the node forget the cluster.",
        "hard_soft=[HARD|SOFT]",
        "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
    ),
    (b"SAVECONFIG", 2, _CHANGE, "Write the file of the cluster.", "", ""),
    (b"SET-CONFIG-EPOCH", 3, _CHANGE, "Set the epoch of a new node.", "config-epoch:int", ""),
    (
        b"SETSLOT",
        -4,
        _CHANGE,
        "Bind a slot to a node, or have it move.",
        "slot:int subcommand=(IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE)",
        "",
    ),
    (b"SHARDS", 2, _LOOK, "List the shards with their slots and nodes.", "", _OF_NODES.replace("Cluster", "cluster")),
    (b"SLAVES", 3, _LOOK_ADMIN, "List a master's replicas.", "node-id", ""),
    (b"SLOTS", 2, _LOOK, "List the slots with their nodes.", "", _OF_NODES),
)
_SINCE: Final = {
    b"REPLICAS": "5.0.0",
    b"HELP": "5.0.0",
    b"ADDSLOTSRANGE": "7.0.0",
    b"DELSLOTSRANGE": "7.0.0",
    b"LINKS": "7.0.0",
    b"SHARDS": "7.0.0",
    b"MYSHARDID": "7.2.0",
}
"""Where it is not 3.0.0."""
_DEPRECATED: Final = {b"SLAVES": ("5.0.0", "`CLUSTER REPLICAS`"), b"SLOTS": ("7.0.0", "`CLUSTER SHARDS`")}
_HISTORY: Final = {
    b"MEET": (("4.0.0", "Added the optional `cluster_bus_port` argument."),),
    b"SLOTS": (("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")),
}
_SAME_EACH_TIME: Final = frozenset((b"COUNTKEYSINSLOT", b"HELP", b"KEYSLOT", b"MYID"))


def _refuse(c: Client, argv: list[bytes]) -> bytes | None:
    raise CommandError(b"ERR This instance has cluster support disabled")


container(
    b"CLUSTER",
    -2,
    0,
    group="cluster",
    since="3.0.0",
    summary="Look after a cluster, which the server is not part of.",
    complexity="Depends on subcommand.",
    acl=0,
)

for _name, _arity, _flags, _summary, _usage, _complexity in _SUBCOMMANDS:
    _deprecated, _instead = _DEPRECATED.get(_name, ("", ""))
    _varies = not _flags & CMD_ADMIN and _name not in _SAME_EACH_TIME
    command(
        b"CLUSTER|" + _name,
        _arity,
        _flags,
        group="cluster",
        since=_SINCE.get(_name, "3.0.0"),
        summary=_summary,
        complexity=_complexity or "O(1)",
        usage=_usage,
        tips=_VARIES if _varies or _flags == _LOOK_ADMIN or _name == b"BUMPEPOCH" else (),
        history=_HISTORY.get(_name, ()),
        deprecated_since=_deprecated,
        replaced_by=_instead,
        doc_flags=("deprecated",) if _deprecated else (),
    )(_refuse)

for _name, _flags, _summary in (
    (b"ASKING", CMD_FAST, "Have the next command run for a slot that is on its way here."),
    (b"READONLY", CMD_LOADING | CMD_STALE | CMD_FAST, "Read from a replica in a cluster."),
    (b"READWRITE", CMD_LOADING | CMD_STALE | CMD_FAST, "Read from masters again."),
):
    command(
        _name,
        1,
        _flags,
        group="cluster",
        since="3.0.0",
        summary=_summary,
        complexity="O(1)",
        acl=ACL_CONNECTION,
    )(_refuse)
