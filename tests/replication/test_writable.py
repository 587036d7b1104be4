"""``replica-read-only no``: what clients of a replica write has deadlines that the replica keeps itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.replication import KINDS, group, wait_in_step
from tests.support.waiting import wait_until


@pytest.mark.parametrize("kind", KINDS)
def test_local_keys_expire(tmp_path: Path, kind: str) -> None:
    """Keys that were written here go when their time has come; the master's own wait for the master's word."""
    with group(tmp_path) as servers:
        master, replica = servers.start("redis"), servers.start(kind, "--replica-read-only", "no")
        sub = servers.start("ours")
        master.ok("SET", "masters", "v")
        replica.replicate(master)
        sub.replicate(replica)
        master.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        master.ok("SET", "kept", "v", "PX", "100")
        wait_in_step(master, replica)
        replica.ok("SET", "local", "v", "PX", "100")
        replica.ok("SET", "later", "v", "EX", "1000")
        replica.ok("SET", "none", "v")
        assert replica.call("PEXPIRE", "masters", "100") == b":1\r\n"
        assert replica.call("EVAL", "return redis.call('PSETEX', KEYS[1], 100, 'v')", 1, "script") == b"+OK\r\n"
        wait_until(lambda: replica.call("DBSIZE") == b":3\r\n", replica.log)
        assert replica.info("stats")["slave_expires_tracked_keys"] == "1"  # later
        assert replica.call("EXISTS", "later", "none", "local", "masters", "script") == b":2\r\n"
        assert sub.call("EXISTS", "local", "later", "script") == b":0\r\n"  # nothing of it goes on
        replica.ok("CONFIG", "SET", "replica-read-only", "yes")
        replica.ok("REPLICAOF", "NO", "ONE")
        wait_until(lambda: replica.call("DBSIZE") == b":2\r\n")


def test_what_a_transfer_tells(tmp_path: Path) -> None:
    """The fields of INFO before the snapshot's length is known, as redis-server has them."""
    with group(tmp_path) as servers:
        found = []
        for kind in KINDS:
            # Nothing arrives before the whole of such a small snapshot is written.
            master = servers.start("redis", "--repl-diskless-sync", "yes", "--rdb-key-save-delay", "10000000")
            for n in range(30):
                master.ok("SET", f"k{n}", "v")
            replica = servers.start(kind)
            replica.ok("REPLICAOF", "127.0.0.1", master.port)
            wait_until(lambda: replica.info()["master_sync_in_progress"] == "1")  # noqa: B023
            info = replica.info()
            del info["master_sync_last_io_seconds_ago"]
            found.append([(name, value) for name, value in info.items() if name.startswith("master_sync_")])
        assert found[0] == found[1]
