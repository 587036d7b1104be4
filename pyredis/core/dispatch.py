"""From argv to reply: the batch loop, the checks before a command, the call itself, and what follows a change.

Each client holds ``fast``, a dict of the commands that need no check now; everything unusual (not authenticated, MULTI,
subscribed, MONITOR somewhere, paused …) narrows or empties it. So what is switched off costs nothing: the hot loop
asks one dict, tests the arity, and calls. :func:`refresh_fast` is the only writer of ``fast``. For every state the fast
path and :func:`process_command` give the same replies.

Time is measured per run of the same command: a pipeline of 16 GETs costs two clock readings, and their mean goes into
the statistics of GET. Commands that may be slow are measured one by one.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.core.acl import DENIED_CMD, denial
from pyredis.core.checks import lacks_flags, paused, protection, refused_by_state, unknown_command
from pyredis.core.client import (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSED,
    CLIENT_DENY_BLOCKING,
    CLIENT_DIRTY_CAS,
    CLIENT_DIRTY_EXEC,
    CLIENT_GATED,
    CLIENT_MASTER,
    CLIENT_MONITOR,
    CLIENT_MULTI,
    CLIENT_NO_TOUCH,
    CLIENT_PAUSED,
    CLIENT_REPLICA,
    CLIENT_REPLY_SKIP,
    CLIENT_REPLY_SKIP_NEXT,
    CLIENT_STOP,
    CLIENT_TRACKING,
    Client,
)
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_ALLOW_BUSY,
    CMD_BLOCKING,
    CMD_LOADING,
    CMD_MAY_REPLICATE,
    CMD_NO_ASYNC_LOADING,
    CMD_NO_AUTH,
    CMD_NO_MULTI,
    CMD_NOSCRIPT,
    CMD_PROTECTED,
    CMD_PUBSUB,
    CMD_READONLY,
    CMD_RUNS_SCRIPTS,
    CMD_SKIP_MONITOR,
    CMD_SKIP_SLOWLOG,
    CMD_STALE,
    CMD_WRITE,
    Command,
)
from pyredis.core.propagate import feed, flush, propagate_command
from pyredis.core.slowlog import redact_argv
from pyredis.core.tracking import end_caching
from pyredis.lib.histogram import UNIT_BITS
from pyredis.resp.command import encode_command
from pyredis.resp.errors import LOADING, MASTERDOWN, NOAUTH, CommandError, sanitize, wrong_arity
from pyredis.resp.reply import QUEUED, error
from pyredis.resp.shape import Shape

if TYPE_CHECKING:
    from pyredis.core.server import Server

EMPTY: Final[dict[bytes, Command]] = {}
_NEVER_FAST: Final = CMD_ADMIN | CMD_BLOCKING | CMD_NO_AUTH | CMD_PUBSUB | CMD_NOSCRIPT | CMD_SKIP_MONITOR

_FIRST_SLICE: Final = 16
_LARGEST_SLICE: Final = 256
_TURN_NS: Final = 4_000_000
_TURN_BYTES: Final = 1 << 20

_PIPELINE: Final = 4
"""From so many command lines in one chunk on, it is worth asking whether all are the same command."""

# Bits of server.gates: why all clients take the path with all checks.
GATE_MONITOR: Final = 1
GATE_PAUSED: Final = 2
GATE_SLOWLOG: Final = 4
GATE_LOADING: Final = 8
GATE_DISK_ERROR: Final = 16
GATE_REPLICATION: Final = 32
GATE_MOVING: Final = 64
GATE_BUSY: Final = 1 << 10  # a script takes long
_GATES_OF_MASTER: Final = GATE_MONITOR | GATE_SLOWLOG | GATE_PAUSED | GATE_BUSY
"""Those that the master's stream takes notice of: a replica does as it is told."""


