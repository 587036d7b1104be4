"""Passwords, users, renamed commands, host names, addresses to announce, TLS, scripts, TILT."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.certificates import make_certificates
from tests.support.sentinels import NAME, Cluster, Instance, SentinelProcess, pairs, wait_for
from tests.support.servers import free_port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Nothing yet."""
    with Cluster(tmp_path) as cluster:
        yield cluster


def test_passwords_of_servers(cluster: Cluster) -> None:
    """A user of the servers with only the rights that a sentinel needs; without the password they are down."""
    rules = (
        "user watcher on >secret +ping +info +role +publish +subscribe +multi +exec +slaveof +config|rewrite "
        "+client|kill +client|setname +script|kill &__sentinel__:hello"
    )
    cluster.add_servers(2, lines=["requirepass boss", "masterauth boss", rules])
    sentinel, _ = cluster.add_sentinels(
        (True, False), f"sentinel auth-pass {NAME} secret", f"sentinel auth-user {NAME} watcher"
    )
    cluster.wait_until_known(1)
    assert sentinel.call("SENTINEL", "FAILOVER", NAME) == "OK"
    assert cluster.wait_for_switch(cluster.servers[0].port) == cluster.servers[1].port
    assert sentinel.call("SENTINEL", "SET", NAME, "auth-pass", "wrong") == "OK"
    wait_for(lambda: "s_down" in sentinel.master()["flags"], "the master is down for whom it does not let in")
    assert sentinel.call("SENTINEL", "SET", NAME, "auth-pass", "secret") == "OK"
    wait_for(lambda: sentinel.master()["flags"] == "master", "it is up again")


@pytest.mark.parametrize("own", [True, False], ids=["sentinel-user", "requirepass"])
def test_passwords_of_sentinels(cluster: Cluster, own: bool) -> None:
    """Sentinels that ask for a password, of both kinds, know one another and vote."""
    cluster.add_servers(2)
    if own:
        lines = [
            "user other on >pw allchannels allcommands",
            "sentinel sentinel-user other",
            "sentinel sentinel-pass pw",
        ]
        lines = ["requirepass boss", *lines]
        login = {"username": "other", "password": "pw"}
    else:
        lines = ["requirepass boss"]
        login = {"password": "boss"}
    for sentinel in [cluster.launch_sentinel(ours, *lines) for ours in (True, False, True)]:
        sentinel.login = login
        cluster.settle(sentinel, True)
    anybody = redis.Redis(port=cluster.sentinels[0].port)
    with anybody, pytest.raises(redis.exceptions.AuthenticationError):
        anybody.execute_command("SENTINEL", "MASTERS")
    cluster.wait_until_known(1)
    cluster.servers[0].signal(signal.SIGKILL)
    assert cluster.wait_for_switch(cluster.servers[0].port) == cluster.servers[1].port
    assert "boss" not in cluster.sentinels[0].log()


def test_renamed_commands(cluster: Cluster) -> None:
    """Servers that call CONFIG, SLAVEOF and others by other names are still led."""
    names = {"CONFIG": "C0NF", "SLAVEOF": "FOLLOW", "CLIENT": "CUST", "MULTI": "BEGIN", "EXEC": "COMMIT"}
    lines = [word for old, new in names.items() for word in ("--rename-command", old, new)]
    cluster.add_servers(2, *lines)
    sentinel = cluster.add_sentinels(
        (True,), *[f"sentinel rename-command {NAME} {old} {new}" for old, new in names.items()], quorum=1
    )[0]
    wait_for(lambda: len(sentinel.replicas()) == 1, "the replica")
    wait_for(lambda: sentinel.replicas()[0]["master-link-status"] == "ok", "its link")
    with redis.Redis(port=cluster.servers[0].port, decode_responses=True) as client:
        wait_for(lambda: f"sentinel-{sentinel.myid()[:8]}-cmd" in client.execute_command("CUST LIST"), "its name")
    assert sentinel.call("SENTINEL", "FAILOVER", NAME) == "OK"
    assert cluster.wait_for_switch(cluster.servers[0].port) == cluster.servers[1].port


