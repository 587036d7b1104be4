"""Commands on few keys of all types, right and wrong, from any ``random.Random``.

``valid`` fills in a template; ``mutated_argv`` then loses, repeats, swaps and spoils arguments. Commands after which a
connection answers no longer once for each request (SUBSCRIBE, MONITOR, CLIENT REPLY), that end or alter the server
(SHUTDOWN, CONFIG SET, CLIENT PAUSE, CLIENT KILL) or wait are not among them; see ``AWKWARD``.
"""

from __future__ import annotations

from random import Random

_LINES = """
SET K V|SET K V EX 100|SET K V PX I NX|SET K V XX GET|SET K V KEEPTTL|SETNX K V|SETEX K I V|PSETEX K 30 V|GETSET K V
GET K|GETDEL K|GETEX K PX 40|GETEX K PERSIST|MGET K K K|MSET K V K V|MSETNX K V K V|APPEND K V|STRLEN K|LCS K K IDX
SETRANGE K I V|GETRANGE K I I|SUBSTR K I I|INCR K|DECR K|INCRBY K I|DECRBY K I|INCRBYFLOAT K F|LCS K K LEN
LCS K K IDX MINMATCHLEN I WITHMATCHLEN
LPUSH K V V V|RPUSH K V V V|LPUSHX K V|RPUSHX K V|LPOP K|RPOP K I|LPOP K 2|LLEN K|LRANGE K I I|LINDEX K I|LSET K I V
LINSERT K BEFORE V V|LINSERT K AFTER V V|LREM K I V|LTRIM K I I|LPOS K V RANK I COUNT I MAXLEN I|RPOPLPUSH K K
LMOVE K K LEFT RIGHT|LMOVE K K RIGHT LEFT|LMPOP 2 K K LEFT COUNT I
SADD K V V V|SADD K I I I|SREM K V V|SCARD K|SISMEMBER K V|SMISMEMBER K V V|SMEMBERS K|SPOP K|SPOP K I|SRANDMEMBER K I
SMOVE K K V|SINTER K K|SUNION K K|SDIFF K K|SINTERSTORE K K K|SUNIONSTORE K K K|SDIFFSTORE K K K|SSCAN K 0 COUNT I
SINTERCARD 2 K K LIMIT I|SSCAN K I MATCH P
HSET K V V V V|HMSET K V V|HSETNX K V V|HGET K V|HMGET K V V|HDEL K V V|HLEN K|HEXISTS K V|HGETALL K|HKEYS K|HVALS K
HINCRBY K V I|HINCRBYFLOAT K V F|HSTRLEN K V|HRANDFIELD K I WITHVALUES|HSCAN K 0 MATCH P COUNT I
ZADD K F V F V F V|ZADD K NX CH F V|ZADD K XX GT F V|ZADD K INCR F V|ZADD K LT CH F V|ZINCRBY K F V|ZREM K V V|ZCARD K
ZSCORE K V|ZMSCORE K V V|ZRANK K V|ZREVRANK K V|ZCOUNT K F F|ZRANGE K I I WITHSCORES|ZRANGE K F F BYSCORE LIMIT I I
ZRANGE K L L BYLEX|ZRANGE K F F BYSCORE REV|ZRANGESTORE K K I I|ZRANGEBYSCORE K F F WITHSCORES LIMIT I I
ZREVRANGEBYSCORE K F F|ZRANGEBYLEX K L L|ZREVRANGEBYLEX K L L|ZLEXCOUNT K L L|ZREVRANGE K I I|ZPOPMIN K I|ZPOPMAX K
ZREMRANGEBYRANK K I I|ZREMRANGEBYSCORE K F F|ZREMRANGEBYLEX K L L|ZUNION 2 K K WEIGHTS F F AGGREGATE MAX WITHSCORES
ZINTER 2 K K WITHSCORES|ZDIFF 2 K K|ZUNIONSTORE K 2 K K WEIGHTS F F|ZINTERSTORE K 2 K K AGGREGATE MIN|ZDIFFSTORE K 2 K K
ZINTERCARD 2 K K LIMIT I|ZRANDMEMBER K I WITHSCORES|ZMPOP 2 K K MIN COUNT I|ZMPOP 1 K MAX|ZSCAN K 0 MATCH P
DEL K K|UNLINK K|EXISTS K K|TYPE K|RENAME K K|RENAMENX K K|COPY K K REPLACE|COPY K K DB I|MOVE K I|TOUCH K K|DBSIZE
EXPIRE K 100|EXPIRE K I NX|PEXPIRE K 20|PEXPIRE K I GT|EXPIREAT K I|PEXPIREAT K I XX|TTL K|PTTL K|EXPIRETIME K
PEXPIRETIME K|PERSIST K|KEYS P|SCAN 0 MATCH P COUNT I TYPE zset|SCAN I|RANDOMKEY|OBJECT ENCODING K|OBJECT REFCOUNT K
OBJECT IDLETIME K|OBJECT FREQ K|SORT K|SORT K BY P LIMIT I I GET P ALPHA DESC STORE K|SORT_RO K BY nosort|SWAPDB I I
SELECT I|SELECT 0|SELECT 1
MULTI|EXEC|EXEC|EXEC|DISCARD|WATCH K K|UNWATCH|PUBLISH V V|SPUBLISH V V|PUBSUB CHANNELS P|PUBSUB NUMSUB V
PING|PING V|ECHO V|HELLO 2|HELLO 3|HELLO I|CLIENT ID|CLIENT GETNAME|CLIENT SETNAME V|CLIENT INFO|CLIENT LIST|TIME
CLIENT NO-EVICT on|CLIENT UNBLOCK 999999|INFO V|INFO keyspace|COMMAND COUNT|COMMAND INFO V
COMMAND GETKEYS SET K V|COMMAND LIST FILTERBY PATTERN P|CONFIG GET P|SLOWLOG GET I|SLOWLOG LEN|ROLE|RESET
LOLWUT|OBJECT HELP|COMMAND DOCS V
"""
TEMPLATES = [line.split() for line in _LINES.encode().replace(b"\n", b"|").split(b"|") if line]
RARE = [[b"FLUSHDB"], [b"FLUSHALL", b"ASYNC"], [b"FLUSHALL"]]
AWKWARD = [
    line.split()
    for line in (
        b"SUBSCRIBE V V|PSUBSCRIBE P|SSUBSCRIBE V|UNSUBSCRIBE|PUNSUBSCRIBE P|SUNSUBSCRIBE|MONITOR|QUIT|"
        b"CLIENT REPLY SKIP|CLIENT REPLY OFF|CLIENT REPLY ON|BLPOP K K 0|BRPOP K 0.01|BLMOVE K K LEFT LEFT 0|"
        b"CLIENT KILL ID I|BRPOPLPUSH K K 0|BLMPOP 0 2 K K LEFT|BZPOPMIN K K 0|BZPOPMAX K 0.01|BZMPOP 0 1 K MIN|"
        b"WAIT 1 10"
    ).split(b"|")
]