def build_fast_table(commands: dict[bytes, Command], without: int, names: frozenset[bytes]) -> dict[bytes, Command]:
    """Names (upper and lower case) of the commands that need no check, without those with certain flags or names."""
    table: dict[bytes, Command] = {}
    for name, cmd in commands.items():
        flags = without if cmd.flags & CMD_RUNS_SCRIPTS else without | _NEVER_FAST
        never = cmd.proc is None or cmd.subs or cmd.flags & flags or cmd.fullname in names
        if not never:
            table[name] = table[name.lower()] = cmd
    return table


def refresh_fast(c: Client) -> None:
    """Choose the client's fast table after its state or the server's gates changed."""
    server = c.server
    if c.flags & CLIENT_MASTER:
        gated = c.flags & CLIENT_GATED & ~CLIENT_DENY_BLOCKING or server.gates & _GATES_OF_MASTER
        c.fast = EMPTY if gated else server.fast_with_writes
    elif c.flags & CLIENT_GATED or server.gates or not c.authenticated or (c.resp == 2 and c.subscribed()):
        c.fast = EMPTY
    else:
        c.fast = c.user.fast


def set_gate(server: Server, bit: int, on: bool) -> None:
    """Open or close one of the server-wide gates; all clients follow."""
    gates = server.gates | bit if on else server.gates & ~bit
    if gates != server.gates:
        server.gates = gates
        for c in server.clients.values():
            refresh_fast(c)


def run_batch(c: Client, batch: list[list[bytes]], started: int) -> None:
    """Run the commands of one chunk of input; replies are left in ``c.out``, unrun commands in ``c.pending``.

    ``started`` is a reading of ``perf_counter_ns`` from just before.
    """
    if len(batch) >= _PIPELINE:
        first = batch[0]
        cmd = _with_columns(c, first[0], len(first))
        if cmd is not None and len(batch[-1]) == len(first) and batch[-1][0] == first[0]:
            try:
                columns = list(zip(*batch, strict=True))
            except ValueError:
                pass
            else:
                if columns[0].count(first[0]) == len(batch) and _run_columns(c, cmd, columns, started):
                    return
    _run_lines(c, batch, started)


def run_alike(c: Client, shape: Shape, arguments: tuple[bytes, ...], data: bytes, started: int) -> None:
    """Run ``data``, a chunk of requests of the same shape, as :func:`run_batch` does; all their arguments in a row."""
    name, width = shape.name, shape.width
    if shape.count == 1:
        run_one(c, [name, *arguments], started)
        return
    cmd = _with_columns(c, name, width + 1)
    if cmd is not None:
        columns = [shape.names]
        if cmd.rows is None:
            columns += [arguments[at::width] for at in range(width)]
        if _run_columns(c, cmd, columns, started, data, arguments):
            return
    lines = [[name, *arguments[at : at + width]] for at in range(0, width * shape.count, width or 1)]
    _run_lines(c, lines or [[name] for _ in range(shape.count)], started)


def _run_lines(c: Client, batch: list[list[bytes]], started: int) -> None:
    """Run commands one by one."""
    server = c.server
    append = c.out.append
    fast = c.fast
    feeders = server.feeders
    dirty = server.dirty
    previous: Command | None = None
    first = batch[0]
    n = 0
    mark = started
    rest = iter(batch)
    for argv in rest:
        cmd = fast.get(argv[0])
        if cmd is None or not cmd.argc_min <= len(argv) <= cmd.argc_max:
            if previous is not None:
                _account_run(c, previous, n, perf_counter_ns() - started, first)
                previous = None
            process_command(c, argv)
            if c.flags & CLIENT_STOP:
                break
            fast, feeders, dirty = c.fast, server.feeders, server.dirty
            started = mark = perf_counter_ns()
            continue
        if cmd is not previous:
            if previous is not None:
                mark = perf_counter_ns()
                _account_run(c, previous, n, mark - started, first)
                started = mark
            previous, n, first = cmd, 0, argv
        n += 1
        try:
            reply = cmd.proc(c, argv)  # type: ignore[misc]  # only commands with a body are in the table
        except CommandError as e:
            reply = error_reply(server, e.message)
            cmd.failed_calls += 1
        except Exception:
            internal_error(c, cmd, argv)
            break
        if reply is not None:
            append(reply)
        elif c.flags & CLIENT_STOP:  # a script that takes long: it is accounted for when it has ended
            n -= 1
            break
        if feeders:
            after_command(c, argv, dirty)
            dirty = server.dirty
        if server.ready_keys:
            server.handle_ready_keys()
            if c.flags & CLIENT_STOP:
                break
        if not cmd.by_run:
            now = perf_counter_ns()
            if now - mark > server.slowlog_threshold_ns:
                server.slow_command(c, cmd, argv, now - mark)
            mark = now
    if previous is not None and n:
        _account_run(c, previous, n, perf_counter_ns() - started, first)
    if c.flags & CLIENT_STOP:
        c.pending += rest