def test_host_names(cluster: Cluster) -> None:
    """With resolve-hostnames the master may be named; with announce-hostnames clients are told the name."""
    cluster.add_servers(2, "--replica-announce-ip", "localhost")
    port = cluster.servers[0].port
    lines = ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"]
    for ours in (True, False):
        sentinel = SentinelProcess(
            cluster.directory / f"s{ours}",
            ours,
            [
                *lines,
                f"sentinel monitor {NAME} localhost {port} 2",
                f"sentinel down-after-milliseconds {NAME} 1000",
                # Two that stand for election at once get one vote each: they try again after twice this time.
                f"sentinel failover-timeout {NAME} 5000",
            ],
        )
        cluster.sentinels.append(sentinel)
        cluster.settle(sentinel, True)
    ours, theirs = cluster.sentinels
    cluster.wait_until_known(1)
    for sentinel in (ours, theirs):
        assert sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME) == ["localhost", str(port)]
        assert [r["name"] for r in sentinel.replicas()] == [f"localhost:{cluster.servers[1].port}"]
    cluster.servers[0].signal(signal.SIGKILL)
    new = cluster.wait_for_switch(port)
    assert ours.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME) == ["localhost", str(new)]
    wait_for(lambda: f"sentinel monitor {NAME} localhost {new} 2" in ours.conf.read_text(), "the file has the name")


def test_unresolvable_names(cluster: Cluster) -> None:
    """A name that nobody knows is refused without resolve-hostnames, and taken with it."""
    sentinel = cluster.directory / "s"
    process = SentinelProcess(sentinel, True, [])
    cluster.sentinels.append(process)
    process.wait()
    with pytest.raises(redis.exceptions.ResponseError, match="Invalid IP address or hostname specified"):
        process.call("SENTINEL", "MONITOR", "a", "nobody.invalid", 1, 1)
    assert process.call("SENTINEL", "CONFIG", "SET", "resolve-hostnames", "yes") == "OK"
    assert process.call("SENTINEL", "MONITOR", "a", "nobody.invalid", 1, 1) == "OK"
    with pytest.raises(redis.exceptions.ResponseError):
        process.call("SENTINEL", "MONITOR", "b", "evil\nname", 1, 1)
    process.kill()
    process.start()
    assert pairs(process.call("SENTINEL", "MASTER", "a"))["flags"].startswith(("master", "s_down,master"))


def test_announced_address(cluster: Cluster) -> None:
    """What announce-ip and announce-port say is where others look for a sentinel."""
    cluster.add_servers(1)
    port = free_port()
    hidden, other = cluster.add_sentinels((True, False))
    for name, value in (("announce-ip", "127.0.0.9"), ("announce-port", str(port))):
        assert hidden.call("SENTINEL", "CONFIG", "SET", name, value) == "OK"
    wait_for(lambda: [(p["ip"], p["port"]) for p in other.sentinels()] == [("127.0.0.9", str(port))], "it has moved")
    assert f"+sentinel-address-switch master {NAME}" in other.log() or "+sentinel sentinel" in other.log()
    wait_for(lambda: len(hidden.sentinels()) == 1, "the other one is known where it is")
    assert other.call("SENTINEL", "CONFIG", "SET", "announce-ip", "127.0.0.8") == "OK"
    wait_for(lambda: [p["ip"] for p in hidden.sentinels()] == ["127.0.0.8"], "the other one, too")
    assert f"+sentinel-address-switch master {NAME} 127.0.0.1 {cluster.servers[0].port} ip 127.0.0.8" in hidden.log()


def test_shared_link(cluster: Cluster) -> None:
    """A sentinel that watches two masters with us is one process: one link, which survives the loss of one master."""
    cluster.add_servers(1)
    second = Instance(cluster.directory / "second", False)
    cluster.servers.append(second)
    second.wait()
    lines = [f"sentinel monitor second 127.0.0.1 {second.port} 2"]
    ours, _ = cluster.add_sentinels((True, False), *lines)
    wait_for(lambda: [p["link-refcount"] for p in ours.sentinels()] == ["2"], "one link for both")
    assert ours.call("SENTINEL", "REMOVE", "second") == "OK"
    wait_for(lambda: [(p["link-refcount"], p["flags"]) for p in ours.sentinels()] == [("1", "sentinel")], "it stays")
    time.sleep(0.3)
    assert ours.sentinels()[0]["flags"] == "sentinel"


