"""sentinel.conf: which lines are taken, with which words others are refused, and files that pass between the kinds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.sentinels import NAME, ORACLE, Cluster, SentinelProcess, run, wait_for
from tests.support.servers import free_port, start_ours

LINES = [
    "sentinel foo",
    "sentinel monitor",
    "sentinel monitor m 127.0.0.1 27000 2",
    "sentinel monitor n 127.0.0.1 27000",
    "sentinel monitor n 127.0.0.1 27000 0",
    "sentinel monitor n 127.0.0.1 27000 x",
    "sentinel monitor n foo.invalid 27000 1",
    "sentinel monitor n 127.0.0.1 70000 1",
    "sentinel monitor n 127.0.0.1 27000 1 2",
    "sentinel down-after-milliseconds m 0",
    "sentinel down-after-milliseconds m x",
    "sentinel down-after-milliseconds zz 1000",
    "sentinel down-after-milliseconds m",
    "sentinel failover-timeout m 0",
    "sentinel failover-timeout zz 10",
    "sentinel parallel-syncs zz 1",
    "sentinel notification-script m /nope",
    "sentinel notification-script zz /bin/true",
    "sentinel client-reconfig-script m /nope",
    "sentinel client-reconfig-script zz /bin/true",
    "sentinel auth-pass zz a",
    "sentinel auth-pass m a b",
    "sentinel auth-user zz a",
    "sentinel myid abc",
    "sentinel config-epoch zz 1",
    "sentinel leader-epoch zz 1",
    "sentinel known-replica zz 127.0.0.1 1",
    "sentinel known-replica m foo.invalid 1",
    "sentinel known-replica m 127.0.0.1 99999",
    "sentinel known-replica m 127.0.0.1 1\nsentinel known-replica m 127.0.0.1 1",
    "sentinel known-sentinel m 127.0.0.1 99999 abc",
    "sentinel known-sentinel m 127.0.0.1 1 abc\nsentinel known-sentinel m 127.0.0.1 2 abc",
    "sentinel rename-command zz a b",
    "sentinel rename-command m a b\nsentinel rename-command m A c",
    "sentinel rename-command m a",
    "sentinel deny-scripts-reconfig x",
    "sentinel resolve-hostnames x",
    "sentinel announce-hostnames x",
    "sentinel master-reboot-down-after-period m -1",
    "sentinel master-reboot-down-after-period zz 1",
    'sentinel auth-pass m "a',
    "foo bar",
]
COMPLETE = """\
# kept
port {port}
bind 127.0.0.1