def run_one(c: Client, argv: list[bytes], started: int) -> None:
    """Run a command that came alone, as :func:`run_batch` does a chunk of them."""
    server = c.server
    cmd = c.fast.get(argv[0])
    if cmd is None or not cmd.argc_min <= len(argv) <= cmd.argc_max:
        process_command(c, argv)
        return
    dirty = server.dirty
    try:
        reply = cmd.proc(c, argv)  # type: ignore[misc]  # only commands with a body are in the table
    except CommandError as e:
        reply = error_reply(server, e.message)
        cmd.failed_calls += 1
    except Exception:
        internal_error(c, cmd, argv)
        reply = None
    if reply is not None:
        c.out.append(reply)
    elif c.flags & CLIENT_STOP:
        return  # a script that takes long, or a bug
    if server.feeders:
        after_command(c, argv, dirty)
    # What account() does, without the calls.
    elapsed = perf_counter_ns() - started
    c.last_cmd = cmd
    c.commands += 1
    cmd.calls += 1
    cmd.nsec += elapsed
    histogram = cmd.histogram
    unit = elapsed >> UNIT_BITS
    histogram[unit] = histogram.get(unit, 0) + 1
    if elapsed > server.slowlog_threshold_ns:
        server.slow_command(c, cmd, argv, elapsed)


def _with_columns(c: Client, name: bytes, argc: int) -> Command | None:
    """The command, if a pipeline of it may run at once now."""
    cmd = c.fast.get(name)
    if cmd is None or cmd.columns is None or c.db.hooks or not cmd.argc_min <= argc <= cmd.argc_max:
        return None
    return None if c.server.feeders and not cmd.alike else cmd


def _run_columns(
    c: Client,
    cmd: Command,
    columns: list[tuple[bytes, ...]],
    started: int,
    data: bytes | None = None,
    arguments: tuple[bytes, ...] = (),
) -> bool:
    """Run a pipeline that is one command again and again, if that can be done at once; False if not.

    ``data`` is the same pipeline encoded and ``arguments`` what stands in it, where they are at hand.
    """
    assert cmd.columns is not None
    db = c.db
    if len(columns) > 1 and not db.plain(columns[1]):
        return False
    server = c.server
    dirty = server.dirty
    try:
        if arguments and cmd.rows is not None:
            replies = cmd.rows(c, arguments, len(columns[0]))
        else:
            replies = cmd.columns(c, columns)
    except Exception:
        internal_error(c, cmd, [column[0] for column in columns])
        return True
    if replies is None:
        return False
    if server.feeders and server.dirty != dirty:
        feed(server, c.db.id, data or b"".join(map(encode_command, zip(*columns, strict=True))))
        c.fed = server.fed
    if db.access is not None and len(columns) > 1:
        db.used_many(columns[1])
    c.out.append(replies)
    c.last_cmd = cmd
    account(c, cmd, len(columns[0]), perf_counter_ns() - started)
    return True


def _account_run(c: Client, cmd: Command, n: int, elapsed_ns: int, argv: list[bytes]) -> None:
    """The end of a run of the same command that began with ``argv``; a single call that took long is told."""
    c.last_cmd = cmd
    account(c, cmd, n, elapsed_ns)
    if elapsed_ns > c.server.slowlog_threshold_ns and n == 1 and cmd.by_run:
        c.server.slow_command(c, cmd, argv, elapsed_ns)


