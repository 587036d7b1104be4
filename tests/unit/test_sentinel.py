"""Sentinel without sockets, on a clock of the test's own: votes, what is down, the steps of a failover, INFO, hello."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.sentinel.conf import state_lines
from pyredis.sentinel.connection import Callback, Connection
from pyredis.sentinel.down import ask_others, check_objectively_down, check_subjectively_down
from pyredis.sentinel.election import elected_leader, vote_leader
from pyredis.sentinel.failover import failover_turn, select_replica, start_failover, start_failover_if_needed
from pyredis.sentinel.hello import process_hello
from pyredis.sentinel.info_reply import InfoReply
from pyredis.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FAILOVER_NONE,
    FAILOVER_RECONF_SLAVES,
    FAILOVER_UPDATE_CONFIG,
    FAILOVER_WAIT_PROMOTION,
    FORCE_FAILOVER,
    MASTER_DOWN,
    ODOWN,
    SDOWN,
    Instance,
    Master,
    Replica,
)
from pyredis.sentinel.refresh import refresh_from_info
from pyredis.sentinel.server import SentinelServer, prepare
from pyredis.sentinel.state import Sentinel

OWN = "f" * 40


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.ms = 1_000_000_000

    def time(self) -> float:
        return self.ms / 1000


class Links:
    """Takes commands for instances, and notes them."""

    def __init__(self) -> None:
        self.sent: list[tuple[Instance, tuple[str, ...], Callback | None]] = []

    def call(self, ri: Instance, *words: str, callback: Callback | None = None) -> bool:
        self.sent.append((ri, words, callback))
        return True

    def slaveofs(self) -> list[tuple[int, str]]:
        """Who was sent to whom: port, and ``host port``."""
        return [(ri.addr.port, " ".join(argv[1:])) for ri, argv, _ in self.sent if argv[0] == "SLAVEOF"]


class Stage:
    """A sentinel with one master, two replicas and two other sentinels, all well."""

    def __init__(self, directory: Path, quorum: int = 2) -> None:
        config = Config()
        prepare(config)
        config.logfile = str(directory / "log")
        config.load_text(f"sentinel monitor m 127.0.0.1 1 {quorum}\nsentinel failover-timeout m 10000\n")
        server = SentinelServer(config, Logger(config))
        self.clock = Clock()
        server.clock = self.clock  # type: ignore[assignment]
        server.rng = random.Random(1)
        self.sentinel: Sentinel = server.sentinel
        self.sentinel.myid = OWN
        self.links: Any = Links()
        self.master: Master = self.sentinel.masters["m"]
        self.replicas = [self.sentinel.add_replica(self.master, "127.0.0.1", port) for port in (2, 3)]
        self.peers = [self.sentinel.add_peer(self.master, c * 40, "127.0.0.1", 100 + n) for n, c in enumerate("ab")]
        for ri in (self.master, *self.replicas, *self.peers):
            ri.link.disconnected = False
        self.alive()

    def alive(self) -> None:
        """Everything answers now."""
        now = self.sentinel.now()
        for ri in (self.master, *self.replicas, *self.peers):
            ri.link.act_ping_time = 0
            ri.link.last_avail_time = ri.link.last_pong_time = now
        for monitored in (self.master, *self.replicas):
            monitored.info_refresh = now

    def pass_time(self, ms: int) -> None:
        self.clock.ms += ms

    def turn(self) -> None:
        failover_turn(self.sentinel, self.links, self.master)

    def vote(self, *leaders: str) -> None:
        """What the other sentinels have answered."""
        for peer, leader in zip(self.peers, leaders):
            peer.leader = leader
            peer.leader_epoch = self.sentinel.current_epoch

    def log(self) -> str:
        return Path(self.sentinel.server.config.logfile).read_text()

    def info(self, ri: Replica, text: str) -> None:
        refresh_from_info(self.sentinel, self.links, ri, text.replace("\n", "\r\n").encode())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


# --- votes ----------------------------------------------------------------------------------------------------------


def test_one_vote_in_an_epoch(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    assert vote_leader(s, m, 5, "a" * 40) == ("a" * 40, 5)
    assert vote_leader(s, m, 5, "b" * 40) == ("a" * 40, 5)
    assert vote_leader(s, m, 4, "b" * 40) == ("a" * 40, 5)
    assert s.current_epoch == 5
    assert vote_leader(s, m, 6, "b" * 40) == ("b" * 40, 6)
    assert m.failover_start_time >= s.now()  # it waits for the other one


@pytest.mark.parametrize(
    ("quorum", "others", "leader"),
    [
        (2, ("", ""), ""),  # its own vote alone
        (2, (OWN, ""), OWN),
        (3, (OWN, ""), ""),  # a majority, but not the quorum
        (3, (OWN, OWN), OWN),
        (1, ("", ""), ""),  # the quorum, but no majority
        (2, ("a" * 40, "a" * 40), "a" * 40),  # it votes with the favourite
        (2, ("a" * 40, ""), "a" * 40),
    ],
)
def test_majority_and_quorum(tmp_path: Path, quorum: int, others: tuple[str, ...], leader: str) -> None:
    stage = Stage(tmp_path, quorum)
    stage.sentinel.current_epoch = 3
    stage.vote(*others)
    assert elected_leader(stage.sentinel, stage.master, 3) == leader


def test_votes_of_other_epochs_do_not_count(stage: Stage) -> None:
    stage.sentinel.current_epoch = 3
    stage.vote(OWN, OWN)
    stage.sentinel.current_epoch = 4
    assert elected_leader(stage.sentinel, stage.master, 4) == ""


def test_own_vote_counts_once_it_is_safe(stage: Stage) -> None:
    """Until it is on the disk it might be forgotten, and given to another."""
    waiting: list[Any] = []

    class Slow:
        def save(self, done: Any = None) -> None:
            waiting.append(done)

    stage.sentinel.saver = Slow()  # type: ignore[assignment]
    stage.sentinel.current_epoch = 3
    stage.vote(OWN)
    assert elected_leader(stage.sentinel, stage.master, 3) == ""
    for done in waiting:
        if done is not None:
            done(True)
    assert elected_leader(stage.sentinel, stage.master, 3) == OWN


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=30))
def test_never_two_leaders(asks: list[tuple[int, int]]) -> None:
    """Whoever asks whom in whatever order: in one epoch a majority of three never votes for two."""
    ids = [c * 40 for c in "abc"]
    voted: dict[int, dict[int, str]] = {}
    voters = [Voter() for _ in range(3)]
    for candidate, epoch in asks:
        for n, voter in enumerate(voters):
            leader, of = vote_leader(voter.sentinel, voter.master, epoch, ids[candidate])  # type: ignore[arg-type]
            if of == epoch:
                assert voted.setdefault(epoch, {}).setdefault(n, leader) == leader
    for votes in voted.values():
        counts = [sum(v == one for v in votes.values()) for one in ids]
        assert sum(count >= 2 for count in counts) <= 1


class Voter:
    """As much of a sentinel as votes."""

    def __init__(self) -> None:
        self.sentinel = self
        self.master = Master("m", None, 0, 2, 1, 1)  # type: ignore[arg-type]
        self.current_epoch = 0
        self.myid = OWN

    def save(self, done: Any = None) -> None:
        if done is not None:
            done(True)

    def announce(self, *args: object) -> None:
        pass

    def now(self) -> int:
        return 1

    def random(self, limit: int) -> int:
        return 0


# --- down -----------------------------------------------------------------------------------------------------------


def test_subjectively_down_and_up(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    m.link.act_ping_time = s.now()
    stage.pass_time(30_000)
    check_subjectively_down(s, m)
    assert not m.flags & SDOWN
    stage.pass_time(1)
    check_subjectively_down(s, m)
    assert m.flags & SDOWN and "+sdown master m 127.0.0.1 1" in stage.log()
    stage.alive()
    check_subjectively_down(s, m)
    assert not m.flags & SDOWN and "-sdown master m 127.0.0.1 1" in stage.log()


def test_a_master_that_says_it_is_a_replica_is_down(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    m.role_reported, m.role_reported_time = "slave", s.now()
    stage.pass_time(30_000 + 20_001)
    stage.alive()
    check_subjectively_down(s, m)
    assert m.flags & SDOWN


def test_objectively_down_needs_the_quorum(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    m.flags |= SDOWN
    check_objectively_down(s, m)
    assert not m.flags & ODOWN
    stage.peers[0].flags |= MASTER_DOWN
    check_objectively_down(s, m)
    assert m.flags & ODOWN and "+odown master m 127.0.0.1 1 #quorum 2/2" in stage.log()
    m.flags &= ~SDOWN
    check_objectively_down(s, m)
    assert not m.flags & ODOWN and "-odown master m 127.0.0.1 1" in stage.log()


def test_others_are_asked_once_a_second_and_old_answers_are_forgotten(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    m.flags |= SDOWN
    stage.pass_time(1000)
    ask_others(s, stage.links, m, False)
    assert [argv[1:] for _, argv, _ in stage.links.sent] == [("is-master-down-by-addr", "127.0.0.1", "1", "0", "*")] * 2
    for _, _, answered in stage.links.sent:
        answered([1, b"*", 0])
    assert all(peer.flags & MASTER_DOWN for peer in stage.peers)
    ask_others(s, stage.links, m, False)
    assert len(stage.links.sent) == 2
    for nonsense in ([], [1, 2], b"x", None, [b"1", b"*", 0], [1, 2, 3], 7):
        stage.links.sent[0][2](nonsense)
    stage.pass_time(5001)
    m.flags &= ~SDOWN
    ask_others(s, stage.links, m, False)
    assert not any(peer.flags & MASTER_DOWN for peer in stage.peers)


# --- failover -------------------------------------------------------------------------------------------------------


def test_which_replica(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    one, two = stage.replicas
    one.runid, two.runid = "b", "a"
    assert select_replica(s, m) is two  # the smaller run ID
    one.slave_repl_offset = 10
    assert select_replica(s, m) is one  # more data
    two.slave_priority = 50
    assert select_replica(s, m) is two  # the better priority
    two.slave_priority = 0
    assert select_replica(s, m) is one  # never
    one.link.disconnected = True
    assert select_replica(s, m) is None
    one.link.disconnected = False
    one.master_link_down_time = m.down_after_period * 10 + 1
    assert select_replica(s, m) is None  # too long without the master
    one.master_link_down_time = 0
    one.flags |= SDOWN
    assert select_replica(s, m) is None
    one.flags &= ~SDOWN
    stage.pass_time(5001)
    assert select_replica(s, m) is None  # no PONG for five seconds


def test_all_steps(stage: Stage) -> None:
    s, m = stage.sentinel, stage.master
    one, two = stage.replicas
    one.slave_priority = 1
    m.flags |= SDOWN | ODOWN
    assert start_failover_if_needed(s, m)
    assert not start_failover_if_needed(s, m)
    stage.vote(OWN)
    for _ in range(3):
        stage.turn()
    assert m.failover_state == FAILOVER_WAIT_PROMOTION
    assert stage.links.slaveofs() == [(2, "NO ONE")]
    commands = [argv for ri, argv, _ in stage.links.sent if ri is one]
    assert [argv[0] for argv in commands] == ["MULTI", "SLAVEOF", "CONFIG", "CLIENT", "CLIENT", "EXEC"]
    assert m.current_addr().port == 1
    stage.info(one, "role:master\n")
    assert m.failover_state == FAILOVER_RECONF_SLAVES and m.config_epoch == 1
    assert m.current_addr().port == 2
    stage.turn()
    assert stage.links.slaveofs()[1:] == [(3, "127.0.0.1 2")]
    stage.turn()
    assert len(stage.links.slaveofs()) == 2
    stage.info(two, "role:slave\nmaster_host:127.0.0.1\nmaster_port:2\nmaster_link_status:down\n")
    stage.turn()
    assert m.failover_state == FAILOVER_RECONF_SLAVES
    stage.info(two, "role:slave\nmaster_host:127.0.0.1\nmaster_port:2\nmaster_link_status:up\n")
    stage.turn()
    assert m.failover_state == FAILOVER_UPDATE_CONFIG and "+failover-end master m" in stage.log()


def test_not_elected(stage: Stage) -> None:
    m = stage.master
    m.flags |= SDOWN | ODOWN
    start_failover(stage.sentinel, m)
    stage.pass_time(11_001)
    stage.turn()
    assert m.failover_state == FAILOVER_NONE and not m.flags & FAILOVER_IN_PROGRESS
    assert "-failover-abort-not-elected master m" in stage.log()
    assert not start_failover_if_needed(stage.sentinel, m)
    assert not start_failover_if_needed(stage.sentinel, m)
    assert stage.log().count("Next failover delay: I will not start a failover before ") == 1
    stage.pass_time(20_000)
    assert start_failover_if_needed(stage.sentinel, m)


def test_promotion_that_does_not_come(stage: Stage) -> None:
    m = stage.master
    start_failover(stage.sentinel, m)
    m.flags |= FORCE_FAILOVER
    for _ in range(3):
        stage.turn()
    assert m.failover_state == FAILOVER_WAIT_PROMOTION
    stage.pass_time(10_001)
    stage.turn()
    assert m.failover_state == FAILOVER_NONE and m.promoted is None
    assert "-failover-abort-slave-timeout master m" in stage.log()


def test_parallel_syncs_and_the_end_by_timeout(tmp_path: Path) -> None:
    """Two at a time; a replica that does not follow does not hold the failover for ever."""
    stage = Stage(tmp_path)
    s, m = stage.sentinel, stage.master
    m.parallel_syncs = 2
    more = [s.add_replica(m, "127.0.0.1", port) for port in (4, 5)]
    stage.replicas += more
    for replica in more:
        replica.link.disconnected = False
    stage.alive()
    stage.replicas[0].slave_priority = 1
    start_failover(s, m)
    m.flags |= FORCE_FAILOVER
    for _ in range(3):
        stage.turn()
    stage.info(stage.replicas[0], "role:master\n")
    stage.turn()
    assert len(stage.links.slaveofs()) == 3
    stage.turn()
    assert len(stage.links.slaveofs()) == 3
    stage.pass_time(10_001)
    stage.turn()
    assert m.failover_state == FAILOVER_UPDATE_CONFIG
    assert "+failover-end-for-timeout master m" in stage.log()


# --- INFO and hello -------------------------------------------------------------------------------------------------


def test_info_of_a_master() -> None:
    text = (
        "run_id:%s\r\nrole:master\r\nslave0:ip=127.0.0.1,port=2,state=online,offset=1,lag=0\r\n"
        "slave1:10.0.0.9,3,online\r\nslave2:ip=::1,port=4\r\nslave3:nonsense\r\nslave_expires_tracked_keys:0\r\n"
        "master_port:99\r\n" % ("0" * 40)
    )
    info = InfoReply(text)
    assert (info.runid, info.role) == ("0" * 40, "master")
    assert info.replicas == [("127.0.0.1", 2), ("10.0.0.9", 3), ("::1", 4)]
    assert info.master_port is None


def test_info_of_a_replica() -> None:
    info = InfoReply(
        "role:slave\r\nmaster_host:1.2.3.4\r\nmaster_port:6379\r\nmaster_link_status:down\r\n"
        "master_link_down_since_seconds:5\r\nslave_priority:7\r\nslave_repl_offset:123\r\nreplica_announced:0\r\n"
    )
    assert (info.master_host, info.master_port, info.link_up) == ("1.2.3.4", 6379, False)
    assert (info.link_down_time, info.priority, info.repl_offset, info.replica_announced) == (5000, 7, 123, False)


@given(st.text(max_size=200))
def test_any_info(text: str) -> None:
    InfoReply(text)


def test_unknown_replicas_are_entered_once(stage: Stage) -> None:
    text = "role:master\nslave0:ip=127.0.0.1,port=2\nslave1:ip=127.0.0.1,port=9\nslave2:ip=evil host,port=8\n"
    for _ in range(2):
        refresh_from_info(stage.sentinel, stage.links, stage.master, text.replace("\n", "\r\n").encode())
    assert sorted(replica.addr.port for replica in stage.master.replicas.values()) == [2, 3, 9]


def hello(stage: Stage, *fields: object) -> None:
    process_hello(stage.sentinel, ",".join(map(str, fields)).encode())


def test_hello(stage: Stage) -> None:
    """A sentinel that is new, moves, or knows more."""
    s, m = stage.sentinel, stage.master
    hello(stage, "127.0.0.1", 200, "c" * 40, 7, "m", "127.0.0.1", 1, 0)
    assert m.sentinels["c" * 40].addr.port == 200 and s.current_epoch == 7
    hello(stage, "127.0.0.1", 201, "c" * 40, 7, "m", "127.0.0.1", 1, 0)
    assert m.sentinels["c" * 40].addr.port == 201 and "+sentinel-address-switch" in stage.log()
    hello(stage, "127.0.0.1", 100, "d" * 40, 7, "m", "127.0.0.1", 1, 0)
    assert m.sentinels["a" * 40].addr.port == 0 and "+sentinel-invalid-addr" in stage.log()
    hello(stage, "127.0.0.1", 201, "c" * 40, 8, "m", "127.0.0.1", 3, 8)
    assert (m.addr.port, m.config_epoch) == (3, 8)
    assert "+switch-master m 127.0.0.1 1 127.0.0.1 3" in stage.log()
    assert sorted(replica.addr.port for replica in m.replicas.values()) == [1, 2]
    hello(stage, "127.0.0.1", 201, "c" * 40, 8, "m", "127.0.0.1", 2, 7)
    assert m.addr.port == 3  # an older configuration says nothing


@given(st.lists(st.text(max_size=12) | st.integers(-5, 70000).map(str) | st.just("m"), min_size=6, max_size=9))
def test_any_hello(tmp_path_factory: pytest.TempPathFactory, fields: list[str]) -> None:
    stage = Stage(tmp_path_factory.mktemp("s"))
    process_hello(stage.sentinel, ",".join(fields).encode("utf-8", "surrogatepass"))
    assert stage.master.addr.port == 1 or stage.master.config_epoch


def test_names_without_an_address_on_one_port_stay_apart(tmp_path: Path) -> None:
    """While names cannot be resolved, the file that is written names every replica, and can be read again."""
    head = "sentinel resolve-hostnames yes\nsentinel announce-hostnames yes\n"
    names = [f"replica-{n}.invalid" for n in range(3)]
    text = head + "sentinel monitor m master.invalid 6379 2\n"
    text += "".join(f"sentinel known-replica m {name} 6379\n" for name in names)
    for _ in range(2):
        config = Config()
        prepare(config)
        config.load_text(text)
        sentinel = SentinelServer(config, Logger(config)).sentinel
        sentinel.myid = OWN
        lines = [f"sentinel {name} {words}" for name, words in state_lines(sentinel)]
        assert [line.split()[3] for line in lines if "known-replica" in line] == names
        assert sentinel.find_replica(sentinel.masters["m"], "other.invalid", 6379) is None
        sentinel.resolver.close()
        text = head + "\n".join(lines) + "\n"


def test_number_of_sentinels_is_bounded(stage: Stage) -> None:
    for n in range(1200):
        hello(stage, "127.0.0.1", 300 + n, f"{n:040x}", 0, "m", "127.0.0.1", 1, 0)
    assert len(stage.master.sentinels) == 1000


# --- replies of instances -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"garbage\r\n", b"$-5\r\n", b"*1000000000\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_a_peer_that_is_no_redis(data: bytes) -> None:
    """The connection ends; nothing else does."""
    ended: list[str] = []
    connection = Connection(None, ended.append)  # type: ignore[arg-type]
    connection.call([b"PING"], lambda reply: None)
    connection.data_received(data)
    assert len(ended) == (0 if data.startswith(b"*") else 1)


def test_a_reply_without_end() -> None:
    """At 64 MB it is given up."""
    ended: list[str] = []
    connection = Connection(None, ended.append)  # type: ignore[arg-type]
    connection.call([b"INFO"], lambda reply: None)
    connection.data_received(b"$1000000000\r\n")
    for _ in range(65):
        connection.data_received(b"x" * (1 << 20))
    assert ended == ["Reply too large"]
