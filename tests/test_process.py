"""What a server does to its process: signals, pid file, background, log, systemd, sockets, limits, title."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, free_port, start_oracle, start_ours
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, signals and unix sockets")
LOOPS = ("uvloop", "asyncio")


def messages(log: str) -> list[str]:
    """The log's lines without pid and time: ``role mark text``."""
    found = []
    for line in log.splitlines():
        match = re.fullmatch(r"\d+:([CMS]) \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} ([.*#-]) (.*)", line)
        found.append(f"{match[1]} {match[2]} {match[3]}" if match else re.sub(r"^\d+:(\S+) \(\d+\)", r"\1", line))
    return found


def closing_lines(server: ServerProcess) -> list[str]:
    """What the server logged from the signal on."""
    lines = messages(server.log())
    start = next(i for i, line in enumerate(lines) if "Received" in line or "User requested" in line)
    return lines[start:]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_server_as_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str, number: signal.Signals
) -> None:
    monkeypatch.setenv("PYREDIS_LOOP", loop)
    ends = []
    for start in (start_ours, start_oracle):
        folder = tmp_path / start.__name__
        folder.mkdir()
        args = ("--pidfile", str(folder / "pid"), "--unixsocket", str(folder / "sock"))
        server = start(folder, *args)
        try:
            assert (folder / "pid").read_text() == f"{server.pid}\n"
            assert stat.S_ISSOCK((folder / "sock").stat().st_mode)
            client = RawClient(server.connect())
            assert client.call("PING") == b"+PONG\r\n"
            os.kill(server.pid, number)
            code = server.process.wait(PATIENCE)
            with pytest.raises((EOFError, ConnectionResetError)):
                client.read()
            client.close()
            assert not (folder / "pid").exists() and not (folder / "sock").exists()
            ends.append((code, closing_lines(server)))
        finally:
            server.stop()
    assert ends[0] == ends[1]


def test_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    """Even while one command keeps the loop busy."""
    server = start_ours(tmp_path, "--enable-debug-command", "yes")
    try:
        client = RawClient(server.connect())
        client.send("DEBUG", "SLEEP", "60")
        os.kill(server.pid, signal.SIGINT)
        wait_until(lambda: "Received SIGINT scheduling shutdown" in server.log())
        assert server.alive()
        os.kill(server.pid, signal.SIGINT)
        assert server.process.wait(PATIENCE) == 1
        assert server.log().rstrip().endswith("You insist... exiting now.")
        client.close()
    finally:
        server.stop()


def test_shutdown_runs_nothing_more(tmp_path: Path) -> None:
    for start in (start_ours, start_oracle):
        server = start(tmp_path)
        try:
            client = RawClient(server.connect())
            client.sock.sendall(b"SHUTDOWN NOSAVE\r\nPING\r\n")
            with pytest.raises((EOFError, ConnectionResetError)):
                client.read()
            assert server.process.wait(PATIENCE) == 0
            client.close()
            assert "User requested shutdown..." in closing_lines(server)[0]
            assert "is now ready to exit, bye bye..." in closing_lines(server)[-1]
        finally:
            server.stop()


