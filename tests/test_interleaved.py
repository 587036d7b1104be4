"""Scripts over several connections, on ours and on redis-server: after each step every connection has the same bytes.

A script is lines of ``<client>: <command> ; <command> …``; the commands of a line leave as one pipeline. ``<client>:
CLOSE`` hangs up; ``TIMED`` commands wait for time to pass and finish with ``echo end``. Every script runs in RESP2 and,
with a HELLO on each connection first, in RESP3.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.support.servers import ServerProcess
from tests.support.stage import Stage, commands

SCRIPTS = {
    "reply off": """
        1: client reply off ; get a ; set a ; nope ; client reply on ; get a
        1: multi ; client reply off ; echo 1 ; client reply on ; echo 2 ; exec ; echo 3 ; client reply on ; echo 4
        1: client reply off ; multi ; echo 1 ; client reply on ; exec ; echo 2""",
    "reply skip": """
        1: client reply skip ; get a ; get a ; client reply skip ; client reply skip ; get a ; get b
        1: client reply skip ; nope ; echo 1 ; client reply skip ; get a b ; echo 2
        1: multi ; client reply skip ; echo 1 ; echo 2 ; exec ; echo 3 ; echo 4
        1: client reply skip ; multi ; echo 1 ; exec ; client reply off ; client reply skip ; echo 1 ; client reply on
        1: client reply skip ; client reply off ; client reply on ; client reply skip ; client reply on ; echo 5
        1: client reply skip ; reset ; echo 1 ; client reply off ; reset ; echo 2""",
    "reply skip and waiting": """
        1: client reply skip ; blpop k 0 ; echo 1
        2: rpush k a
        1: TIMED echo 2 ; client reply skip ; blpop k 0.01 ; echo 3 ; echo end""",
    "reply off and pub/sub": """
        1: client reply off ; subscribe c
        2: publish c hi
        1: client reply on ; unsubscribe
        1: client reply skip ; subscribe d ; unsubscribe ; echo 1""",
    "monitor": """
        1: monitor
        2: set a b ; select 3 ; get a ; get ; nope ; multi ; set a c ; get a a ; exec
        2: multi ; set a c ; get a ; exec ; auth foo bar ; auth foo ; client getname ; config get maxclients
        3: blpop q 0
        2: multi ; lpush q a ; exec ; subscribe foo
        1: get a ; set a b ; ping ; monitor ; multi ; get a ; exec ; monitor x ; client reply off ; ping
        1: client reply on ; reset ; get a""",
    "monitor in a transaction": "1: multi ; monitor ; exec ; get a",
    "refusals in transactions": """
        1: multi ; multi ; exec ; discard ; watch a ; multi ; watch b ; exec a ; exec
        1: multi ; exec a ; exec ; discard ; unwatch ; multi ; unwatch ; exec
        1: multi ; client id x ; exec ; multi ; nope ; discard ; multi ; set a ; get a ; exec ; exec
        1: multi ; discard x ; exec ; multi x ; exec x ; watch""",
    "pub/sub in transactions": """
        1: multi ; subscribe a ; get a ; set b 1 ; exec ; unsubscribe
        2: subscribe ch
        1: multi ; publish ch 1 ; publish ch 2 ; spublish ch 3 ; pubsub numsub ch ; exec
        1: multi ; subscribe a b ; psubscribe a* ; unsubscribe a ; ssubscribe z ; sunsubscribe ; exec""",
    "blocking commands in transactions": """
        1: multi ; blpop a 0 ; blmove a b left right 0 ; bzpopmin a 0 ; blmpop 0 1 a left ; brpop a 1 ; exec
        1: multi ; bzmpop 0 1 a min ; brpoplpush a b 0 ; bzpopmax a 0 ; rpush a 1 ; blpop a 0 ; blpop a x ; exec""",
    "protocol and database in transactions": """
        1: multi ; hello 2 ; hgetall x ; hello 3 ; hgetall x ; exec ; hgetall x
        1: multi ; select 3 ; set a b ; select 99 ; exec ; get a ; select 0 ; get a""",
    "ways out of a transaction": """
        1: multi ; subscribe c ; client kill skipme no type pubsub ; echo 1 ; subscribe d ; exec ; echo 2
        2: multi ; quit ; exec
        3: watch k ; multi ; set k 1 ; reset ; exec ; get k ; set k 2 ; multi ; exec""",
    "watch": """
        1: watch k ; set k 1 ; multi ; get k ; exec ; watch k ; set k 1 ; unwatch ; multi ; get k ; exec
        1: watch k ; set k 1 ; multi ; exec ; watch k ; del k ; set k 1 ; multi ; exec
        1: watch k ; expire k 100 ; multi ; exec ; watch k ; persist k ; multi ; exec
        1: watch k ; touch k ; get k ; type k ; object encoding k ; ttl k ; multi ; exec
        1: watch k ; rename k z ; multi ; exec ; watch k ; rename z k ; multi ; exec ; watch k ; move k 5 ; multi ; exec
        1: watch k ; setnx k 1 ; multi ; exec ; watch k ; setnx k 1 ; append k x ; multi ; exec
        1: select 2 ; watch k ; select 0 ; set k 1 ; multi ; exec
        1: select 2 ; watch k ; set k 1 ; select 0 ; multi ; exec
        1: discard ; watch k k k ; multi ; set k 1 ; discard ; multi ; exec ; watch a ; mset b 1 a 2 ; multi ; exec
        1: watch y ; copy k y ; multi ; exec ; watch y ; copy k y ; multi ; exec
        1: watch y ; copy k y replace ; multi ; exec
        1: watch y ; getex y ; multi ; exec ; watch y ; getex y ex 100 ; multi ; exec
        1: watch y ; getdel y ; multi ; exec
        1: watch y ; sinterstore y nokey ; multi ; exec ; set y 1 ; watch y ; sinterstore y nokey ; multi ; exec
        1: watch q ; incrbyfloat q 0 ; multi ; exec ; watch q ; pexpireat q 1 ; multi ; exec""",
    "watch, nothing changed": """
        1: sadd s a ; watch s ; sadd s a ; srem s b ; smove s t zz ; multi ; exec
        1: zadd z 1 a ; watch z ; zadd z 1 a ; zadd z nx 5 a ; zincrby z 0 a ; multi ; exec
        1: hset h a 1 ; watch h ; hsetnx h a 2 ; hdel h b ; multi ; exec ; watch h ; hset h a 1 ; multi ; exec
        1: rpush l a ; watch l ; lrem l 0 zz ; multi ; exec ; watch l ; ltrim l 0 -1 ; multi ; exec
        1: watch l ; lset l 0 a ; multi ; exec ; watch l ; lmove l l left left ; multi ; exec""",
    "watch and whole databases": """
        1: set k 1 ; watch k ; flushall ; multi ; exec ; watch k ; flushall ; multi ; exec
        1: set k 1 ; watch k ; flushdb async ; multi ; exec ; set k 1 ; watch k ; swapdb 0 1 ; multi ; exec
        1: watch nokey ; swapdb 0 1 ; multi ; exec ; set k 1 ; watch k ; swapdb 1 2 ; multi ; exec""",
    "watch by others": """
        1: watch k
        2: watch k
        3: set k 1
        1: multi ; exec
        2: multi ; set k 2 ; exec
        1: watch k ; multi ; get k
        2: CLOSE
        3: multi ; set k 5 ; exec
        1: exec""",
    "served behind exec": """
        1: blpop k 0 ; echo 1 ; echo 2
        2: multi ; lpush k a ; lpop k ; lpush k b ; exec""",
    "a chain": """
        1: brpoplpush k k2 0
        3: brpop k2 0 ; echo x
        4: blmove k2 k3 left right 0
        2: rpush k 1 2 3
        2: rpush k2 4
        2: lrange k 0 -1 ; lrange k2 0 -1 ; lrange k3 0 -1""",
    "other types meanwhile": """
        1: blpop k 0
        2: set k 1 ; del k ; zadd k 1 a ; del k ; multi ; set k 1 ; del k ; lpush k x ; exec""",
    "waiting for both types": """
        1: blpop k 0
        2: bzpopmin k 0
        3: bzpopmin k 0
        4: blpop k 0
        5: zadd k 1 a
        5: rpush k 1
        5: rpush k 1
        5: zadd k 1 a
        5: exists k""",
    "order is kept across types": """
        1: blpop k 0
        2: bzpopmin k 0
        3: blpop k 0
        4: bzpopmin k 0
        5: zadd k 1 a
        5: rpush k 1
        5: zadd k 1 b
        5: rpush k 2""",
    "wrong type of the other key": """
        1: blpop a b 0
        2: blmove k d left right 0
        3: set a 1 ; set d x
        3: rpush b x
        3: rpush k y z
        3: lrange k 0 -1 ; lrange b 0 -1""",
    "swapdb serves": """
        1: blpop k 0
        2: select 1 ; rpush k x ; swapdb 0 1""",
    "other commands serve": """
        1: blpop k 0
        2: rpush z x ; rename z k
        1: blpop k 0
        2: rpush z x ; copy z k ; del z
        1: blpop k 0
        2: select 5 ; rpush k x ; move k 0
        1: bzpopmax k 0
        2: select 0 ; zadd z 1 a 2 b ; zrangestore k z 0 -1""",
    "several waits in one pipeline": """
        1: blpop k 0 ; blpop k 0 ; blpop z 0 ; echo 1
        2: rpush k a
        2: rpush k b
        2: rpush k c
        2: rpush z d
        1: TIMED blpop k 0 ; blpop nokey 0.01 ; multi ; blpop nokey 0 ; exec ; brpoplpush k nokey 0.01 ; echo end""",
    "the key that was there first": """
        1: blpop a b c 0
        2: multi ; rpush c 3 ; rpush b 2 ; rpush a 1 ; exec
        1: blmpop 0 2 x y right count 2
        2: multi ; rpush y 1 2 3 ; rpush x 1 ; exec
        1: bzmpop 0 2 v w min count 2
        2: multi ; zadd w 1 a ; zadd v 1 b ; exec
        1: del a b c x y v w""",
    "odd timeouts": """
        1: blpop k -1 ; blpop k abc ; blpop k inf ; blpop k 9999999999999999 ; blpop k nan ; blpop 0 ; blpop k 1e500
        1: blpop k 1e5000 ; blpop k -inf ; blpop k -0x1p9 ; blmpop 0 0 a left ; blmpop 0 2 a left ; blmpop -1 1 a left
        1: set k 1 ; blpop k 0 ; blpop nokey k 0 ; blmove k z left right 0 ; bzpopmin k 0
        1: TIMED brpoplpush nokey k 0.01 ; bzpopmin nokey 0.01 ; echo end
        1: TIMED blmpop 0.01 1 nokey left ; bzmpop 0.01 1 a min ; echo end
        1: TIMED blpop nokey 0x1p-7 ; blmove nokey k left left 1e-2 ; echo end
        1: TIMED blpop nokey 0.0001 ; brpop nokey a 0.01 ; echo end""",
    "subscribed and waiting": """
        1: hello 3 ; subscribe c ; blpop k 0 ; echo 1
        2: publish c x
        2: rpush k 1
        1: publish c y ; multi ; publish c z ; exec ; ping ; ping x""",
    "gone while waiting": """
        1: blpop k 0
        2: blpop k 0
        1: CLOSE
        3: rpush k a
        3: exists k ; pubsub channels""",
    "unblock": "1: client unblock 999999 ; client unblock x ; client unblock 1 foo ; client unblock 1 timeout x",
    "garbage behind a wait": """
        1: blpop k 0
        1: RAW *x
        1: echo 1
        2: rpush k a""",
    "garbage behind quit": """
        1: quit ; echo 1
        1: RAW *x""",
    "subscribed, RESP2": """
        1: subscribe a ; ssubscribe x ; psubscribe a* ; get a ; publish a b ; ping ; ping x ; ping x y ; foo ; multi
        1: hello 3 ; client id ; unsubscribe a ; punsubscribe ; get a ; sunsubscribe ; get a
        1: subscribe a ; quit x ; get a""",
    "subscribed, RESP3": """
        1: hello 3 ; pubsub numsub a b ; subscribe a b ; subscribe a ; psubscribe a* ; ssubscribe x ; publish a hi
        1: spublish x hi ; ping ; ping x ; get a ; unsubscribe a ; unsubscribe ; sunsubscribe ; punsubscribe
        1: subscribe a ; hello 2 ; get a ; reset ; get a""",
    "nothing to leave": """
        1: unsubscribe ; punsubscribe ; sunsubscribe ; unsubscribe a b ; sunsubscribe a b ; punsubscribe a
        1: subscribe x ; unsubscribe nope ; punsubscribe nope ; sunsubscribe nope ; unsubscribe x""",
    "pubsub": """
        1: subscribe a b
        2: psubscribe [ab] a?*
        3: ssubscribe a s
        4: publish a 1 ; publish ab 2 ; publish nobody 3 ; spublish a 4 ; pubsub numsub a b nobody ; pubsub numpat
        4: pubsub channels b* ; pubsub shardchannels s ; pubsub shardnumsub a s nobody ; pubsub numsub
        4: pubsub ; pubsub channels a b ; pubsub numpat x ; pubsub shardchannels a b ; pubsub foo ; pubsub help x
        1: CLOSE
        2: CLOSE
        4: publish a 1 ; pubsub numsub a ; pubsub numpat ; pubsub channels""",
    "names": """
        1: client getname ; client setname x ; client getname ; client setname a\tb ; client setname \u00e9
        1: hello 2 setname y ; client getname ; hello 3 setname a\nb ; client getname
        1: client setname  ; client getname ; client setname""",
    "hello": """
        1: hello 3 ; hello x ; hello 4 ; hello 1 ; hello 2 foo ; hello 3 setname ; hello 3 auth x ; hello 3 auth x y
        1: hello 3 auth default foo setname bar ; client getname ; hello 9223372036854775808 ; hello auth default x
        1: hello ; hello 2 setname a setname b ; client getname ; hello 2 fo\r\no""",
    "auth without a password": "1: auth ; auth a ; auth a b ; auth a b c ; auth default x ; auth default",
    "basics": """
        1: ping a b ; echo ; echo a b ; select ; select a ; select 16 ; select -1 ; select 99999999999 ; select 15
        1: reset x ; client setname foo ; select 5 ; multi ; reset ; client getname ; exec
        1: quit foo ; ping""",
    "client list": """
        1: client list id -1 ; client list id abc ; client list id ; client list type foo ; client list type
        1: client list foo ; client list type normal x ; client list id 99999999 ; client list type master
        1: client list type replica ; client list type slave ; client id x ; client info x ; client getname x""",
    "client kill": """
        1: client kill ; client kill foo ; client kill id 0 ; client kill id abc ; client kill id 1000000
        1: client kill type foo ; client kill user foo ; client kill addr ; client kill id 1000000 addr
        1: client kill skipme maybe ; client kill skipme yes id 99999 ; client kill foo bar ; client kill foo bar baz
        1: client kill laddr 1.2.3.4:5 skipme no ; client kill type foo addr ; client kill id 0 foo
        2: ping
        3: subscribe c
        4: hello 3 ; subscribe c
        1: client kill type pubsub skipme yes ; pubsub numsub c
        5: hello 3 ; subscribe c ; client kill type pubsub skipme yes ; client kill type pubsub skipme no ; ping""",
    "client subcommands": """
        1: client reply ; client reply foo ; client reply on x ; client reply on ; client no-evict on
        1: client no-evict off ; client no-evict x ; client no-evict ; client getredir ; client getredir x
        1: client trackinginfo ; client trackinginfo x ; client ; client foo ; client help x ; client fo\r\no
        1: client pause ; client pause a ; client pause -1 ; client pause 1 foo ; client pause 1 all x
        1: client pause 10000000000000000000 ; client pause 1.5 ; client unpause ; client unpause x""",
    "paused for writers": """
        1: client pause 100000 write
        2: get a ; set a 1 ; get a
        3: publish c x
        4: multi ; get a ; exec ; multi ; echo 1
        4: set a 2 ; exec ; echo 2
        5: subscribe c
        6: blpop k 0
        7: watch a ; exists a ; ttl a ; client id x ; config get maxclients ; multi ; discard
        8: CLOSE
        1: client unpause ; get a
        1: exists a ; rpush k 1""",
    "a pause that is over": """
        1: client pause 9223372036854775807 write ; set a 1
        1: client pause 0 ; set a 2""",
    "the stricter pause counts": """
        9: monitor
        1: client pause 100000 all
        2: ping
        3: get a ; quit
        9: client pause 1 write
        4: echo 1
        2: RAW *x
        9: client unpause""",
    "gone while paused": """
        1: client pause 100000 write
        2: set a 1
        2: CLOSE
        1: client unpause ; get a""",
}

UNPAUSE = b"*2\r\n$6\r\nCLIENT\r\n$7\r\nUNPAUSE\r\n"


def parse(text: str) -> list[tuple[int, str | bytes]]:
    """Steps: (client, bytes to send), or ``CLOSE``."""
    steps: list[tuple[int, str | bytes]] = []
    for line in text.strip("\n").split("\n        "):
        number, _, rest = line.strip(" ").partition(": ")
        if rest == "CLOSE":
            steps.append((int(number), rest))
        elif rest.startswith("RAW "):
            steps.append((int(number), rest[4:].encode() + b"\r\n"))
        elif rest.startswith("TIMED "):
            steps.append((int(number), b"TIMED" + commands(*rest[6:].split(" ; "))))
        else:
            steps.append((int(number), commands(*rest.split(" ; "))))
    return steps


def normalise(data: bytes) -> bytes:
    """Without client IDs, addresses, the time in MONITOR's lines and the order in which all channels are left."""
    data = re.sub(rb"unsubscribe\r\n\$1\r\n[cd]", b"unsubscribe CHANNEL", data)
    data = re.sub(rb"127\.0\.0\.1:\d+", b"ADDRESS", data)
    data = re.sub(rb"\+\d{9,}\.\d{6} \[", b"+TIME [", data)
    return re.sub(rb"\$2\r\nid\r\n:\d+", b"ID", data)


