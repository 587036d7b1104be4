"""cjson, cmsgpack, struct, bit, math.random: every result and every error equal to redis-server's, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scripting.plain import PlainLua, comparable
from tests.scripting.values import KINDS, SERIALISE, Generator
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

CALLS = (Path(__file__).parent / "library_calls.txt").read_text().splitlines()


@pytest.fixture(scope="module")
def plain() -> PlainLua:
    return PlainLua()


@pytest.fixture
def redis(oracle: ServerProcess) -> Iterator[RawClient]:
    client = RawClient(oracle.connect())
    yield client
    client.close()


def compare(plain: PlainLua, redis: RawClient, scripts: list[str]) -> None:
    theirs = redis.pipeline([[b"EVAL", script.encode("latin-1"), b"0"] for script in scripts])
    for script, reply in zip(scripts, theirs):
        assert comparable(plain.run(script)) == comparable(reply), script.removeprefix(SERIALISE)


def test_single_calls(plain: PlainLua, redis: RawClient) -> None:
    """Calls with all kinds of arguments, right and wrong, one a line."""
    assert len(CALLS) > 400
    compare(plain, redis, ["math.randomseed(1)", *CALLS])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_generated(plain: PlainLua, redis: RawClient, kind: str, seed: int) -> None:
    generator = Generator(seed)
    compare(plain, redis, [generator.script(kind) for _ in range(250)])


@pytest.mark.parametrize("kind", KINDS)
def test_generated_by_eval(server: ServerProcess, redis: RawClient, kind: str) -> None:
    """Through the whole server: errors with their script and line, replies converted."""
    generator = Generator(99)
    commands = [[b"EVAL", generator.script(kind).encode("latin-1"), b"0"] for _ in range(100)]
    ours = RawClient(server.connect())
    for (_, script, _), mine, theirs in zip(commands, ours.pipeline(commands), redis.pipeline(commands)):
        assert re.sub(rb"0x[0-9a-f]+", b"0x", mine) == re.sub(rb"0x[0-9a-f]+", b"0x", theirs), script
    ours.close()


@pytest.mark.parametrize("name", ["cjson", "cmsgpack", "struct", "bit"])
def test_tables_have_what_redis_has(plain: PlainLua, redis: RawClient, name: str) -> None:
    script = f"""
        local names = {{}}
        for key, value in pairs({name}) do
            names[#names + 1] = key .. " " .. type(value) .. (type(value) == "function" and "" or tostring(value))
        end
        table.sort(names)
        return names"""
    compare(plain, redis, [script])


def test_nesting_stops_where_the_stack_of_redis_ends(plain: PlainLua, redis: RawClient) -> None:
    deep = []
    for n in (999, 1000, 1001, 3999, 4000, 4001, 7997, 7998, 7999, 8000, 20000):
        many = "local c = cjson.new() c.decode_max_depth(100000) c.encode_max_depth(100000) "
        deep += [
            f"return #cjson.decode(string.rep('[', {n}) .. string.rep(']', {n}))",
            f"{many} return #c.decode(string.rep('[', {n}) .. string.rep(']', {n}))",
            f"{many} return type(c.decode(string.rep('{{\"a\":', {n}) .. '1' .. string.rep('}}', {n})))",
            f"local t = 1 for i = 1, {n} do t = {{t}} end return #cjson.encode(t)",
            f"{many} local t = 1 for i = 1, {n} do t = {{t}} end return #c.encode(t)",
            f"{many} local t = 1 for i = 1, {n} do t = {{a = t}} end return #c.encode(t)",
            f"return #cmsgpack.unpack(string.rep('\\145', {n}) .. '\\1')",
            f"return type(cmsgpack.unpack(string.rep('\\129\\1', {n}) .. '\\1'))",
            f"return type(cmsgpack.unpack(string.rep('\\129', {n}) .. string.rep('\\1', {n} + 1)))",
            f"return select('#', cmsgpack.unpack_one(string.rep('\\1', {n})))",
        ]
    for n in (1000, 7990, 8000, 8001, 20000):
        deep.append(f"return select('#', cmsgpack.unpack(string.rep('\\1', {n})))")
        deep.append(f"return select('#', struct.unpack(string.rep('b', {n}), string.rep('b', {n})))")
    compare(plain, redis, deep)


def test_options_last_and_instances_are_apart(plain: PlainLua, redis: RawClient) -> None:
    """The settings of ``cjson`` itself hold for the scripts that come after."""
    scripts = [
        "cjson.encode_number_precision(3) return cjson.encode(1/3)",
        "return cjson.encode(1/3)",
        "return cjson.new().encode(1/3)",
        "cjson.encode_number_precision(14) return cjson.encode({1/3, 5, 1000, 1001, -0})",
        "cjson.encode_invalid_numbers('null') return cjson.encode(1/0)",
        "return cjson.encode(0/0)",
        "cjson.encode_invalid_numbers(false) return cjson.encode(0/0)",
    ]
    compare(plain, redis, scripts)


def test_random_numbers_go_on_from_script_to_script(plain: PlainLua, redis: RawClient) -> None:
    draw = "return string.format('%.17g', math.random())"
    compare(plain, redis, ["math.randomseed(-7)", *[draw] * 5])
    assert PlainLua().run(draw).startswith(b"$19\r\n0.39646477363839"), "the first one ever"


def test_a_large_document_comes_back(plain: PlainLua, redis: RawClient) -> None:
    script = (
        "local t = {} for i = 1, 2000 do t[i] = {id = i, name = 'user ' .. i, ok = i % 2 == 0, tags = {'a', 'b/c'}} "
        "end local text = cjson.encode(t) return {text, cjson.encode(cjson.decode(text)), cmsgpack.pack(t)}"
    )
    compare(plain, redis, [script, script.replace("b/c", "b c"), script.replace("b/c", "é")])


def test_what_came_later(newest: ServerProcess, server: ServerProcess) -> None:
    """os.clock with 7.4, marked arrays with 8.4."""
    for one, expected in ((newest, b"$6\r\nnumber\r\n"), (server, b"-ERR")):
        client = RawClient(one.connect())
        assert client.call("EVAL", "return type(os.clock())", 0).startswith(expected)
        client.close()
    for compat, seen in ((700, b"nil"), (704, b"table")):
        assert PlainLua(compat).run("return type(os)") == b"$%d\r\n%b\r\n" % (len(seen), seen)
    lua = PlainLua(804)
    assert lua.run("return cjson.encode({cjson.decode('[]'), cjson.decode('{}')})") == b"$7\r\n[{},{}]\r\n"
    marked = "cjson.decode_array_with_array_mt(true) return cjson.encode({cjson.decode('[]'), cjson.decode('{}')})"
    assert lua.run(marked) == b"$7\r\n[[],{}]\r\n"
    assert PlainLua().run("return type(cjson.decode_array_with_array_mt)") == b"$3\r\nnil\r\n"


def test_hostile_inputs(plain: PlainLua, redis: RawClient) -> None:
    """Long, nested or lying about their length: the same errors, and no time that grows faster than the input."""
    scripts = [
        "local t = {} for i = 1, 16 do t[i] = {a = t[i - 1], b = t[i - 1]} end return #cjson.encode(t[16])",
        "return #cjson.decode('[' .. string.rep('1,', 100000) .. '1]')",
        "return cjson.decode(string.rep('[\"', 100000))",
        "return cjson.decode(string.rep('\"\\\\', 100000))",
        "return tostring(cjson.decode(string.rep('1', 100000)))",
        "return cjson.decode(string.rep(' ', 100000))",
        "return #cjson.decode('\"' .. string.rep('\\\\u0041', 50000) .. '\"')",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255' .. string.rep('\\1', 100000))",
        "return cmsgpack.unpack('\\219\\255\\255\\255\\255')",
        "return #cmsgpack.pack(string.rep('a', 100000))",
        "return struct.unpack(string.rep('c0', 100000), 'a')",
        "return struct.size(string.rep('i32', 100000))",
        "return struct.pack('!' .. string.rep('9', 100000), 1)",
        "return #struct.pack(string.rep('x', 100000))",
        "return bit.band(unpack(cjson.decode('[' .. string.rep('1,', 5000) .. '1]')))",
    ]
    compare(plain, redis, scripts)