@pytest.fixture
def background(tmp_path: Path) -> Iterator[list[int]]:
    """Process IDs of servers in the background, ended after the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_daemonize_pidfile_logfile(tmp_path: Path, background: list[int]) -> None:
    port = free_port()
    pidfile, logfile = tmp_path / "redis.pid", tmp_path / "redis.log"
    config = tmp_path / "redis.conf"
    config.write_text(
        f"daemonize yes\npidfile {pidfile}\nlogfile {logfile}\nport {port}\nloglevel verbose\nmaxmemory 100mb\n"
    )
    done = subprocess.run([sys.executable, "-m", "pyredis", str(config)], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wait_until(lambda: pidfile.exists() and pidfile.read_text().endswith("\n"))
    pid = int(pidfile.read_text())
    background.append(pid)
    assert os.getsid(pid) == pid
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(b"PING\r\n")
        assert sock.recv(100) == b"+PONG\r\n"
        moved = tmp_path / "moved.log"
        logfile.rename(moved)
        sock.sendall(b"CONFIG SET loglevel debug\r\nSHUTDOWN NOSAVE\r\n")
        assert sock.recv(100) == b"+OK\r\n"
    wait_until(lambda: not pidfile.exists())
    wait_until(lambda: "bye bye" in (logfile.read_text() if logfile.exists() else ""))
    assert messages(moved.read_text())[-1] == "M * Ready to accept connections"


def test_supervised_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        for mode in ("systemd", "auto"):
            server = start_ours(tmp_path, "--supervised", mode, "--daemonize", "yes")
            try:
                state = b""
                while b"READY=1" not in state:
                    state = sock.recv(1000)
                assert "supervised by systemd" in server.log()
                assert server.alive()  # daemonize counts for nothing here
                os.kill(server.pid, signal.SIGTERM)
                assert sock.recv(1000) == b"STOPPING=1\n"
                assert server.process.wait(PATIENCE) == 0
            finally:
                server.stop()


def test_syslog(tmp_path: Path) -> None:
    path = "/dev/log"
    if os.path.exists(path) or not os.access("/dev", os.W_OK):
        pytest.skip("the system's log belongs to somebody else, or /dev is not writable")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(path)
        except OSError:
            pytest.skip("another test listens there")
        try:
            sock.settimeout(PATIENCE)
            args = ("--syslog-enabled", "yes", "--syslog-ident", "my-redis", "--syslog-facility", "local3")
            server = start_ours(tmp_path, *args)
            try:
                line = b""
                while b"Ready to accept connections" not in line:
                    line = sock.recv(2000)
                # 19 is local3, 5 is notice.
                assert line.startswith(b"<%d>" % (19 * 8 + 5)) and b" my-redis[%d]: " % server.pid in line
            finally:
                server.stop()
        finally:
            os.unlink(path)


def test_terminal_shows_a_banner_and_short_lines(tmp_path: Path) -> None:
    """On a terminal people read; elsewhere programs do."""
    ours, theirs = pty.openpty()
    port = free_port()
    argv = [sys.executable, "-m", "pyredis", "--port", str(port), "--save", ""]
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    process = subprocess.Popen(argv, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, cwd=tmp_path, env=env)
    os.close(theirs)
    try:
        text = b""
        while b"Ready to accept connections\r\n" not in text:
            assert select.select([ours], [], [], PATIENCE)[0], text
            text += os.read(ours, 4096)
        shown = text.decode()
        assert (
            re.search(r"compatible with Redis \d\.\d\.\d+\r$", shown, re.MULTILINE)
            and f"port {port}, pid {process.pid}" in shown
        )
        assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} \* Ready to accept connections\r$", shown, re.MULTILINE)
        assert "\033[" in shown
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(ours)


def test_log_lines_elsewhere(tmp_path: Path) -> None:
    """Redis's format, and its lines in its order (a few of ours say more at their end)."""
    logs = []
    for start in (start_ours, start_oracle):
        server = start(tmp_path)
        lines = messages(server.log())
        server.stop()
        lines = [re.sub(r"pid=\d+|port=\d+", "", line) for line in lines]
        logs.append([line for line in lines if not re.search("WARNING|monotonic clock|open files", line)])
    assert len(logs[0]) == len(logs[1])
    for own, redis in zip(*logs, strict=True):
        assert own.startswith(redis)


@pytest.mark.parametrize("loop", LOOPS)
def test_unix_socket_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    monkeypatch.setenv("PYREDIS_LOOP", loop)
    path = tmp_path / "s"
    argv = [sys.executable, "-m", "pyredis", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=tmp_path)
    try:
        wait_until(path.exists)
        wait_until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o700)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"CLIENT INFO\r\n")
            assert b" flags=U " in sock.recv(2000)
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert not path.exists()