sentinel monitor alpha 127.0.0.1 {dead} 2
sentinel down-after-milliseconds beta 123456
sentinel parallel-syncs alpha 3
# this, too
sentinel monitor beta 127.0.0.1 {dead} 1
sentinel failover-timeout alpha 180000
sentinel failover-timeout beta 60000
sentinel auth-pass beta "foo"
sentinel auth-user beta bob
sentinel known-replica beta 127.0.0.1 {dead2}
sentinel known-sentinel beta 127.0.0.1 {dead2} {other}
sentinel rename-command beta CONFIG GUESS
sentinel notification-script alpha /bin/true
sentinel client-reconfig-script alpha /bin/false
sentinel current-epoch 7
sentinel config-epoch beta 5
sentinel leader-epoch beta 4
sentinel myid {own}
sentinel announce-ip 127.0.0.1
sentinel announce-port 1234
sentinel sentinel-user someone
sentinel sentinel-pass secret
sentinel deny-scripts-reconfig no
sentinel resolve-hostnames no
loglevel notice
"""


def refusal(command: list[str], file: Path) -> str:
    """What a sentinel says that does not start with the file: its last line but one says why."""
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, timeout=60, cwd=file.parent)
    assert done.returncode == 1
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line]
    return "\n".join(lines[1:])


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_refused_lines(line: str, tmp_path: Path) -> None:
    """The same position, line and reason."""
    file = tmp_path / "sentinel.conf"
    file.write_text(f"port {free_port()}\nsentinel monitor m 127.0.0.1 {free_port()} 2\n{line}\n")
    ours = refusal([sys.executable, "-m", "pyredis.cli.sentinel"], file)
    assert ours == refusal([ORACLE], file)
    assert ours


def test_no_file_and_no_directory(tmp_path: Path) -> None:
    """A sentinel needs a file that it can write."""
    command = [sys.executable, "-m", "pyredis", "--sentinel", "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1 and "Sentinel needs config file on disk to save state. Exiting..." in done.stdout
    done = subprocess.run([*command[:3], "/nope/x.conf", "--sentinel"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "can't open config file '/nope/x.conf'" in done.stdout


def test_sentinel_lines_are_for_sentinels(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text("sentinel monitor m 127.0.0.1 1 1\n")
    done = subprocess.run([sys.executable, "-m", "pyredis", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "sentinel directive while not in sentinel mode" in done.stderr


def test_a_database_has_no_sentinel_commands(tmp_path: Path) -> None:
    server = start_ours(tmp_path)
    try:
        with server.connect() as s:
            s.sendall(b"SENTINEL masters\r\n")
            assert s.recv(200).startswith(b"-ERR unknown command 'SENTINEL'")
    finally:
        server.stop()


def sentinel_lines(file: Path) -> list[str]:
    return sorted(line for line in file.read_text().splitlines() if line.startswith("sentinel "))


@pytest.mark.parametrize("first", [True, False], ids=["ours-first", "redis-first"])
def test_file_passes_between_the_kinds(first: bool, tmp_path: Path) -> None:
    """A file with everything in it: rewritten by one kind, read by the other, and back; nothing changes any more."""
    parts = {"port": free_port(), "dead": free_port(), "dead2": free_port(), "own": "a" * 40, "other": "b" * 40}
    sentinel = SentinelProcess(tmp_path, first, [])
    texts, states = [], []
    try:
        sentinel.wait()
        sentinel.kill()
        sentinel.conf.write_text(COMPLETE.format(**{**parts, "port": sentinel.port}))
        for ours in (first, not first, first):
            sentinel.ours = ours
            sentinel.start()
            assert sentinel.call("SENTINEL", "FLUSHCONFIG") == "OK"
            texts.append(sentinel_lines(sentinel.conf))
            states.append(sentinel.call("SENTINEL", "CONFIG", "GET", "*"))
            assert sentinel.call("SENTINEL", "MYID") == "a" * 40
            assert "# kept" in sentinel.conf.read_text() and "# this, too" in sentinel.conf.read_text()
            sentinel.kill()
    finally:
        sentinel.stop()
    assert texts[0] == texts[1] == texts[2]
    assert states[0] == states[1] == states[2]
    assert len(texts[0]) == 24


def test_state_after_a_restart(tmp_path: Path) -> None:
    """What was found out is there again: epochs, replicas, other sentinels, the ID, settings."""
    with Cluster(tmp_path) as cluster:
        cluster.add_server()
        cluster.add_server()
        # Nobody is to find the master down while the test looks.
        sentinels = [cluster.add_sentinel(True, down_after=120_000) for _ in range(2)]
        cluster.wait_until_known(1)
        sentinel = sentinels[0]
        before = sentinel_lines(sentinel.conf)
        sentinel.kill()
        os.kill(cluster.servers[0].pid, 19)  # nobody can tell it anything new
        try:
            sentinel.start()
            assert [r["port"] for r in sentinel.replicas()] == [str(cluster.servers[1].port)]
            assert [p["runid"] for p in sentinel.sentinels()] == [sentinels[1].call("SENTINEL", "MYID")]
            after = sentinel_lines(sentinel.conf)
            assert [x for x in before if "epoch" not in x] == [x for x in after if "epoch" not in x]
        finally:
            os.kill(cluster.servers[0].pid, 18)


def test_operators_file_and_probes(tmp_path: Path) -> None:
    """The file as an operator writes it (no port, no line end), and its probes, run by a shell with redis-cli."""
    file = tmp_path / "operator" / "sentinel.conf"
    file.parent.mkdir()
    port = free_port()
    with Cluster(tmp_path) as cluster:
        master = cluster.add_server()
        file.write_text(
            f"sentinel monitor {NAME} 127.0.0.1 {master.port} 2\nsentinel down-after-milliseconds {NAME} 1000\n"
            f"sentinel failover-timeout {NAME} 3000\nsentinel parallel-syncs {NAME} 2"
        )
        command = [sys.executable, "-m", "pyredis", str(file), "--sentinel", "--port", str(port)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=file.parent)
        try:
            cli = f"redis-cli -h 127.0.0.1 -p {port}"
            wait_for(lambda: run(f"{cli} ping")[0] == 0 and "PONG" in run(f"{cli} ping")[1], "the liveness probe")
            ready = f"{cli} sentinel get-master-addr-by-name {NAME} | head -n 1 | grep -vq '127.0.0.1'"
            assert run(ready)[0] == 1  # the master is still this machine
            code, out = run(f"{cli} --csv SENTINEL get-master-addr-by-name {NAME}")
            assert (code, out) == (0, f'"127.0.0.1","{master.port}"\n')
            for words in (
                f"SENTINEL REMOVE {NAME}",
                f"SENTINEL MONITOR {NAME} 127.0.0.2 {master.port} 2",
                f"SENTINEL SET {NAME} auth-pass pw",
                f"SENTINEL set {NAME} down-after-milliseconds 120000",
                f"SENTINEL set {NAME} failover-timeout 10000",
            ):
                assert run(f"{cli} {words}") == (0, "OK\n"), words
            assert run(ready)[0] == 0
            assert run(f"{cli} SENTINEL reset '*'") == (0, "1\n")
            described = run(f"{cli} SENTINEL master {NAME}")[1].splitlines()
            assert described[3] == "127.0.0.2" and described[5] == str(master.port)
            assert "NOQUORUM" in run(f"{cli} SENTINEL CKQUORUM {NAME}")[1]
            info = run(f"{cli} INFO sentinel")[1]
            assert f"master0:name={NAME},status=ok,address=127.0.0.2:{master.port},slaves=0,sentinels=1" in info
        finally:
            process.kill()
            process.wait()


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    """A directory that has become read-only: orders say so, the log too, and the watch goes on."""
    if os.geteuid() == 0 and not _can_be_made_immutable(tmp_path):
        pytest.skip("nothing is read-only for root here")
    sentinel = SentinelProcess(tmp_path / "s", True, [f"sentinel monitor m 127.0.0.1 {free_port()} 1"])
    try:
        sentinel.wait()
        _lock(sentinel.directory, True)
        with pytest.raises(Exception, match="Failed to save config file"):
            sentinel.call("SENTINEL", "SET", "m", "quorum", "3")
        assert "Sentinel was not able to save the new configuration on disk!!!" in sentinel.log()
        assert sentinel.answers()
    finally:
        _lock(sentinel.directory, False)
        sentinel.stop()


def _lock(directory: Path, on: bool) -> None:
    if os.geteuid() == 0:
        subprocess.run(["chattr", "+i" if on else "-i", str(directory)], check=True)
    else:
        directory.chmod(0o555 if on else 0o755)


def _can_be_made_immutable(directory: Path) -> bool:
    try:
        _lock(directory, True)
        _lock(directory, False)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def test_loop_stays_responsive_without_masters(tmp_path: Path) -> None:
    """A sentinel that has nothing to watch answers, and uses next to no processor time."""
    sentinel = SentinelProcess(tmp_path, True, [])
    try:
        sentinel.wait()
        before = _cpu_seconds(sentinel.process.pid)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            assert sentinel.call("PING") == "PONG"
            time.sleep(0.2)
        assert _cpu_seconds(sentinel.process.pid) - before < 1
    finally:
        sentinel.stop()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_sample_file(tmp_path: Path) -> None:
    """conf/sentinel.conf is taken by both kinds, its commented lines too, and says nothing but defaults."""
    sample = (Path(__file__).parents[2] / "conf" / "sentinel.conf").read_text()
    for ours in (True, False):
        sentinel = SentinelProcess(tmp_path / str(ours), ours, [])
        try:
            sentinel.wait()
            sentinel.kill()
            sentinel.conf.write_text(sample.replace("port 26379\n# bind", f"port {sentinel.port}\n# bind"))
            sentinel.start()
            fields = sentinel.master()
            assert (fields["quorum"], fields["failover-timeout"], fields["parallel-syncs"]) == ("2", "180000", "1")
            assert "# How many replicas turn to the new master" in sentinel.conf.read_text()
            assert "sentinel deny-scripts-reconfig yes" in sentinel.conf.read_text()
        finally:
            sentinel.stop()


def test_newer_forms_of_sentinel_config(tmp_path: Path) -> None:
    """Since 7.2 CONFIG GET and SET take several parameters, all or none, and know loglevel."""
    sentinel = SentinelProcess(tmp_path, True, [], compat="7.2")
    try:
        sentinel.wait()
        config = ("SENTINEL", "CONFIG")
        assert sentinel.call(*config, "SET", "announce-port", "7", "LOGLEVEL", "debug") == "OK"
        assert sentinel.call(*config, "GET", "announce-port", "log*", "zz") == [
            "announce-port",
            "7",
            "loglevel",
            "debug",
        ]
        assert "loglevel debug" in sentinel.conf.read_text()
        for words, error in (
            (("announce-port", "8", "announce-port", "9"), "Duplicate argument 'announce-port' to SENTINEL CONFIG SET"),
            (("announce-port", "8", "foo", "9"), "Invalid argument 'foo' to SENTINEL CONFIG SET"),
            (("announce-port", "8", "loglevel", "x"), "Invalid value 'x' to SENTINEL CONFIG SET 'loglevel'"),
            (("announce-port", "8", "announce-ip"), "Missing argument 'announce-ip' value"),
        ):
            with pytest.raises(Exception, match=error):
                sentinel.call(*config, "SET", *words)
        assert sentinel.call(*config, "GET", "announce-port") == ["announce-port", "7"]
    finally:
        sentinel.stop()