def account(c: Client, cmd: Command, n: int, elapsed_ns: int) -> None:
    """Add ``n`` calls that took ``elapsed_ns`` together to a command's statistics, and to the client's."""
    c.commands += n
    cmd.calls += n
    cmd.nsec += elapsed_ns
    mean, histogram = elapsed_ns // n >> UNIT_BITS, cmd.histogram
    histogram[mean] = histogram.get(mean, 0) + n


def after_command(c: Client, argv: list[bytes], dirty: int) -> None:
    """A command has run: propagate it if it changed data, and at the end of the unit hand everything to the feeders.

    What it wanted to propagate instead of itself is forgotten in any case: it must not pass to the next command.
    """
    server = c.server
    if server.dirty != dirty:
        if c.rewritten is None and not server.also_propagate and not server.nesting:
            feed(server, c.db.id, encode_command(argv))
            c.fed = server.fed
            return
        propagate_command(c, c.db.id, argv)
    c.rewritten = None
    if server.also_propagate and not server.nesting:
        flush(server)
    if server.dirty != dirty:
        c.fed = server.fed


def error_reply(server: Server, message: bytes) -> bytes:
    """Encode an error and count it by its code."""
    server.count_error(message)
    return error(sanitize(message.rstrip(b"\r\n")))


def internal_error(c: Client, cmd: Command, argv: list[bytes]) -> None:
    """A bug: logged, answered with an error, and this client is closed; the server and the others go on."""
    c.server.log_exception(b"while running %b for client id=%d" % (cmd.fullname, c.id))
    end_after_reply(c, error_reply(c.server, b"ERR internal error while running '%b'" % cmd.fullname))


def end_after_reply(c: Client, reply: bytes) -> None:
    """Give the client its last reply; the connection ends when that has left. Nothing can be queued behind it."""
    c.add_reply(reply)
    c.flags |= CLIENT_CLOSE_AFTER_REPLY
    refresh_fast(c)


# --- the path with all checks -------------------------------------------------------------------------------------


def lookup_command(server: Server, argv: list[bytes]) -> Command | None:
    """The command (or subcommand) that argv names, None if there is none."""
    cmd = server.commands.get(argv[0].upper())
    if cmd is not None and cmd.subs and len(argv) > 1:
        return cmd.subs.get(argv[1].upper())
    return cmd


def process_command(c: Client, argv: list[bytes]) -> None:
    """All the questions Redis asks before a command runs, in its order; then queue it or call it."""
    server = c.server
    cmd = c.last_cmd = lookup_command(server, argv)
    if cmd is None:
        reject(c, None, unknown_command(server, argv).message)
        return
    if not cmd.argc_min <= len(argv) <= cmd.argc_max or cmd.proc is None:
        reject(c, cmd, wrong_arity(cmd.fullname).message)
        return
    refusal = _refusal(c, cmd, argv) if not c.flags & CLIENT_MASTER else None
    if refusal is not None:
        reject(c, cmd, refusal)
        return
    if server.gates & GATE_PAUSED and paused(server, c, cmd):
        park(c, argv, server.paused_clients)
        return
    if server.gates & GATE_BUSY and c.flags & CLIENT_MASTER:
        park(c, argv, server.scripts.parked)
        return
    if c.flags & CLIENT_MULTI and cmd.fullname not in _NOT_QUEUED:
        assert c.multi is not None
        if not c.flags & (CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC):  # else it will not run anyway
            c.multi.append((cmd, argv))
            c.multi_mem += sum(map(len, argv)) + 8 * len(argv)
        c.add_reply(QUEUED)
        end_reply_skip(c)
        return
    if server.gates & GATE_MOVING and server.moving.holds(c, cmd, argv):
        return
    tracking = server.tracking if c.flags & (CLIENT_TRACKING | CLIENT_MULTI) else None
    if tracking is not None:
        tracking.before_command(c)
    reply = call(c, cmd, argv)
    if reply is not None:
        if c.flags & CLIENT_REPLICA and not c.flags & CLIENT_MONITOR:
            server.replication.replied(c, cmd)
            return
        c.add_reply(reply)
    if tracking is not None:
        tracking.after_command(c, cmd)
    end_reply_skip(c)
    if server.ready_keys and not server.nesting:
        server.handle_ready_keys()
    if tracking is not None:
        tracking.current = None


