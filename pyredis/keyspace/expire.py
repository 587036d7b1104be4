"""Active expiry: keys whose time has come go without being asked for, in short slices of the event loop."""

from __future__ import annotations

from time import perf_counter

from pyredis.keyspace.state import KeyspaceState

_SLICE = 64


def active_expire_cycle(ks: KeyspaceState, budget: float) -> bool:
    """Remove due keys for at most ``budget`` seconds; True if some are left (call again soon)."""
    if not ks.active_expire_enabled or ks.keep_expired:
        return False
    started = perf_counter()
    more = False
    # The database at which the last call ran out of time comes first, so that none can keep the others waiting.
    first = ks.next_expire_db % len(ks.dbs)
    for db in ks.dbs[first:] + ks.dbs[:first]:
        deadlines = db.deadlines
        while deadlines.order:
            early: list[tuple[bytes, int]] = []
            due = deadlines.take_due(ks.mstime, _SLICE)
            if not due:
                break
            for key in due:
                when = db.expires.get(key)
                if when is None:
                    continue
                if when <= ks.mstime:
                    db.expire_now(key)
                else:
                    early.append((key, when))
            for key, when in early:
                deadlines.give_back(key, when)
            if early:
                # The current bucket: the rest of it is due within milliseconds.
                break
            if perf_counter() - started > budget:
                ks.stat_expired_time_cap_reached_count += 1
                more = True
                break
        if more:
            ks.next_expire_db = db.id + 1
            break
    ks.stat_expire_cycle_usec += int((perf_counter() - started) * 1e6)
    return more