@pytest.mark.parametrize("loop", LOOPS)
def test_rebinding_while_clients_are_connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    monkeypatch.setenv("PYREDIS_LOOP", loop)
    server = start_ours(tmp_path)
    try:
        old = server.port
        c = RawClient(server.connect())
        for _ in range(3):
            new = free_port()
            assert c.call("CONFIG", "SET", "port", new) == b"+OK\r\n"
            fresh = RawClient(socket.create_connection(("127.0.0.1", new), timeout=PATIENCE))
            assert fresh.call("INFO", "server").count(b"tcp_port:%d\r\n" % new) == 1
            fresh.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", old), timeout=PATIENCE)
            old = new
        assert c.call("CONFIG", "SET", "bind", "127.0.0.1 -::1") == b"+OK\r\n"
        socket.create_connection(("127.0.0.1", old), timeout=PATIENCE).close()
        for bad in ("127.0.0.1 1.2.3.4", "nonsense.invalid"):
            reply = c.call("CONFIG", "SET", "hz", "77", "bind", bad)
            assert reply.endswith(b"argument 'bind') - Failed to bind to specified addresses.\r\n")
        assert c.call("CONFIG", "GET", "bind", "hz").count(b"127.0.0.1 -::1") == 1
        assert c.call("CONFIG", "GET", "hz").endswith(b"$2\r\n10\r\n")
        socket.create_connection(("127.0.0.1", old), timeout=PATIENCE).close()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            reply = c.call("CONFIG", "SET", "port", taken.getsockname()[1])
            assert reply.endswith(b"argument 'port') - Unable to listen on this port. Check server logs.\r\n")
        socket.create_connection(("127.0.0.1", old), timeout=PATIENCE).close()
        assert c.call("CONFIG", "SET", "port", 0) == b"+OK\r\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", old), timeout=PATIENCE)
        assert c.call("CONFIG", "SET", "port", old, "bind", "*") == b"+OK\r\n"
        socket.create_connection(("127.0.0.1", old), timeout=PATIENCE).close()
        c.close()
    finally:
        server.stop()


def test_port_that_is_taken(tmp_path: Path) -> None:
    ends = []
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for program in ([sys.executable, "-m", "pyredis"], ["/usr/bin/redis-server"]):
            done = subprocess.run(
                [*program, "--port", port], capture_output=True, timeout=PATIENCE, cwd=tmp_path, text=True
            )
            ends.append((done.returncode, messages(done.stdout)[-2:]))
    assert ends[0] == ends[1]


def test_open_files_limit_caps_clients(tmp_path: Path) -> None:
    """A process that may open 100 files serves 68 clients, and says so as Redis does."""
    ends = [
        limited_to_100_files(tmp_path / "ours.log", [sys.executable, "-m", "pyredis"]),
        limited_to_100_files(tmp_path / "oracle.log", ["/usr/bin/redis-server", "--save", ""]),
    ]
    assert ends[0] == ends[1]
    assert ends[0][0] == b"68"


def limited_to_100_files(path: Path, program: list[str]) -> tuple[bytes, bytes, list[str]]:
    """``maxclients``, the reply to raising it, and what was logged about it."""
    port = free_port()
    argv = ["prlimit", "--nofile=100:100", *program, "--port", str(port)]
    with path.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, cwd=path.parent, preexec_fn=_drop_resource_privilege)
    try:
        wait_until(lambda: b"Ready to accept" in path.read_bytes())
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
            c = RawClient(sock)
            limit = c.call("CONFIG", "GET", "maxclients").split(b"\r\n")[4]
            more = c.call("CONFIG", "SET", "maxclients", "500")
    finally:
        process.terminate()
        process.wait(PATIENCE)
    lines = [line[2:] for line in messages(path.read_text()) if "open files" in line or "maxclients" in line]
    return limit, more, [line for line in lines if "Failed applying" not in line]


def _drop_resource_privilege() -> None:
    """Root may raise any limit; without the capability the limits hold."""
    import ctypes

    ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE


def test_title_and_processors(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Linux only")
    cpu = min(os.sched_getaffinity(0))
    server = start_ours(tmp_path, "--proc-title-template", "redis {port}", "--server_cpulist", str(cpu))
    try:
        title = Path(f"/proc/{server.pid}/cmdline")
        wait_until(lambda: title.read_bytes().rstrip(b"\0") == b"redis %d" % server.port)
        assert os.sched_getaffinity(server.pid) == {cpu}
        c = RawClient(server.connect())
        assert c.call("CONFIG", "SET", "proc-title-template", "r {listen-addr}") == b"+OK\r\n"
        assert title.read_bytes().rstrip(b"\0") == b"r *:%d" % server.port
        c.close()
    finally:
        server.stop()


def test_oom_score(tmp_path: Path) -> None:
    score = Path("/proc/self/oom_score_adj")
    if not score.exists():
        pytest.skip("Linux only")
    base = int(score.read_text())
    server = start_ours(tmp_path)
    try:
        own = Path(f"/proc/{server.pid}/oom_score_adj")
        c = RawClient(server.connect())
        assert c.call("CONFIG", "SET", "oom-score-adj", "relative", "oom-score-adj-values", "7 8 9") == b"+OK\r\n"
        assert int(own.read_text()) == min(base + 7, 1000)
        assert c.call("CONFIG", "SET", "oom-score-adj", "no") == b"+OK\r\n"
        assert int(own.read_text()) == base
        c.close()
    finally:
        server.stop()


def test_rename_command(tmp_path: Path) -> None:
    args = ("--rename-command", "GET", "fetch", "--rename-command", "SET", "")
    servers = start_ours(tmp_path, *args), start_oracle(tmp_path, *args)
    try:
        for argv in (
            ["GET", "k"],
            ["fetch", "k"],
            ["FETCH", "k"],
            ["SET", "k", "v"],
            ["COMMAND", "LIST", "FILTERBY", "PATTERN", "fet*"],
        ):
            replies = []
            for server in servers:
                c = RawClient(server.connect())
                replies.append(c.call(*argv))
                c.close()
            assert replies[0] == replies[1], argv
    finally:
        for server in servers:
            server.stop()


def test_protected_directives(tmp_path: Path) -> None:
    server = start_ours(tmp_path, "--enable-protected-configs", "local")
    try:
        c = RawClient(server.connect())
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        assert c.call("CONFIG", "SET", "dir", str(folder), "hz", "abc").startswith(b"-ERR CONFIG SET failed")
        assert os.readlink(f"/proc/{server.pid}/cwd") == str(tmp_path)
        assert c.call("CONFIG", "SET", "dir", str(folder)) == b"+OK\r\n"
        assert os.readlink(f"/proc/{server.pid}/cwd") == str(folder)
        assert c.call("CONFIG", "SET", "dbfilename", "a/b").endswith(b"dbfilename can't be a path, just a filename\r\n")
        c.close()
    finally:
        server.stop()


def test_resetstat(tmp_path: Path) -> None:
    server = start_ours(tmp_path)
    try:
        c = RawClient(server.connect())
        for argv in (["GET", "k"], ["SET", "k", "v", "PX", "1"], ["nope"], ["CONFIG", "GET", "hz"]):
            c.call(*argv)
        assert c.call("CONFIG", "RESETSTAT") == b"+OK\r\n"
        info = c.call("INFO", "everything").decode()
        assert "cmdstat_get:" not in info and "cmdstat_config|get:" not in info and "errorstat_" not in info
        fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        for name in ("keyspace_hits", "keyspace_misses", "total_error_replies", "total_connections_received"):
            assert fields[name] == "0", name
        assert int(fields["total_commands_processed"]) <= 1
        c.close()
    finally:
        server.stop()


@pytest.mark.parametrize("start", [start_ours, start_oracle])
def test_limits_count_for_clients_that_are_connected_already(
    tmp_path: Path, start: Callable[[Path], ServerProcess]
) -> None:
    server = start(tmp_path)
    try:
        setting, slow, big = (RawClient(server.connect()) for _ in range(3))
        number = slow.call("CLIENT", "ID")[1:-2]
        assert big.call("PING") == b"+PONG\r\n"
        assert setting.call("CONFIG", "SET", "proto-max-bulk-len", "1mb") == b"+OK\r\n"
        big.sock.sendall(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
        assert big.read() == b"-ERR Protocol error: invalid bulk length\r\n"
        limits = "normal 20kb 0 0 pubsub 0 0 0"
        assert setting.call("CONFIG", "SET", "client-output-buffer-limit", limits) == b"+OK\r\n"
        setting.call("SET", "k", "x" * 500_000)
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sock.sendall(b"GET k\r\n" * 40)
        wait_until(lambda: b"id=%b " % number not in setting.call("CLIENT", "LIST", "ID", number))
        for c in (setting, slow, big):
            c.close()
    finally:
        server.stop()
