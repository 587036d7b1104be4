"""Attempts to get out of the sandbox, or to do harm within it. Where redis-server survives, its answer is ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripting.test_eval import Both
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours

REMOVED = (
    *("io", "os", "require", "package", "debug", "module", "print", "dofile", "loadfile", "getfenv", "setfenv"),
    *("python", "newproxy", "jit", "ffi", "lupa", "builtins", "eval", "exec", "open"),
)

ESCAPES = [
    *[f"return {name}" for name in REMOVED],
    *[f"return rawget(_G, '{name}')" for name in REMOVED],
    "return getmetatable(_G).__index",
    "return type(getmetatable(_G).__newindex)",
    "getmetatable(_G).__index = nil",
    "getmetatable(_G).__newindex = nil",
    "setmetatable(_G, nil)",
    "setmetatable(_G, {})",
    "rawset(_G, 'x', 1)",
    "rawset(_G, 'redis', 1)",
    "rawset(getmetatable(_G), '__index', nil)",
    "_G.redis = nil",
    "_G['string'] = nil",
    "redis.call = function() return 1 end",
    "rawset(redis, 'call', 1)",
    "setmetatable(redis, {__index = function() return 1 end})",
    "for k in pairs(redis) do redis[k] = nil end",
    "string.format = nil",
    "table.insert(table, 1)",
    "table.insert(_G, 1)",
    "rawset(math, 'random', 1)",
    "getmetatable('').__index = function() return 1 end",
    "getmetatable('').__newindex = 1",
    "rawset(getmetatable(''), '__index', 1)",
    "setmetatable(getmetatable(''), {})",
    "setmetatable('', {})",
    "return getmetatable(redis.call)",
    "return getmetatable(cjson.null)",
    "return getmetatable(coroutine.create(function() end))",
    "return getmetatable(print)",
    "return redis.call.__class__",
    "return redis.call.__self__",
    "return redis.call['__globals__']",
    "return redis.sha1hex.__code__",
    "return cjson.encode.func_globals",
    "return (redis.call)[1]",
    "return #redis.call",
    "return redis.call .. ''",
    "redis.call.x = 1",
    "return loadstring('\\27Lua')",
    "return loadstring(string.dump(function() return 1 end))",
    "return load(function() return '\\27LuaQ' end)",
    "return pcall(loadstring, string.dump(function() end))",
    "return loadstring('return io')()",
    "return loadstring('x = 1')()",
    "loadstring('string.x = 1')()",
    "return pcall(load, string.dump)",
    "return string.dump(redis.call)",
    "return string.dump(string.dump)",
    "return pcall(string.dump, pairs)",
    "return coroutine.wrap(function() return io end)()",
    "coroutine.wrap(function() x = 1 end)()",
    "return coroutine.wrap(function() return getmetatable(_G).__index end)() ~= nil",
    "coroutine.wrap(redis.call)('get', 'x')",
    "return {pcall(coroutine.create, pcall)}",
    "return {pcall(coroutine.create, redis.pcall)}",
    "return {pcall(coroutine.wrap, cjson.encode)}",
    "return {pcall(coroutine.create, coroutine.create)}",
    "return {pcall(coroutine.create, string.rep)}",
    "return {pcall(string.dump, coroutine.wrap(function() end))}",
    "return {pcall(string.dump, string.gmatch(('a'):rep(999), ('a-'):rep(9)))}",
    "return {pcall(string.dump, cjson.new().encode)}",
    "return {pcall(coroutine.create, cjson.new().decode)}",
    "return {pcall(coroutine.create, ('x'):gmatch('.'))}",
    "return {pcall(coroutine.create)}",
    "return {pcall(coroutine.wrap, 1)}",
    "return {pcall(string.dump, 1)}",
    "local ok, e = pcall(redis.call) return type(e)",
    "local ok, e = pcall(redis.call, 'get', {}) return type(e)",
    "local ok, e = pcall(redis.call, redis.call) return type(e)",
    "local ok, e = pcall(redis.call, coroutine.create(function() end)) return type(e)",
    "local ok, e = pcall(redis.call, cjson.null) return type(e)",
    "return xpcall(function() error(redis) end, function(e) e.x = 1 end)",
    "return xpcall(function() x = 1 end, function(e) return type(e) end)",
    "return pcall(error, redis)",
    "return tostring(redis.call):match('^function')",
    "return type(redis.call)",
    "return type(cjson.null)",
    "return tostring(pcall):match('^function')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('script', 'flush')",
    "return redis.call('shutdown')",
    "return redis.call('debug', 'segfault')",
    "return redis.call('config', 'set', 'maxmemory', '1')",
    "return redis.call('client', 'kill', 'type', 'normal')",
    "return redis.call('monitor')",
    "return redis.call('subscribe', 'x')",
    "return redis.call('blpop', 'x', 0)",
    "return redis.call('auth', 'x')",
    "return redis.call('replicaof', 'localhost', '1')",
    "return redis.call('function', 'flush')",
    "KEYS = nil",
    "ARGV.__index = 1 return ARGV.__index",
    "setmetatable(KEYS, {__index = _G}) return KEYS.x",
    "_VERSION = 1",
    "local _ENV = {} return redis.call('ping')",
    "collectgarbage('stop') return collectgarbage('restart') or 1",
    "return setmetatable({}, {__gc = function() error('x') end}) and collectgarbage()",
    "return unpack({}, 1, 1e8)",
    "return string.rep('x', -1e300)",
    "return ('%s'):format(setmetatable({}, {__tostring = function() return 1 end}))",
    "return tostring(setmetatable({}, {__tostring = function() return {} end}))",
    "return string.char(300)",
    "local t = {} for i = 1, 300 do t = {t} end return cjson.encode(t):sub(1, 3)",
    "return #tostring(12345678901234567890)",
    "local function f() return f end return f()()() == f",
]


def test_escapes(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    assert both.differences([[b"EVAL", script.encode(), b"0"] for script in ESCAPES]) == []
    both.close()


BOMBS = [
    "return #string.rep('x', 10 * 1024 * 1024 * 1024)",
    "return string.rep('', 1e15)",
    "local function f() return f() end f()",
    "local function f() f() end f()",
    "return setmetatable({}, {__index = function(t, k) return t[k + 1] end})[1]",
    "return setmetatable({}, {__concat = function(a, b) return a .. b end}) .. 'x'",
    "local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
    "return ('a'):rep(100000):find(('a?'):rep(100000) .. ('a'):rep(100000))",
    "return ('('):rep(1e5):find(('('):rep(1e5))",
    "return loadstring(('('):rep(1e5))",
    "return loadstring('return ' .. ('{'):rep(1e5))",
    "return loadstring(('do '):rep(1e5))",
    "return cjson.decode(('['):rep(1e6))",
    "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
    "local t = {} for i = 1, 1e5 do t = {t} end return cmsgpack.pack(t)",
    "local t = {} for i = 1, 1e5 do t = {t} end return t",
    "local t = {} t[1] = t return cjson.encode(t)",
    "local function r(f) coroutine.wrap(r)(f) end r(r)",
    "return ('x'):rep(1e7):byte(1, -1)",
    "return {unpack({}, 1, 1e7)}",
    "table.sort({3, 2, 1, 5, 4, 7, 6}, function(a, b) return true end)",
    "local t = {} for i = 1, 1e4 do t[i] = i % 7 end table.sort(t, function(a, b) return a <= b end)",
    "return string.format('%99999d', 1)",
    "return ('x'):rep(200):gsub('x', '%9')",
    "return struct.unpack('i99', 'x')",
    "return redis.call('get', {})",
    "return redis.call('set', 'x', ('x'):rep(6e8))",
    "return bit.lshift(1, 1e300)",
]


@pytest.mark.parametrize("script", BOMBS)
def test_bombs(server: ServerProcess, script: str) -> None:
    """An error or a reply, soon, and the server is as before."""
    client = RawClient(server.connect())
    client.sock.sendall(b"*3\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n0\r\nPING\r\n" % (len(script), script.encode()))
    seen = b""
    while not seen.endswith(b"+PONG\r\n"):
        data = client.sock.recv(1 << 20)
        assert data
        seen = (seen + data)[-100:]
    client.close()


def test_one_script_leaves_nothing_to_the_next(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    names = "local n = {} for k in pairs(_G) do n[#n + 1] = k end table.sort(n) return n"
    before = client.call("EVAL", names, 0)
    for script in ESCAPES:
        client.call("EVAL", script, 0)
    assert client.call("EVAL", names, 0) == before
    for stand_in in ("_G", "redis", "string", "table", "math", "cjson", "coroutine"):
        assert client.call("EVAL", f"return rawget({stand_in}, 1)", 0) == b"$-1\r\n"
    client.close()


def test_memory_goes_back(tmp_path: Path) -> None:
    """What a script has filled is the system's again when it has ended."""
    server = start_ours(tmp_path)  # which has nothing else in its memory
    client = RawClient(server.connect())
    assert client.call("EVAL", "local t = {} for i = 1, 5e6 do t[i] = {i} end return #t", 0) == b":5000000\r\n"
    resident = int(client.call("INFO", "memory").partition(b"used_memory_rss:")[2].split(b"\r\n")[0])
    client.close()
    server.stop()
    assert resident < 300 << 20
