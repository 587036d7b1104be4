"""SAVE, BGSAVE, save points, loading at start, SHUTDOWN: the files and replies of redis-server, and what fails."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep

import pytest

from tests.support.inprocess import refusal
from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient
from tests.support.servers import ORACLE, ServerProcess, start_oracle, start_ours
from tests.support.waiting import PATIENCE

DEBUG = ("--enable-debug-command", "yes", "--enable-protected-configs", "yes")
STARTS = [start_ours, start_oracle]
Start = Callable[..., ServerProcess]


def info(client: RawClient) -> dict[str, str]:
    lines = client.call("INFO", "persistence").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def wait_for(client: RawClient, **wanted: str) -> dict[str, str]:
    """INFO once it has these values; the test's own limit of time ends what never comes."""
    while True:
        found = info(client)
        if all(found[name] == value for name, value in wanted.items()):
            return found
        sleep(0.01)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_there_and_back(tmp_path: Path, seed: int, background: bool) -> None:
    """Ours, redis-server, ours …: each loads what the one before has saved, and adds something."""
    wanted = b""
    for turn, start in enumerate((start_ours, start_oracle, start_ours, start_ours)):
        server = start(tmp_path, *DEBUG)
        client = RawClient(server.connect())
        if wanted:
            assert digest(server) == wanted, start.__name__
            assert int(info(client)["rdb_last_load_keys_loaded"]) > 20
        fill(client, f"{seed} {turn}", large=not turn)
        if background:
            assert client.call("BGSAVE") == b"+Background saving started\r\n"
            found = wait_for(client, rdb_bgsave_in_progress="0")
        else:
            assert client.call("SAVE") == b"+OK\r\n"
            found = info(client)
        assert (found["rdb_changes_since_last_save"], found["rdb_last_bgsave_status"]) == ("0", "ok")
        assert (found["rdb_saves"], int(found["rdb_last_bgsave_time_sec"]) >= 0) == ("1", background)
        assert client.call("LASTSAVE") == b":%b\r\n" % found["rdb_last_save_time"].encode()
        wanted = digest(server)
        server.process.kill()
        server.process.wait()
        assert [path.name for path in tmp_path.iterdir()] == ["server.log", "dump.rdb"] or len(
            list(tmp_path.iterdir())
        ) == 2
        checked = subprocess.run(["/usr/bin/redis-check-rdb", str(tmp_path / "dump.rdb")], capture_output=True)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("start", STARTS)