KEYS = [b"k%d" % n for n in range(24)] + [b"", b"\x00\xff\r\n", b"{tag}k", b"k" * 300]
VALUES = [
    b"", b"a", b"b", b"c", b"abc", b"a\x00b", b"\r\n", b"*1\r\n", b"1", b"2", b"-1", b"3.5", b"x" * 63, b"x" * 64,
    b"x" * 65, b"y" * 1000, b"\xff\xfe", b"9223372036854775807", b"nan", b"inf", b"k1", b"k2", b" 1", b"1 ",
]  # fmt: skip
# Not among them: large negative numbers within 64 bits, for SRANDMEMBER would be told to reply that often.
INTEGERS = [
    b"0", b"0", b"1", b"1", b"2", b"3", b"5", b"-1", b"-1", b"-2", b"-3", b"10", b"100", b"-100", b"128", b"129",
    b"512", b"65536", b"2147483647", b"2147483648", b"9223372036854775807", b"9223372036854775808",
    b"-9223372036854775808", b"1.5", b"", b"x", b"+1", b"01",
]  # fmt: skip
FLOATS = [
    b"0", b"1", b"2", b"-1", b"1.5", b"0.1", b"3.0e3", b"inf", b"-inf", b"+inf", b"nan", b"(1", b"(2", b"(inf", b"-0",
    b"1e308", b"1e-320", b"0x1p3", b"", b"x", b"5e", b" 1", b"1e400", b"17179869184", b"123456789012345678",
]  # fmt: skip
LEX = [b"-", b"+", b"[a", b"(a", b"[b", b"(c", b"[", b"(", b"a", b"", b"[\xff", b"[abc", b"+a"]
PATTERNS = [
    b"*", b"k*", b"k?", b"[a-c]", b"[^a]", b"k[0-9]*", b"\\*", b"[", b"[a", b"[z-a]", b"*1*", b"", b"nosort", b"#",
    b"k*->a",
    b"*a*a*a*a*b", b"\\", b"k1",
]  # fmt: skip
OPTIONS = (
    b"NX XX GT LT CH INCR EX PX EXAT PXAT KEEPTTL GET PERSIST COUNT MATCH TYPE LIMIT WITHSCORES WITHVALUES BY STORE "
    b"ASC DESC ALPHA LEFT RIGHT BEFORE AFTER WEIGHTS AGGREGATE SUM MIN MAX REV BYSCORE BYLEX REPLACE DB RANK MAXLEN "
    b"IDX LEN MINMATCHLEN WITHMATCHLEN ASYNC SYNC AUTH SETNAME list set hash zset string"
).split()
_POOLS = {b"K": KEYS, b"V": VALUES, b"I": INTEGERS, b"F": FLOATS, b"L": LEX, b"P": PATTERNS}
_ANY = [KEYS, VALUES, INTEGERS, FLOATS, LEX, PATTERNS, OPTIONS]