def play(server: ServerProcess, steps: list[tuple[int, str | bytes]], protocol: int) -> list[dict[int, bytes]]:
    stage = Stage(server)
    seen: list[dict[int, bytes]] = []
    greeted: set[int] = set()
    for number, data in steps:
        if data == "CLOSE":
            if number in stage.clients:
                stage.leave(number)
            seen.append(stage.collect())
            continue
        assert isinstance(data, bytes)
        if protocol == 3 and number not in greeted:
            stage.step(number, commands("hello 3"))
        greeted.add(number)
        if data.startswith(b"TIMED"):
            got = stage.step_until(number, data[5:], b"end\r\n")
        else:
            got = stage.step(number, data)
        seen.append({n: normalise(part) for n, part in got.items()})
    stage.close()
    return seen


@pytest.fixture(autouse=True)
def _no_pause_left(server: ServerProcess, oracle: ServerProcess) -> object:
    yield
    for one in (server, oracle):
        with one.connect() as sock:
            sock.sendall(UNPAUSE)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(server: ServerProcess, oracle: ServerProcess, name: str, protocol: int) -> None:
    steps = parse(SCRIPTS[name])
    ours, theirs = play(server, steps, protocol), play(oracle, steps, protocol)
    for step, mine, other in zip(steps, ours, theirs, strict=True):
        assert mine == other, step