def test_replies_while_a_child_is_at_work(tmp_path: Path, start: Start) -> None:
    """The same script, with the same replies, on both servers."""
    server = start(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("DEBUG", "POPULATE", 50)
    assert client.call("BGSAVE", "foo") == client.call("BGSAVE", "SCHEDULE", "x") == b"-ERR syntax error\r\n"
    client.call("CONFIG", "SET", "rdb-key-save-delay", 1000000)
    assert client.call("BGSAVE", "schedule") == b"+Background saving started\r\n"
    for argv in (["BGSAVE"], ["BGSAVE", "SCHEDULE"], ["SAVE"]):
        assert client.call(*argv) == b"-ERR Background save already in progress\r\n"
    assert client.call("BGREWRITEAOF") == b"+Background append only file rewriting scheduled\r\n"
    client.call("SET", "k", "v")
    found = info(client)
    assert (found["rdb_bgsave_in_progress"], found["aof_rewrite_scheduled"]) == ("1", "1")
    assert (found["rdb_changes_since_last_save"], found["current_save_keys_total"]) == ("1", "50")
    assert client.call("FLUSHALL") == b"+OK\r\n"  # what is being saved is no more: the child ends
    wait_for(client, rdb_bgsave_in_progress="0", rdb_last_bgsave_status="ok")
    wait_for(client, aof_rewrite_scheduled="0", aof_rewrite_in_progress="0")
    client.call("DEBUG", "POPULATE", 50)
    assert client.call("BGREWRITEAOF") == b"+Background append only file rewriting started\r\n"
    assert client.call("BGREWRITEAOF") == b"-ERR Background append only file rewriting already in progress\r\n"
    assert client.call("BGSAVE") == (
        b"-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
        b"schedule a BGSAVE whenever possible.\r\n"
    )
    client.call("CONFIG", "SET", "rdb-key-save-delay", 0)
    assert client.call("BGSAVE", "SCHEDULE") == b"+Background saving scheduled\r\n"
    server.process.kill()
    server.process.wait()


@pytest.mark.parametrize("start", STARTS)
def test_scheduled_in_a_transaction(tmp_path: Path, start: Start) -> None:
    server = start(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    replies = client.pipeline([[b"MULTI"], [b"SET", b"a", b"b"], [b"BGSAVE"], [b"SAVE"]])
    assert replies[-1] == b"-ERR Command not allowed inside a transaction\r\n"
    replies = client.pipeline([[b"DISCARD"], [b"MULTI"], [b"SET", b"a", b"b"], [b"BGSAVE"], [b"EXEC"]])
    assert replies[-1] == b"*2\r\n+OK\r\n+Background saving scheduled\r\n"
    wait_for(client, rdb_saves="1", rdb_bgsave_in_progress="0", rdb_changes_since_last_save="0")
    server.stop()


@pytest.mark.parametrize("start", STARTS)
def test_what_cannot_be_written(tmp_path: Path, start: Start) -> None:
    """A directory stands where the file should go: errors, no more writes until it is saved again, no lost data."""
    (tmp_path / "taken").mkdir()
    server = start(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("CONFIG", "SET", "dbfilename", "taken")
    client.call("SET", "a", "1")
    assert client.call("SAVE") == b"-ERR\r\n"
    assert info(client)["rdb_last_bgsave_status"] == "ok"
    assert client.call("BGSAVE") == b"+Background saving started\r\n"
    wait_for(client, rdb_last_bgsave_status="err", rdb_bgsave_in_progress="0")
    assert client.call("SET", "a", "2") == b"+OK\r\n"  # no save points: nobody relies on snapshots
    client.call("CONFIG", "SET", "save", "1000 1000")
    misconf = b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."
    assert client.call("SET", "a", "3").startswith(misconf)
    assert client.call("PING").startswith(misconf)
    assert client.call("GET", "a") == b"$1\r\n2\r\n"
    client.call("MULTI")
    assert client.call("INCR", "a").startswith(misconf)
    assert client.call("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    client.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert client.call("SET", "a", "4") == b"+OK\r\n"
    client.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert client.call("SET", "a", "5").startswith(misconf)
    assert client.call("SHUTDOWN") == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    server.process.send_signal(signal.SIGTERM)
    while server.log().count("Error trying to save the DB, can't exit.") < 2:
        assert server.alive()
    client.call("CONFIG", "SET", "dbfilename", "free.rdb")
    assert client.call("SAVE") == b"+OK\r\n"
    assert client.call("SET", "a", "6") == b"+OK\r\n"
    client.call("CONFIG", "SET", "dbfilename", "taken")
    client.send("SHUTDOWN", "FORCE")
    server.process.wait(PATIENCE)
    assert "Error trying to save the DB. Exit anyway." in server.log()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free.rdb", "server.log", "taken"]


def test_save_points(tmp_path: Path) -> None:
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("CONFIG", "SET", "save", "1 3")
    client.call("MSET", "a", "1", "b", "2")
    wait_for(client, rdb_changes_since_last_save="2")
    client.call("SET", "c", "3")
    found = wait_for(client, rdb_saves="1", rdb_bgsave_in_progress="0")
    assert (found["rdb_changes_since_last_save"], found["rdb_last_bgsave_status"]) == ("0", "ok")
    assert "3 changes in 1 seconds. Saving..." in server.log()
    assert (tmp_path / "dump.rdb").exists()
    server.stop()


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "words, points, saved",
    [
        ("", "", False),
        ("", "100 100", True),
        ("SAVE", "", True),
        ("NOSAVE", "100 100", False),
        ("SIGTERM", "100 100", True),
        ("SIGTERM", "", False),
        ("SIGINT nosave", "100 100", False),
        ("SIGTERM save", "", True),
    ],
)
def test_the_end(tmp_path: Path, start: Start, words: str, points: str, saved: bool) -> None:
    server = start(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("CONFIG", "SET", "save", points)
    client.call("SET", "a", "1")
    if words.startswith("SIG"):
        name, _, option = words.partition(" ")
        client.call("CONFIG", "SET", f"shutdown-on-{name.lower()}", option or "default")
        server.process.send_signal(getattr(signal, name))
    else:
        client.send("SHUTDOWN", *words.split())
        with pytest.raises(EOFError):
            client.read()
    assert server.process.wait(PATIENCE) == 0
    assert (tmp_path / "dump.rdb").exists() == saved


def test_nothing_is_loaded_beside_an_append_only_file(tmp_path: Path) -> None:
    """appendonly yes goes first, as in Redis, even where there is nothing but a snapshot."""
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("SET", "a", "1")
    client.call("SAVE")
    server.stop()
    for start in STARTS:
        directory = tmp_path / start.__name__
        directory.mkdir()
        (directory / "dump.rdb").write_bytes((tmp_path / "dump.rdb").read_bytes())
        server = start(directory, "--appendonly", "yes")
        assert RawClient(server.connect()).call("DBSIZE") == b":0\r\n"
        server.stop()
    server = start_ours(tmp_path)
    assert RawClient(server.connect()).call("GET", "a") == b"$1\r\n1\r\n"
    server.stop()


@pytest.mark.parametrize("start", STARTS)
def test_no_file_name(tmp_path: Path, start: Start) -> None:
    """An empty dbfilename: nothing is loaded, and nothing can be saved."""
    server = start(tmp_path, *DEBUG, "--dbfilename", "")
    client = RawClient(server.connect())
    client.call("SET", "a", "1")
    assert client.call("SAVE") == b"-ERR\r\n"
    assert client.call("GET", "a") == b"$1\r\n1\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["server.log"]
    server.stop()


def test_a_damaged_file_ends_the_start(tmp_path: Path) -> None:
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    fill(client, "damage", large=False)
    client.call("SAVE")
    server.stop()
    path = tmp_path / "dump.rdb"
    whole = path.read_bytes()

    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "wrong checksum" in refusal(tmp_path)
    assert refusal(tmp_path, "rdbchecksum no") == ""
    path.write_bytes(whole[: len(whole) // 2])
    said = refusal(tmp_path)
    assert f"the end of the data ({len(whole) // 2} bytes)" in said or "the data end too early" in said
    path.write_bytes(b"")
    assert "at offset 0" in refusal(tmp_path)
    path.write_bytes(b"REDIS0099" + whole[9:])
    assert "Can't handle RDB format version 0099" in refusal(tmp_path)
    path.unlink()
    path.mkdir()
    assert "Fatal error loading the DB" in refusal(tmp_path)


class LoadingProcess(ServerProcess):
    """A server that has begun to load."""

    ready = (b"-LOADING",)


@pytest.mark.parametrize("command", [[sys.executable, "-m", "pyredis"], [ORACLE]], ids=["ours", "oracle"])
def test_clients_are_answered_while_it_loads(tmp_path: Path, command: list[str]) -> None:
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("DEBUG", "POPULATE", 30000)  # a minute's work at the pace below
    client.call("SAVE")
    server.stop()
    size = (tmp_path / "dump.rdb").stat().st_size
    slowly = ("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
    server = LoadingProcess(command, tmp_path, *DEBUG, *slowly)
    client = RawClient(server.connect())
    assert client.call("GET", "key:1") == b"-LOADING Redis is loading the dataset in memory\r\n"
    assert client.call("LASTSAVE").startswith(b":1")
    found = wait_for(client, loading="1")
    assert int(found["loading_total_bytes"]) == size
    assert 0 <= int(found["loading_loaded_bytes"]) <= size
    client.send("SHUTDOWN")
    assert server.process.wait(PATIENCE) == 0
    assert (tmp_path / "dump.rdb").stat().st_size == size