def test_tls(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Servers and sentinels that speak TLS to one another."""
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    tls = [f"{name} {value}" for name, value in certificates.settings(clients="no").items()]
    tls += ["tls-replication yes"]
    ports = [free_port(), free_port()]
    directory = cluster.directory
    for n, port in enumerate(ports):
        more = [f"replicaof 127.0.0.1 {ports[0]}"] if n else []
        cluster.servers.append(Instance(directory / f"tls{n}", False, lines=[*tls, f"tls-port {port}", *more]))
    for server in cluster.servers:
        server.wait()
    for ours in (True, False):
        own = free_port()
        lines = [*tls, f"tls-port {own}", f"sentinel monitor {NAME} 127.0.0.1 {ports[0]} 2"]
        sentinel = SentinelProcess(
            directory / f"s{ours}", ours, [*lines, f"sentinel down-after-milliseconds {NAME} 2000"]
        )
        cluster.sentinels.append(sentinel)
        cluster.settle(sentinel, True)
    cluster.wait_until_known(1)
    assert cluster.sentinels[0].call("SENTINEL", "FAILOVER", NAME) == "OK"
    assert cluster.wait_for_switch(ports[0]) == ports[1]


# --- scripts --------------------------------------------------------------------------------------------------------


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_scripts_of_a_failover(cluster: Cluster) -> None:
    """The notification script gets event and text; the other one where the master was and is: once from the leader,
    once from each that looked on."""
    cluster.add_servers(2)
    out = cluster.directory / "out"
    note = script(cluster.directory / "note", f'echo "note:$1:$2" >> {out}')
    move = script(cluster.directory / "move", f'echo "move:$*" >> {out}')
    lines = [f"sentinel notification-script {NAME} {note}", f"sentinel client-reconfig-script {NAME} {move}"]
    cluster.add_sentinels((True, True), *lines)
    cluster.wait_until_known(1)
    old, new = [server.port for server in cluster.servers]
    assert cluster.sentinels[0].call("SENTINEL", "FAILOVER", NAME) == "OK"
    cluster.wait_for_switch(old)
    expected = f"start 127.0.0.1 {old} 127.0.0.1 {new}"
    for role in ("leader", "observer"):
        wait_for(lambda r=role: f"move:{NAME} {r} {expected}\n" in out.read_text(), f"the script of the {role}")
    text = f"note:+switch-master:{NAME} 127.0.0.1 {old} 127.0.0.1 {new}\n"
    wait_for(lambda: out.read_text().count(text) == 2, "the notifications")
    wait_for(lambda: cluster.sentinels[0].call("SENTINEL", "PENDING-SCRIPTS") == [], "no script runs any more")
    assert str(note) in cluster.sentinels[0].call("SENTINEL", "MASTER", NAME)


def test_script_fates(cluster: Cluster) -> None:
    """1 and a signal: again, after a longer pause each time; other codes: told; too long: ended."""
    cluster.add_servers(1)
    out = cluster.directory / "out"
    again = script(cluster.directory / "again", f'echo "$1" >> {out}; [ $(grep -c "$1" {out}) -ge 3 ] || exit 1')
    fails = script(cluster.directory / "fails", "exit 7")
    hangs = script(cluster.directory / "hangs", "exec sleep 600")
    sentinel = cluster.add_sentinels((True,), "sentinel deny-scripts-reconfig no", "loglevel debug")[0]
    sentinel.call("SENTINEL", "DEBUG", "SCRIPT-RETRY-DELAY", 100)
    assert sentinel.call("SENTINEL", "SET", NAME, "notification-script", str(again)) == "OK"
    assert sentinel.call("SENTINEL", "SET", NAME, "quorum", "2") == "OK"
    wait_for(lambda: out.exists() and out.read_text().count("+set") >= 3, "the third attempt")
    wait_for(lambda: sentinel.call("SENTINEL", "PENDING-SCRIPTS") == [], "the end")
    assert sentinel.call("SENTINEL", "SET", NAME, "notification-script", str(fails)) == "OK"
    wait_for(lambda: f"-script-error {fails} 0 7" in sentinel.log(), "the failure is told")
    assert sentinel.call("SENTINEL", "SET", NAME, "notification-script", str(hangs)) == "OK"
    wait_for(lambda: "sentinel_running_scripts:1" in str(sentinel.call("INFO", "sentinel")), "it runs")
    job = pairs(sentinel.call("SENTINEL", "PENDING-SCRIPTS")[0])
    assert job["status"] == "running" and job["argv"][0] == str(hangs) and int(job["pid"]) > 1
    assert list(job) == ["argv", "status", "pid", "run-time", "retry-num"]
    sentinel.call("SENTINEL", "DEBUG", "SCRIPT-MAX-RUNTIME", 100)
    wait_for(lambda: f"-script-timeout {hangs} {job['pid']}" in sentinel.log(), "it is ended")
    assert sentinel.call("SENTINEL", "SET", NAME, "notification-script", "") == "OK"
    assert "notification-script" not in sentinel.call("SENTINEL", "MASTER", NAME)
    assert "+script-child" in sentinel.log() and "-script-child" in sentinel.log()


def test_many_events_do_not_fill_the_memory(cluster: Cluster) -> None:
    """The queue of scripts keeps 256; 16 run at a time."""
    cluster.add_servers(1)
    slow = script(cluster.directory / "slow", "exec sleep 30")
    sentinel = cluster.add_sentinels((True,), f"sentinel notification-script {NAME} {slow}")[0]
    with sentinel.client() as client, client.pipeline(transaction=False) as pipe:
        for _ in range(400):
            pipe.execute_command("SENTINEL", "SET", NAME, "quorum", "2")
        pipe.execute()
    wait_for(lambda: "sentinel_running_scripts:16" in str(sentinel.call("INFO", "sentinel")), "16 run")
    assert "sentinel_scripts_queue_length:256" in str(sentinel.call("INFO", "sentinel"))
    for job in sentinel.call("SENTINEL", "PENDING-SCRIPTS"):
        if int(pairs(job)["pid"]):
            os.kill(int(pairs(job)["pid"]), signal.SIGKILL)


# --- TILT -----------------------------------------------------------------------------------------------------------


def test_tilt(cluster: Cluster) -> None:
    """A sentinel that stood still decides nothing for a while: a dead master is not even down in its eyes."""
    cluster.add_servers(2)
    sentinel = cluster.add_sentinels((True,), quorum=1)[0]
    cluster.wait_until_known(1)
    sentinel.call("SENTINEL", "DEBUG", "TILT-TRIGGER", 500, "TILT-PERIOD", 600_000)
    sentinel.kill(signal.SIGSTOP)
    cluster.servers[0].signal(signal.SIGKILL)
    time.sleep(1)
    sentinel.kill(signal.SIGCONT)
    wait_for(lambda: "+tilt #tilt mode entered" in sentinel.log(), "TILT")
    info = str(sentinel.call("INFO", "sentinel"))
    assert "sentinel_tilt:1" in info and "sentinel_tilt_since_seconds:-1" not in info
    assert "+sdown" not in sentinel.log()
    asked = sentinel.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", cluster.servers[0].port, 0, "*")
    assert asked[0] == 0
    sentinel.call("SENTINEL", "DEBUG", "TILT-TRIGGER", 60_000, "TILT-PERIOD", 500)
    wait_for(lambda: "-tilt #tilt mode exited" in sentinel.log(), "its end")
    assert cluster.wait_for_switch(cluster.servers[0].port) == cluster.servers[1].port


def test_unresponsive_instance_is_connected_anew(cluster: Cluster) -> None:
    """A link on which nothing comes any more is closed and made again; PING and INFO do not pile up meanwhile."""
    cluster.add_servers(1)
    sentinel = cluster.add_sentinels((True,), "loglevel debug", quorum=5)[0]
    wait_for(lambda: sentinel.master()["flags"] == "master", "the master")
    sentinel.call("SENTINEL", "DEBUG", "MIN-LINK-RECONNECT-PERIOD", 500)
    cluster.servers[0].signal(signal.SIGSTOP)
    wait_for(lambda: "s_down" in sentinel.master()["flags"], "it is down")
    time.sleep(1)
    assert int(sentinel.master()["link-pending-commands"]) < 20
    cluster.servers[0].signal(signal.SIGCONT)
    wait_for(lambda: sentinel.master()["flags"] == "master", "it is up again")