def valid(rng: Random, templates: list[list[bytes]] = TEMPLATES) -> list[bytes]:
    """A command with the arguments it expects (their values may still be wrong)."""
    template = rng.choice(templates) if rng.random() > 0.002 else rng.choice(RARE)
    return [template[0], *[rng.choice(_POOLS[word]) if word in _POOLS else word for word in template[1:]]]


def mutated_argv(rng: Random, templates: list[list[bytes]] = TEMPLATES) -> list[bytes]:
    """A command of which one to three arguments were changed; the name stays one of the harmless ones."""
    argv = valid(rng, templates)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(1, len(argv) + 1)
        what = rng.randrange(8)
        if what == 0:
            argv.insert(at, rng.choice(rng.choice(_ANY)))
        elif what == 1:
            argv.insert(at, rng.choice(OPTIONS))
        elif what == 2 and at < len(argv):
            del argv[at]
        elif what == 3 and at < len(argv):
            argv[at] = rng.choice(rng.choice(_ANY))
        elif what == 4 and at < len(argv):
            argv[at:at] = argv[at : at + rng.randint(1, 3)]
        elif what == 5 and at < len(argv):
            other = rng.randrange(1, len(argv))
            argv[at], argv[other] = argv[other], argv[at]
        elif what == 6:
            argv[0] = argv[0].lower() if rng.random() < 0.5 else argv[0].title()
        elif at < len(argv) and argv[at]:
            word = bytearray(argv[at])
            word[rng.randrange(len(word))] ^= 1 << rng.randrange(8)
            argv[at] = bytes(word)
    if argv[0].upper() in _LARGE and len(argv) > 2:
        argv[2:] = [b"-100" if arg[:1] == b"-" and arg[1:].isdigit() and len(arg) > 5 else arg for arg in argv[2:]]
    return argv


_LARGE = (b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER")
