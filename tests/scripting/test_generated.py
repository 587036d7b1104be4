"""Generated beside redis-server: values that scripts return, replies that they get, calls of ``redis.*``, functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scripting.test_eval import Both
from tests.scripting.values import SERIALISE, lua_string
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.tree import Node, tree

Argv = list[bytes]
_words = str.split

# Values ---------------------------------------------------------------------------------------------------------

STRINGS = st.sampled_from([b"", b"a", b"x\r\ny", b"two words", b"\x00\xff", b"ERR no", b"txt", b"12", b"-1.5"])
NUMBERS = st.sampled_from(
    _words("0 1 -1 3.7 -3.7 -0 1e15 2^53 2^63 -2^63 1e300 0/0 1/0 -1/0 0.1 1e-7 100 4096 -9007199254740993")
)
LITERALS = st.sampled_from(["nil", "true", "false", "cjson.null", "redis.call", "KEYS", "ARGV[1]"])
FIELDS = st.sampled_from(_words("ok err double map set big_number verbatim_string string format x 1 2"))


def _table(items: list[str]) -> str:
    return "{" + ",".join(items) + "}"


def _containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def field(name: str) -> st.SearchStrategy[str]:
        return values.map(lambda value: f"[{name if name.isdigit() else repr(name)}]={value}")

    verbatim = st.tuples(st.sampled_from([b"txt", b"mkd", b"t", b"long"]), STRINGS).map(
        lambda pair: f"{{verbatim_string={{format={lua_string(pair[0])},string={lua_string(pair[1])}}}}}"
    )
    keys = st.lists(st.sampled_from(["'a'", "'b'", "7", "1.5", "true"]), unique=True, max_size=3)
    pairs = st.tuples(keys, st.lists(values.filter(lambda value: value != "nil"), min_size=3, max_size=3))
    maps = pairs.map(lambda pair: _table([f"[{key}]={value}" for key, value in zip(*pair, strict=False)]))
    return st.one_of(
        st.lists(values, max_size=5).map(_table),
        st.lists(FIELDS.flatmap(field), max_size=2).map(_table),
        maps.map(lambda content: f"{{map={content}}}"),
        maps.map(lambda content: f"{{set={content}}}"),
        STRINGS.map(lambda text: f"{{ok={lua_string(text)}}}"),
        NUMBERS.map(lambda number: f"{{double={number}}}"),
        STRINGS.map(lambda text: f"{{big_number={lua_string(text)}}}"),
        verbatim,
        values.map(lambda value: f"setmetatable({{{value}}}, {{__index = function() return 1 end}})"),
    )


VALUES = st.recursive(
    st.one_of(STRINGS.map(lua_string), NUMBERS, LITERALS),
    _containers,
    max_leaves=8,
)


@pytest.fixture(params=[2, 3])
def both(server: ServerProcess, oracle: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Both]:
    clients = Both(server, oracle, request.param)
    clients.call("FLUSHALL")
    yield clients
    clients.close()


def test_returned_values(both: Both) -> None:
    @given(st.lists(st.tuples(st.sampled_from(["", "redis.setresp(3) ", "redis.setresp(2) "]), VALUES), max_size=5))
    def run(cases: list[tuple[str, str]]) -> None:
        scripts = [[b"EVAL", f"{before}return {value}".encode("latin-1"), b"0", b"arg"] for before, value in cases]
        assert both.differences(scripts) == []

    run()


# Replies --------------------------------------------------------------------------------------------------------

POPULATION: list[Argv] = [
    [b"SET", b"string", b"10"],
    [b"SET", b"lines", b"a\r\nb\r\n+c\r\n-d"],
    [b"RPUSH", b"list", b"a", b"", b"\r\n+x", b"4"],
    [b"SADD", b"set", b"one"],
    [b"HSET", b"hash", b"f", b"v", b"g", b"1.5"],
    [b"ZADD", b"zset", b"1", b"a", b"2.5", b"b", b"inf", b"c"],
    [b"XADD", b"stream", b"1-1", b"f", b"v"],
    [b"XGROUP", b"CREATE", b"stream", b"g", b"0"],
    [b"GEOADD", b"geo", b"13.361389", b"38.115556", b"p"],
    [b"PFADD", b"hll", b"a"],
]
KEYS = st.sampled_from([b"string", b"lines", b"list", b"set", b"hash", b"zset", b"stream", b"geo", b"hll", b"none"])
COMMANDS = [
    line.encode().split()
    for line in """
    GET K; MGET K K none; STRLEN K; GETRANGE K 0 -1; LRANGE K 0 -1; LPOS K a RANK 1 COUNT 0; LINDEX K 9; SMEMBERS K
    SISMEMBER K one; SMISMEMBER K one two; HGETALL K; HMGET K f none; HKEYS K; HRANDFIELD K 0; HSTRLEN K f; HGET K g
    ZRANGE K 0 -1 WITHSCORES; ZRANGE K 0 -1; ZSCORE K b; ZMSCORE K a none; ZRANK K b; ZRANK K none; ZCOUNT K -inf +inf
    ZINCRBY K 1 a; ZADD K INCR 1.25 b; ZADD K NX INCR 1 a; ZPOPMIN none; ZRANDMEMBER K 0 WITHSCORES; XRANGE K - +
    XLEN K; XREAD COUNT 1 STREAMS K 0; XREADGROUP GROUP g me COUNT 1 STREAMS K >; XPENDING K g; XINFO GROUPS K
    GEOPOS K p none; GEODIST K p p; GEOSEARCH K FROMMEMBER p BYRADIUS 1 km WITHCOORD WITHDIST WITHHASH; PFCOUNT K
    PING; PING text; ECHO K; TYPE K; EXISTS K none; TTL K; OBJECT ENCODING K; SETNX K x; INCRBYFLOAT K 0.1; INCR K
    APPEND K y; LPUSH K x; SADD K one; HINCRBY K g 1; HINCRBYFLOAT K g 0.5; HSET K f w; SET K v NX GET; GETEX K
    GETDEL none; COPY K K; RENAME none K; LMPOP 1 none LEFT; ZMPOP 1 none MIN; BLPOP none 0; BZPOPMIN none 0
    LCS string lines IDX; SORT K ALPHA; COMMAND COUNT; COMMAND GETKEYS GET a; SINTERCARD 1 K; BITCOUNT K; BITPOS K 1
    SETBIT none 7 0; FUNCTION STATS; NOSUCH; GET; ACL WHOAMI; CLIENT ID; CONFIG GET port; WAIT 0 0; DBSIZE; KEYS none*
    SSCAN set 0; SELECT 9; SELECT 99; INFO a b c
    """.replace("\n", ";").split(";")
    if line.strip()
]


def _arguments(command: Argv, key: bytes) -> str:
    return ", ".join([lua_string(key if word == b"K" else word) for word in command])


CALLS = st.tuples(
    st.sampled_from(["", "redis.setresp(3) ", "redis.setresp(3) redis.setresp(2) "]),
    st.sampled_from(["call", "pcall"]),
    st.sampled_from(COMMANDS),
    KEYS,
    st.sampled_from(["return r", "return {r}", "return text_of(r)", "return type(r) .. text_of({pcall(text_of, r)})"]),
)


def test_replies_to_scripts(both: Both) -> None:
    """What ``redis.call`` and ``redis.pcall`` return, as the script sees it, and handed on to the client."""

    @given(st.lists(CALLS, min_size=1, max_size=6))
    def run(cases: list[tuple[str, str, Argv, bytes, str]]) -> None:
        assert both.differences([[b"FLUSHALL"], *POPULATION]) == []
        scripts = []
        for before, name, command, key, after in cases:
            text = f"{SERIALISE} {before} local r = redis.{name}({_arguments(command, key)}) {after}"
            scripts.append([b"EVAL", text.encode("latin-1"), b"0"])
        assert both.differences(scripts) == []

    run()


# The library ----------------------------------------------------------------------------------------------------

FUNCTIONS = st.sampled_from(
    _words(
        "call pcall error_reply status_reply sha1hex log setresp set_repl acl_check_cmd replicate_commands breakpoint "
        "debug register_function nosuch"
    )
)
ARGUMENTS = st.lists(
    st.one_of(
        st.sampled_from(["'GET'", "'set'", "'nosuch'", "'string'", "'-ERR y'", "'two words'", "''", "'3'", "' 2'"]),
        st.sampled_from(_words("0 1 2 3 4 -1 1.5 2.9 -0.5 1e300 0/0 nil true false {} {1} redis.LOG_DEBUG cjson.null")),
        st.sampled_from(["redis.REPL_ALL", "redis.REPL_NONE", "function() end", "{err='x'}", "redis.call"]),
    ),
    max_size=4,
)
API_CALLS = st.tuples(
    FUNCTIONS, ARGUMENTS, st.sampled_from(["return text_of({pcall(%s)})", "return %s", "\n\n%s\nreturn 1"])
)


def _api_script(name: str, arguments: list[str], form: str) -> str:
    inside = ", ".join(arguments)
    if "pcall(%s)" in form:
        return SERIALISE.replace("\n", " ") + form % ", ".join([f"redis.{name}", *arguments])
    return form % f"redis.{name}({inside})"


def test_calls_of_the_library(both: Both) -> None:
    """Any function with any arguments: results, error texts, lines."""

    @given(st.lists(API_CALLS, min_size=1, max_size=6))
    def run(cases: list[tuple[str, list[str], str]]) -> None:
        assert both.differences([[b"FLUSHALL"], *POPULATION]) == []
        scripts = [_api_script(*case) for case in cases]
        assert both.differences([[b"EVAL", script.encode("latin-1"), b"0"] for script in scripts]) == []

    run()


# Functions ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(_words("one two One f g F h_1"))
FLAGS = st.lists(
    st.sampled_from(["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys", "odd"]), max_size=3
)
BODIES = st.sampled_from(
    [
        "return keys[1] or #args",
        "return redis.call('SET', keys[1] or 'x', args[1] or 'y')",
        "return redis.call('GET', 'string')",
        "return {ok = 'fine'}",
        "error('oops')",
        "redis.setresp(3) return redis.call('HGETALL', 'hash')",
        "return redis.pcall('LPUSH', 'string', 1)",
        "n = 1",
        "return redis.register_function and 1 or 0",
        "return {keys, args}",
    ]
)


@st.composite
def registrations(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and the call of redis.register_function with it."""
    name, body = draw(NAMES), f"function(keys, args) {draw(BODIES)} end"
    if draw(st.booleans()):
        return name, f"redis.register_function('{name}', {body})"
    fields = [f"function_name='{name}'", f"callback={body}"]
    if draw(st.booleans()):
        fields.append("flags={" + ",".join([f"'{flag}'" for flag in draw(FLAGS)]) + "}")
    fields += draw(st.lists(st.sampled_from(["description='text'", "description=5", "odd=1", "[1]=2"]), max_size=1))
    return name, f"redis.register_function{{{', '.join(fields)}}}"