_NOT_QUEUED: Final = frozenset((b"exec", b"discard", b"multi", b"watch", b"quit", b"reset"))
_IN_PUBSUB: Final = frozenset(
    (
        b"ping",
        b"subscribe",
        b"ssubscribe",
        b"unsubscribe",
        b"sunsubscribe",
        b"psubscribe",
        b"punsubscribe",
        b"quit",
        b"reset",
    )
)


def _refusal(c: Client, cmd: Command, argv: list[bytes]) -> bytes | None:
    """Why the command may not run now; None if it may."""
    if cmd.flags & CMD_PROTECTED and (forbidden := protection(c, cmd)):
        return forbidden
    if not cmd.flags & CMD_NO_AUTH and c.auth_required():
        return NOAUTH
    if c.flags & CLIENT_MULTI and cmd.flags & CMD_NO_MULTI:
        return b"ERR Command not allowed inside a transaction"
    if not c.user.unrestricted:
        reason, at = c.user.check(cmd, argv)
        if reason:
            log_denial(c, cmd, argv, reason, at)
            return denial(reason, cmd.fullname)
    refusal = refused_by_state(c, cmd)
    if refusal is not None:
        return refusal
    if c.resp == 2 and c.subscribed() and cmd.fullname not in _IN_PUBSUB:
        return (
            b"ERR Can't execute '%b': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET"
            b" are allowed in this context" % cmd.fullname
        )
    if c.server.gates & GATE_REPLICATION and c.server.replication.stale() and lacks_flags(c, cmd, CMD_STALE):
        return MASTERDOWN
    if c.server.loading is not None and lacks_flags(c, cmd, CMD_LOADING):
        replication = c.server.replication
        if not replication.async_loading or cmd.flags & CMD_NO_ASYNC_LOADING:
            return LOADING
    if c.server.gates & GATE_BUSY and not cmd.flags & CMD_ALLOW_BUSY:
        return c.server.scripts.busy_error
    if c.flags & (CLIENT_MONITOR | CLIENT_REPLICA) and cmd.flags & (CMD_READONLY | CMD_WRITE | CMD_MAY_REPLICATE):
        return b"ERR Replica can't interact with the keyspace"
    return None


def park(c: Client, argv: list[bytes], where: dict[Client, None]) -> None:
    """Keep a command, and all that follow, until the client is taken out of there."""
    c.flags |= CLIENT_PAUSED
    where[c] = None
    c.pending.insert(0, argv)
    refresh_fast(c)


def log_denial(c: Client, cmd: Command, argv: list[bytes], reason: int, at: int, context: bytes = b"") -> None:
    """Note in the ACL log that the client may not run ``argv``, for ``reason``, because of the argument at ``at``."""
    name = cmd.fullname if reason == DENIED_CMD else argv[at]
    c.server.users.log.add(c, reason, name, argv, context=context)


def reject(c: Client, cmd: Command | None, message: bytes) -> None:
    """Refuse a command before it ran; a transaction that was being queued is spoilt."""
    if cmd is not None:
        cmd.rejected_calls += 1
        if cmd.fullname == b"exec":
            c.server.discard_transaction(c)
            text = message[4:] if message.startswith(b"ERR ") else message
            message = b"EXECABORT Transaction discarded because of: " + text
    if c.flags & CLIENT_MULTI:
        c.flags |= CLIENT_DIRTY_EXEC
    if c.flags & CLIENT_REPLICA and not c.flags & CLIENT_MONITOR:
        c.server.replication.replied(c, cmd)
        return
    c.add_reply(error_reply(c.server, message))
    end_caching(c, cmd)
    end_reply_skip(c)


