"""Which commands count as a use of a key: OBJECT FREQ after each, with counters that grow by one for every use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.raw import RawClient
from tests.support.servers import start_oracle, start_ours

_ARGS = ("--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0", "--lfu-decay-time", "0")
_SETUP = """set s abc | set n x10 | rpush l a b c | sadd t x y z | sadd t2 y z q | zadd z 1 a 2 b | hset h f v g w
xadd st 1-1 f v | xgroup create st g 0 | geoadd g 13.3 38.1 P 15.0 37.5 C | pfadd p a b | set i 20000
set e abc ex 1000 | zadd z2 3 b | xadd st 2-2 a b"""
_COMMANDS = """get s | set s abd | set s abe nx | set s abe xx | set s q get | set s q ex 100 | set s q keepttl
getset s u | setnx s a | setex s 100 val | append s abc | strlen s | setrange s 1 x | getrange s 0 1 | getdel zz
getex s persist | mget s n | mset s abc n abcd | msetnx s a k2 b | incr i | incrby i 500 | decr i | incrbyfloat i 1.5
setbit s 1 1 | getbit s 1 | bitcount s | bitpos s 1 | bitop not dst s | bitop and dst s n | bitfield s get u8 0
bitfield s set u8 0 1 | bitfield_ro s get u8 0 | lpush l q | rpush l q | lpushx l q | lrange l 0 -1 | llen l
lindex l 0 | lset l 0 z | linsert l before a w | lrem l 0 w | ltrim l 0 10 | lpop l | rpop l | lpos l a
lmove l l2 left left | rpoplpush l l2 | lmpop 1 l left | blpop l 1 | sadd t n | srem t n | sismember t x
smismember t x y | scard t | smembers t | srandmember t | sinter t t2 | sinterstore dst t t2 | sunion t t2
sdiff t t2 | sdiffstore dst t t2 | sintercard 2 t t2 | smove t t2 x | sscan t 0 | zadd z 5 q | zadd z nx 5 r
zincrby z 1 q | zrem z q | zrange z 0 -1 | zrangebyscore z 0 10 | zrank z a | zscore z a | zmscore z a | zcard z
zcount z 0 10 | zlexcount z - + | zrangestore zd z 0 -1 | zunion 2 z z2 | zunionstore zd 2 z z2
zinterstore zd 2 z z2 | zdiff 2 z z2 | zintercard 2 z z2 | zrandmember z | zscan z 0 | zpopmin z | zmpop 1 z min
zremrangebyscore z 100 101 | hset h f x | hsetnx h f y | hget h f | hmget h f g | hgetall h | hkeys h | hvals h
hlen h | hexists h f | hstrlen h f | hincrby h n 1 | hincrbyfloat h fl 1 | hdel h n | hrandfield h | hscan h 0
xadd st * a b | xlen st | xrange st - + | xrevrange st + - | xread streams st 0 | xreadgroup group g c streams st >
xack st g 1-1 | xpending st g | xclaim st g c2 0 1-1 | xautoclaim st g c3 0 0 | xinfo stream st | xinfo groups st
xtrim st maxlen 100 | xdel st 1-1 | xgroup create st g2 0 | xgroup createconsumer st g cc
xsetid st 9999999999999-0 | geoadd g 1 1 q | geodist g P C | geopos g P | geohash g P
geosearch g frommember P byradius 100 km | geosearchstore gd g frommember P byradius 100 km | pfadd p c | pfcount p
pfcount p p | pfmerge pd p | exists s | type s | ttl s | pttl s | expiretime s | touch s | object encoding s
object refcount s | expire s 1000 | pexpire s 100000 | persist s | rename s s | rename s sx | renamenx sx s | copy s sc
copy s sc replace | sort l | sort l alpha store ls | keys * | scan 0 | randomkey | memory usage s | watch s | unwatch
move s 3 | substr s 0 1 | lcs n n | expireat s 99999999999 | hset new a b | object freq s | set e q keepttl | set e q
spop t"""
_KEYS = ("s", "n", "l", "l2", "t", "t2", "z", "z2", "h", "st", "g", "p", "i", "e", "dst", "zd", "gd", "pd", "sc", "sx")


def _lines(text: str) -> list[str]:
    return [one.strip() for line in text.splitlines() for one in line.split("|")]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RawClient, RawClient]]:
    ours = start_ours(tmp_path_factory.mktemp("ours"), *_ARGS)
    oracle = start_oracle(tmp_path_factory.mktemp("oracle"), *_ARGS)
    clients = RawClient(ours.connect()), RawClient(oracle.connect())
    yield clients
    for client in clients:
        client.close()
    ours.stop()
    oracle.stop()


def _counters(client: RawClient) -> dict[str, bytes]:
    return {key: client.call("OBJECT", "FREQ", key) for key in _KEYS}


def test_every_command_counts_as_often_as_in_redis(pair: tuple[RawClient, RawClient]) -> None:
    for client in pair:
        client.call("FLUSHALL")
        for line in _lines(_SETUP):
            client.call(*line.split())
    for line in _lines(_COMMANDS):
        for client in pair:
            client.call(*line.split())
        ours, theirs = map(_counters, pair)
        assert ours == theirs, line


def test_errors_and_counters_of_absent_keys(pair: tuple[RawClient, RawClient]) -> None:
    for line in ("object idletime s", "object idletime none", "object freq none", "object freq", "object freq a b"):
        ours, theirs = (client.call(*line.split()) for client in pair)
        assert ours == theirs, line
    for client in pair:
        client.call("SET", "k", "v")
    for policy in ("noeviction", "volatile-lru", "allkeys-random", "volatile-ttl", "volatile-lfu", "allkeys-lfu"):
        for line in (f"config set maxmemory-policy {policy}", "object freq k", "object freq none", "object idletime k"):
            ours, theirs = (client.call(*line.split()) for client in pair)
            if line.startswith("object idletime") and ours[:1] == b":":
                assert theirs[:1] == b":"  # seconds since the tests began
            elif not (line == "object freq k" and ours[:1] == b":"):
                assert ours == theirs, (policy, line)


def test_transactions_and_pipelines_count_as_well(pair: tuple[RawClient, RawClient]) -> None:
    """Pipelines of one command may run all at once here."""
    for client in pair:
        client.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        client.call("FLUSHALL")
    lines = [["SET", f"k{i % 7}", "vv"] for i in range(40)] + [["GET", f"k{i % 9}"] for i in range(50)]
    lines += [["MSET", f"k{i % 5}", "ab", f"m{i % 3}", "cd"] for i in range(40)]
    lines += [["MULTI"], ["SET", "k0", "vv"], ["GET", "k0"], ["EXEC"]] + [["INCR", "n"] for _ in range(40)]
    lines += [["RPUSH", "l", "a"] for _ in range(20)] + [["LPOP", "l"] for _ in range(10)]
    lines += [["GET", f"absent{i}"] for i in range(20)]
    keys = [f"k{i}" for i in range(9)] + [f"m{i}" for i in range(3)] + ["l", "absent1"]
    found = []
    for client in pair:
        client.pipeline([[word.encode() for word in line] for line in lines])
        found.append({key: client.call("OBJECT", "FREQ", key) for key in keys})
    assert found[0] == found[1]


def test_setting_other_policies_forgets_nothing_that_stays_true(pair: tuple[RawClient, RawClient]) -> None:
    """volatile-lfu and allkeys-lfu keep the same counters; other rules of counting take nothing away."""
    for client in pair:
        client.call("CONFIG", "SET", "maxmemory-policy", "volatile-lfu")
        client.call("FLUSHALL")
        client.call("SET", "k", "vv")
        for _ in range(5):
            client.call("GET", "k")
        client.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "1", "lfu-decay-time", "5")
        client.call("CONFIG", "SET", "lfu-log-factor", "0", "lfu-decay-time", "0")
    ours, theirs = (client.call("OBJECT", "FREQ", "k") for client in pair)
    assert ours == theirs == b":10\r\n"