WORDS: dict[int, list[str]] = {
    5: [
        *("blpop k 0", "blpop k j 0", "brpop j k 0", "blmove k j left right 0", "blmove j k right left 0"),
        *("brpoplpush k k 0", "blmpop 0 2 k j left count 2", "bzpopmin z 0", "bzpopmax z k 0"),
        *("bzmpop 0 2 z y min count 2",),
    ],
    8: [
        *("rpush k a", "lpush k b c", "rpush j x", "lpop k", "del k", "del k j z y", "zadd z 1 a", "zadd z 2 b 3 c"),
        *("zadd y 1 q", "zpopmin z", "set k v", "set x v", "get x", "incr n", "exists k j z y", "lrange k 0 -1"),
        *("lrange j 0 -1", "rename j k", "copy j k", "swapdb 0 1", "select 1", "select 0", "flushall", "expire x 100"),
        *("zrangestore y z 0 -1", "lmove k j left left", "move k 1", "move j 1"),
    ],
    6: [
        *("multi", "exec", "discard", "watch x", "watch k n", "unwatch", "multi", "exec", "exec", "nope", "set a"),
        *("get k k", "subscribe c", "subscribe c d", "unsubscribe", "unsubscribe c", "psubscribe c*", "punsubscribe"),
        *("ssubscribe s", "sunsubscribe", "publish c m", "publish d m", "spublish s m", "pubsub numsub c d"),
        *("pubsub numpat", "ping", "ping x", "pubsub shardnumsub s"),
    ],
    2: [
        *("client reply skip", "client reply off", "client reply on", "client reply on", "reset", "hello 2", "hello 3"),
        *("echo e", "client getname", "client setname n", "client no-evict on"),
        *("client pause 100000 write", "client unpause", "client unpause"),
    ],
}


def generate(rng: random.Random) -> list[tuple[int, str | bytes]]:
    """Sixty steps of four clients, some of which leave while they wait, queue or listen; others take their places."""
    places = [1, 2, 3, 4]
    newest = 4
    steps: list[tuple[int, str | bytes]] = []
    for _ in range(60):
        place = rng.randrange(4)
        if rng.random() < 0.03:
            steps.append((places[place], "CLOSE"))
            newest += 1
            places[place] = newest
        else:
            groups = rng.choices(list(WORDS.values()), list(WORDS), k=rng.choice([1, 1, 1, 2, 3, 5]))
            steps.append((places[place], commands(*map(rng.choice, groups))))
    return steps


@pytest.mark.parametrize("seed", range(40))
def test_generated(server: ServerProcess, oracle: ServerProcess, seed: int) -> None:
    steps = generate(random.Random(seed))
    ours, theirs = play(server, steps, 2), play(oracle, steps, 2)
    for at, (step, mine, other) in enumerate(zip(steps, ours, theirs, strict=True)):
        assert mine == other, (step, steps[max(0, at - 10) : at])