@st.composite
def libraries(draw: st.DrawFn) -> bytes:
    """The code of a library; one in some is not right."""
    head = draw(
        st.sampled_from(
            ["#!lua name=%s"] * 9 + ["#!LUA name=%s", "#!lua", "#!js name=%s", "name=%s", "#!lua NAME=%s x=1"]
        )
    )
    name = draw(st.sampled_from(_words("lib1 lib2 Lib1 lib_3 bad-name")))
    # Names of one library that differ only in case end redis-server 7.0.15.
    registered = draw(st.lists(registrations(), max_size=3, unique_by=lambda one: one[0].lower()))
    code = [call for _, call in registered]
    code += draw(
        st.lists(st.sampled_from(["local x = 1", "return 5", "x = 1", "redis.call('GET', 'x')", "("]), max_size=1)
    )
    return (head.replace("%s", name) + "\n" + "\n".join(code)).encode()


LIBRARY_NAMES = st.sampled_from([b"lib1", b"lib2", b"Lib1", b"lib_3", b"none"])


@st.composite
def function_commands(draw: st.DrawFn) -> Argv:
    kind = draw(
        st.sampled_from(_words("load load load load fcall fcall fcall delete flush list stats kill dump restore odd"))
    )
    if kind == "load":
        options = draw(st.sampled_from([[], [], [b"REPLACE"], [b"replace"], [b"odd"]]))
        return [b"FUNCTION", b"LOAD", *options, draw(libraries())]
    if kind == "fcall":
        count = draw(st.sampled_from([b"0", b"1", b"2", b"-1", b"9", b"x", b"1.5"]))
        words = draw(st.lists(st.sampled_from([b"k", b"string", b"v"]), max_size=3))
        return [draw(st.sampled_from([b"FCALL", b"FCALL_RO"])), draw(NAMES).encode(), count, *words]
    if kind == "delete":
        return [b"FUNCTION", b"DELETE", draw(LIBRARY_NAMES)]
    if kind == "flush":
        return [b"FUNCTION", b"FLUSH", *draw(st.sampled_from([[], [b"ASYNC"], [b"sync"], [b"odd"], [b"SYNC", b"x"]]))]
    if kind == "list":
        patterns = [
            [],
            [b"WITHCODE"],
            [b"LIBRARYNAME"],
            [b"LIBRARYNAME", b"lib*"],
            [b"libraryname", b"LIB?", b"withcode"],
        ]
        return [b"FUNCTION", b"LIST", *draw(st.sampled_from([*patterns, [b"odd"], [b"WITHCODE", b"WITHCODE"]]))]
    if kind == "restore":
        policy = draw(st.sampled_from([[], [b"APPEND"], [b"replace"], [b"flush"], [b"odd"], [b"FLUSH", b"x"]]))
        return [b"FUNCTION", b"RESTORE", draw(st.sampled_from([b"ours", b"theirs", b"", b"garbage"])), *policy]
    if kind == "odd":
        return [
            b"FUNCTION",
            *draw(st.sampled_from([[b"DUMP", b"x"], [b"NOSUCH"], [b"LOAD"], [b"DELETE"], [b"STATS", b"x"]])),
        ]
    return [b"FUNCTION", kind.upper().encode()]