def end_reply_skip(c: Client) -> None:
    """CLIENT REPLY SKIP covers the one command after it, until that has its reply (a command that waits has none)."""
    flags = c.flags
    if flags & (CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT) and not flags & CLIENT_BLOCKED:
        c.flags = flags & ~(CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT)
        if flags & CLIENT_REPLY_SKIP_NEXT:
            c.flags |= CLIENT_REPLY_SKIP
        refresh_fast(c)


def call(c: Client, cmd: Command, argv: list[bytes]) -> bytes | None:
    """Run a command: its reply, its statistics, MONITOR, the slow log, propagation."""
    server = c.server
    dirty = server.dirty
    server.no_touch = bool(c.flags & CLIENT_NO_TOUCH) and cmd.fullname != b"touch"
    started = perf_counter_ns()
    try:
        assert cmd.proc is not None
        reply = cmd.proc(c, argv)
    except CommandError as e:
        reply = error_reply(server, e.message)
        cmd.failed_calls += 1
    except Exception:
        reply = None
        internal_error(c, cmd, argv)
    server.no_touch = False
    elapsed = perf_counter_ns() - started
    if c.flags & CLIENT_TRACKING and cmd.flags & CMD_READONLY:
        server.tracking.remember(c, cmd, argv)
    if not c.flags & CLIENT_BLOCKED:
        account(c, cmd, 1, elapsed)
        if elapsed > server.slowlog_threshold_ns and not cmd.flags & CMD_SKIP_SLOWLOG:
            server.slow_command(c, cmd, argv, elapsed)
    if server.monitors and not cmd.flags & (CMD_SKIP_MONITOR | CMD_ADMIN):
        if reply is not None and c.flags & CLIENT_MONITOR:
            # A monitor sees its own commands, too, each behind its reply.
            c.add_reply(reply)
            reply = None
        server.feed_monitors(c, redact_argv(cmd.fullname, argv, server.config.secrets))
    if server.feeders:
        after_command(c, argv, dirty)
    return reply


def call_blocked(c: Client) -> None:
    """Run a waiting client's command again; if it got its reply, the client is released and goes on.

    It counts as one call whose time is that of the run that succeeds; monitors have seen it when it came.
    """
    state = c.blocked
    assert state is not None and state.command is not None
    server, cmd, argv = c.server, state.command, state.argv
    dirty, started = server.dirty, perf_counter_ns()
    reply: bytes | None = b""
    other = server.tracking.before_serving(c)
    try:
        assert cmd.proc is not None
        reply = cmd.proc(c, argv)
    except CommandError as e:
        reply = error_reply(server, e.message)
        cmd.failed_calls += 1
    except Exception:
        internal_error(c, cmd, argv)
    if server.feeders:
        after_command(c, argv, dirty)
    if reply is not None:
        account(c, cmd, 1, perf_counter_ns() - started)
        server.end_wait(c, reply)
    server.tracking.after_serving(c, cmd, other)


def run_pending(c: Client) -> None:
    """Run the commands that wait in ``c.pending``, for some milliseconds or until there is a megabyte of replies.

    What is left then stays there for the next turn of the loop, so that neither a chunk of 40,000 commands nor replies
    far larger than the requests keep the other clients waiting or fill the memory. The replies are counted after every
    few commands: the first few may be GETs of large values.
    """
    if c.flags & CLIENT_STOP:
        return
    rest, c.pending = c.pending, []
    deadline = perf_counter_ns() + _TURN_NS
    at, size = 0, _FIRST_SLICE
    while at < len(rest):
        batch = rest[at : at + size]
        at += size
        run_batch(c, batch, perf_counter_ns())
        if c.flags & CLIENT_STOP or perf_counter_ns() > deadline or sum(map(len, c.out)) > _TURN_BYTES:
            break
        size = min(2 * size, _LARGEST_SLICE)
    c.pending += rest[at:]
    if c.flags & (CLIENT_CLOSE_AFTER_REPLY | CLIENT_CLOSED):
        c.pending = []
