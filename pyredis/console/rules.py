"""Which commands the console runs at all, which only with ``console-write``. What the user may, ACL says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.core.command import CMD_NOSCRIPT, CMD_PUBSUB, CMD_READONLY, CMD_RUNS_SCRIPTS
from pyredis.core.dispatch import lookup_command

if TYPE_CHECKING:
    from pyredis.core.server import Server

_NEVER: Final = frozenset(
    b"auth hello quit reset select multi exec discard watch unwatch monitor sync psync replconf asking readonly "
    b"readwrite client|reply client|tracking client|caching client|setname client|setinfo client|no-evict "
    b"client|no-touch".split()
)
"""What changes the connection, or makes it another kind of one: each request of the console has one of its own."""
_LOOKING: Final = frozenset(
    b"ping echo info time dbsize role lolwut lastsave command slowlog|get slowlog|len slowlog|help latency|doctor "
    b"latency|graph latency|histogram latency|history latency|latest latency|help client|list client|info client|id "
    b"client|getname client|help memory|usage memory|stats memory|doctor memory|malloc-stats memory|help config|get "
    b"config|help acl|whoami acl|cat acl|list acl|users acl|getuser acl|log acl|dryrun acl|help pubsub|channels "
    b"pubsub|numsub pubsub|numpat pubsub|shardchannels pubsub|shardnumsub pubsub|help object|help xinfo|help "
    b"command|count command|docs command|getkeys command|getkeysandflags command|info command|list command|help "
    b"function|list function|stats function|help script|exists script|help cluster|info replicaof|help "
    b"sentinel|masters sentinel|master sentinel|replicas sentinel|sentinels sentinel|get-master-addr-by-name "
    b"sentinel|ckquorum sentinel|myid".split()
)
"""What only looks, beside the commands that are declared to read."""


def refusal(server: Server, argv: list[bytes], write: bool) -> str:
    """Why the console does not run a command; empty if it does."""
    if not argv:
        return "ERR no command"
    cmd = lookup_command(server, argv)
    if cmd is None:
        return ""  # the dispatcher says what is wrong with it
    name = cmd.fullname.decode()
    if cmd.fullname in _NEVER or (cmd.flags & CMD_PUBSUB and cmd.spec.channels and cmd.fullname not in _PUBLISHING):
        return f"ERR {name.replace('|', ' ').upper()} needs a connection of its own: use pyredis cli"
    if write or _only_looks(cmd.fullname, cmd.flags, argv):
        return ""
    return f"ERR {name.replace('|', ' ').upper()} changes something, and the console is read-only (console-write)"


_PUBLISHING: Final = frozenset((b"publish", b"spublish"))


def _only_looks(name: bytes, flags: int, argv: list[bytes]) -> bool:
    if name == b"acl|log":
        return len(argv) < 3 or argv[2].upper() != b"RESET"
    return name in _LOOKING or bool(flags & CMD_READONLY and not flags & (CMD_NOSCRIPT | CMD_RUNS_SCRIPTS))