def _sorted(node: Node) -> object:
    """What has no order (libraries, their functions, the flags) in one that is the same on both sides."""
    if isinstance(node.value, tuple):
        return node.kind, sorted([_sorted(item) for item in node.value], key=repr)
    return node.kind, node.value


def _payload(client: RawClient) -> bytes:
    return client.call("FUNCTION", "DUMP").partition(b"\r\n")[2][:-2]


def test_functions(both: Both) -> None:
    """Sequences of FUNCTION and FCALL; each server gets payloads of its own and of the other one."""

    @given(st.lists(function_commands(), max_size=12))
    def run(sequence: list[Argv]) -> None:
        assert both.differences([[b"FLUSHALL"], [b"FUNCTION", b"FLUSH"], *POPULATION]) == []
        history: list[Argv] = []
        payloads = {b"ours": b"none", b"theirs": b"none"}
        for argv in sequence:
            history.append(argv)
            if argv == [b"FUNCTION", b"DUMP"]:
                payloads = dict(zip(payloads, map(_payload, both.clients), strict=True))
                continue
            if argv[1] == b"RESTORE" and argv[2] in payloads:
                argv = [payloads.get(word, word) for word in argv]
            ours, theirs = both.call(*argv)
            if ours.startswith((b"-ERR Function", b"-ERR Library")) and b"exists" in ours:
                # Which one of several is refused first is left open.
                assert ours.split(b" ")[:2] == theirs.split(b" ")[:2] and b"exists" in theirs, history
            else:
                assert ours == theirs or _sorted(tree(ours)) == _sorted(tree(theirs)), (history, ours, theirs)
        listings = [client.call("FUNCTION", "LIST", "WITHCODE") for client in both.clients]
        assert _sorted(tree(listings[0])) == _sorted(tree(listings[1])), history

    run()
