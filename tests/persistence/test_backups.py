"""Point-in-time copies of snapshots, and bringing them back with ``pyredis restore``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pyredis.cli.restore import main as restore
from pyredis.persistence import backups
from tests.support.damage import ours
from tests.support.inprocess import refusal, running
from tests.support.raw import RawClient
from tests.support.servers import start_oracle, start_ours
from tests.support.waiting import until

NAME = re.compile(r"dump-\d{8}T\d{6}Z(-\d+)?\.rdb")


async def backup_info(client: Redis) -> dict[str, object]:
    info = await client.info("persistence")
    return {name: value for name, value in info.items() if name.startswith("backup")}


@pytest.mark.asyncio
async def test_every_snapshot(tmp_path: Path) -> None:
    """Without a schedule each one is kept, the newest few of them; each is whole and of its own moment."""
    there = tmp_path / "backups"
    lines = (f"backup-dir {there}", "backup-keep 3")
    async with running(tmp_path, *lines) as (app, client):
        assert (await backup_info(client))["backup_last_time"] == 0
        for n in range(5):
            await client.set("n", n)
            await (client.save() if n % 2 else client.bgsave())
            await until(lambda n=n: app.server.snapshots.backups.done == n + 1)  # type: ignore[misc]
        names = sorted(path.name for path in there.iterdir())
        assert len(names) == 3 and all(map(NAME.fullmatch, names))
        found = await backup_info(client)
        assert (found["backup_last_status"], found["backups_made"], found["backups_kept"]) == ("ok", 5, 3)
        newest = there / str(found["backup_last_file"])
        assert found["backup_last_size"] == newest.stat().st_size
        assert newest.stat().st_mtime == found["backup_last_time"]
    values = []
    for path in there.iterdir():
        directory = tmp_path / path.stem
        directory.mkdir()
        assert ours(restore, path, "--dir", directory)[0] == 0
        async with running(directory) as (_, client):
            values.append(await client.get("n"))
    assert sorted(values) == [b"2", b"3", b"4"]


def test_names_of_one_second() -> None:
    """The name of a copy that was removed is not given to a newer one, which would then count as the oldest."""
    there = [backups._name("dump.rdb", 0, [])]
    for _ in range(4):
        there.append(backups._name("dump.rdb", 0, there))
        del there[0]
    assert there == ["dump-19700101T000000Z-4.rdb"]
    assert backups._name("dump.rdb", 1, there) == "dump-19700101T000001Z.rdb"


@pytest.mark.asyncio
async def test_schedule(tmp_path: Path) -> None:
    """A snapshot is begun when a copy is due, also after a restart, and not before; both can be changed at run time."""
    there = tmp_path / "backups"
    lines = (f"backup-dir {there}", "hz 100")
    async with running(tmp_path, *lines) as (app, client):
        await client.set("a", "b")
        await client.config_set("backup-schedule", "1h")
        assert await client.config_get("backup-schedule") == {"backup-schedule": "1h"}
        await until(lambda: app.server.snapshots.backups.done == 1)
        await client.bgsave()
        await until(lambda: app.server.snapshots.saves == 2 and not app.server.snapshots.saving)
        await client.config_set("backup-schedule", "1s")
        await until(lambda: app.server.snapshots.backups.done >= 2)
        await client.config_set("backup-keep", 1)
        done = app.server.snapshots.backups.done
        await until(lambda: app.server.snapshots.backups.done > done + 1)  # one may have been under way
        await client.config_set("backup-schedule", "")
        await until(lambda: not app.server.snapshots.saving and not app.server.snapshots.backups.running)
        assert len(list(there.iterdir())) == 1
    async with running(tmp_path, *lines, "backup-schedule 1d") as (app, client):
        loops = app.server.cron_loops
        await until(lambda: app.server.cron_loops > loops + 20)
        assert app.server.snapshots.saves == 0
        assert (await backup_info(client))["backups_kept"] == 1


@pytest.mark.parametrize(("text", "shown"), [("90s", "90s"), ("120", "2m"), ("24h", "1d"), ("7d", "1w"), ("0", "")])
def test_durations(server: object, text: str, shown: str) -> None:
    client = RawClient(server.connect())  # type: ignore[attr-defined]
    assert client.call("CONFIG", "SET", "backup-schedule", text) == b"+OK\r\n"
    reply = client.call("CONFIG", "GET", "backup-schedule")
    assert reply.endswith(b"$%d\r\n%b\r\n" % (len(shown), shown.encode()))
    assert client.call("CONFIG", "SET", "backup-schedule", "soon").startswith(b"-ERR CONFIG SET failed")
    client.call("CONFIG", "SET", "backup-schedule", "")
    assert client.call("CONFIG", "SET", "backup-dir", "/tmp").endswith(b"can't set protected config\r\n")
    client.close()


@pytest.mark.asyncio
async def test_damage_costs_no_copy(tmp_path: Path) -> None:
    """A snapshot that cannot be read is not kept, and the older copies stay; INFO and the log say so."""
    there = tmp_path / "backups"
    async with running(tmp_path, f"backup-dir {there}", "backup-keep 1") as (app, client):
        await client.set("a", "b" * 100)
        await client.save()
        await until(lambda: app.server.snapshots.backups.done == 1)
        [good] = there.iterdir()
        backups, path = app.server.snapshots.backups, tmp_path / "dump.rdb"
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:50] + b"x" + data[51:])
        app.server.snapshots.written[0](str(path))
        await until(lambda: not backups.running)
        found = await backup_info(client)
        assert (found["backup_last_status"], found["backups_kept"]) == ("err", 1)
        assert list(there.iterdir()) == [good]
        assert "the snapshot is damaged: [offset " in (tmp_path / "server.log").read_text()
        await client.save()
        await until(lambda: backups.done == 2)
        assert (await backup_info(client))["backup_last_status"] == "ok"


@pytest.mark.asyncio
async def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with running(tmp_path, f"backup-dir {tmp_path / 'file' / 'x'}") as (app, client):
        assert await client.save()
        assert (await backup_info(client))["backup_last_status"] == "err"
        assert await client.set("a", "b")
        assert app.server.snapshots.backups.done == 0


def keys(directory: Path, start: Callable[..., object], *options: str) -> bytes:
    """What a server finds there."""
    server = start(directory, *options)
    client = RawClient(server.connect())  # type: ignore[attr-defined]
    found = client.call("LRANGE", "l", "0", "-1")
    client.close()
    server.stop()  # type: ignore[attr-defined]
    return found


def made(tmp_path: Path, *options: str) -> Path:
    """A snapshot with the list a b c, and a directory whose server has since gone on to d."""
    server = start_ours(tmp_path, *options)
    client = RawClient(server.connect())
    client.call("RPUSH", "l", "a", "b", "c")
    assert client.call("SAVE") == b"+OK\r\n"
    copy = tmp_path / "copy.rdb"
    copy.write_bytes((tmp_path / "dump.rdb").read_bytes())
    client.call("RPUSH", "l", "d")
    client.call("SAVE")
    client.close()
    server.stop()
    return copy


ABC = b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"


@pytest.mark.parametrize("start", [start_ours, start_oracle], ids=["pyredis", "redis"])
def test_restored_for_an_append_only_server(tmp_path: Path, start: Callable[..., object]) -> None:
    """The next start loads the restored data, not the file that was there; that is kept."""
    on = ("--appendonly", "yes")
    copy = made(tmp_path, *on)
    assert keys(tmp_path, start_ours, *on).startswith(b"*4\r\n")
    code, output = ours(restore, copy, "--dir", tmp_path)
    assert code == 0, output
    assert keys(tmp_path, start, *on) == ABC
    assert keys(tmp_path, start, *on) == ABC
    kept = [path.name for path in tmp_path.iterdir() if ".before-" in path.name]
    assert sorted(name.split(".before-")[0] for name in kept) == ["appendonlydir", "dump.rdb"]
    assert not list(tmp_path.rglob("*.restoring"))


@pytest.mark.parametrize("start", [start_ours, start_oracle], ids=["pyredis", "redis"])
def test_restored_for_a_server_with_snapshots(tmp_path: Path, start: Callable[..., object]) -> None:
    copy = made(tmp_path)
    code, output = ours(restore, copy, "--dir", tmp_path)
    assert code == 0 and "--appendonly" in output
    assert keys(tmp_path, start) == ABC
    assert not (tmp_path / "appendonlydir").exists()
    assert ours(restore, copy, "--dir", tmp_path, "--appendonly")[0] == 0
    assert keys(tmp_path, start, "--appendonly", "yes") == ABC


def test_restored_as_the_configuration_says(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    copy = made(tmp_path)
    conf = tmp_path / "redis.conf"
    names = "dbfilename x.rdb\nappendonly yes\nappendfilename log\nappenddirname logs\n"
    conf.write_text(f"dir {data}\nport 1\n{names}")
    (data / "log").write_bytes(b"*1\r\n$4\r\nPING\r\n")  # of a server before Redis 7
    here = os.getcwd()
    code, output = ours(restore, copy, "--config", conf)
    assert code == 0, output
    assert os.getcwd() == here
    assert keys(data, lambda directory: start_ours(directory, file=conf)) == ABC
    assert ours(restore, copy, "--config", tmp_path / "missing.conf")[0] == 1


@pytest.mark.parametrize("start", [start_ours, start_oracle], ids=["pyredis", "redis"])
def test_not_while_a_server_runs(tmp_path: Path, start: Callable[..., object]) -> None:
    copy = made(tmp_path)
    before = (tmp_path / "dump.rdb").read_bytes()
    server = start(tmp_path)
    code, output = ours(restore, copy, "--dir", tmp_path)
    assert code == 1 and "A server is running in" in output
    server.stop()  # type: ignore[attr-defined]
    assert (tmp_path / "dump.rdb").read_bytes() == before
    code, output = ours(restore, copy, "--dir", tmp_path)
    assert code == 0, output


def test_no_server_starts_meanwhile(tmp_path: Path) -> None:
    program = (
        "import sys; from pyredis.persistence.lock import DirectoryLock as L; lock = L();"
        "print(lock.take(sys.argv[1], True), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"True\n"
        assert "is being restored" in refusal(tmp_path)
        holder.stdin.close()
    assert refusal(tmp_path) == ""


def test_nothing_is_changed_by_what_is_damaged(tmp_path: Path) -> None:
    copy = made(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    data = copy.read_bytes()
    for bad in (data[:-1], data[:40] + b"x" + data[41:], b"", data + b"*1\r\n$4\r\nPING\r\n"):
        copy.write_bytes(bad)
        code, output = ours(restore, copy, "--dir", tmp_path)
        assert code == 1 and "nothing was changed" in output
    copy.write_bytes(data)
    assert ours(restore, tmp_path / "missing.rdb", "--dir", tmp_path)[0] == 1
    assert ours(restore, copy, "--dir", tmp_path / "missing")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
