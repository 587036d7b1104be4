"""Generated Lua scripts that use the libraries: values, texts and bytes, whole and damaged; all drawn from a seed."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any, Final

SERIALISE: Final = r"""
local function text_of(v, depth)
  depth = depth or 0
  local kind = type(v)
  if depth > 40 then
    return "..."
  elseif kind == "table" then
    local parts = {}
    for key, element in pairs(v) do
      parts[#parts + 1] = text_of(key, depth + 1) .. "=" .. text_of(element, depth + 1)
    end
    return "{" .. table.concat(parts, ",") .. "}"
  elseif kind == "string" then
    return '"' .. v .. '"'
  elseif kind == "number" then
    return string.format("%.17g", v)
  elseif v == cjson.null then
    return "null " .. tostring(v)
  end
  return tostring(v)
end
local function texts_of(...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = text_of((select(i, ...)))
  end
  return table.concat(parts, ";")
end
"""
"""Lua: the text of any value (in the order of ``pairs``) and of several."""

_words = str.split
_NUMBERS: Final = _words("""
    0 1 -1 -0 0.5 1e15 1e14 123456789012345 2^53 2^63 -2^63 2^64 2^32 2^31 -2^31 1e300 -1e300 5e-324 0.1 1/3 100 127
    128 255 256 65535 65536 -32 -33 -128 -129 -32768 -32769 1.5 3.4028234663852886e38 3.5e38 1e-40 1/0 -1/0 0/0
    -(0/0) 16777217 2^24 1000 1001 999
""")
_PLAIN_TOKENS: Final = _words(r"""
    { } [ ] , : " \ \u \ud83d\ude00 \n null true false 1 0 - + e . 0x inf nan NaN -1.5e3 01 a "a" "a":1 /
""")
_TOKENS: Final = [*_PLAIN_TOKENS, " ", "\n", "\0", "\x7f", "\xff", "\t"]
_BIT_FUNCTIONS: Final = _words("arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex")
_FORMAT_ITEMS: Final = re.findall(r"[a-zA-Z!<> ]\d*", "bBhHlLiIfdscxT!<> i3I5I8i8c0c1c4i9I16i12!4!8!2!1i0")


def lua_string(data: bytes) -> str:
    """A Lua literal of these bytes."""
    return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:03}" for c in data) + '"'


class Generator:
    """Draws scripts. ``script(kind)``: of one of KINDS."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def data(self, length: int | None = None) -> bytes:
        draw = self.draw
        pools = [b"abc", b'abcdefgh/\\"', bytes(range(256)), b'\x00\x01\x7f\x80\xff"', b"0123456789.e-+xinfa"]
        pool = draw.choice(pools)
        length = draw.choice([0, 1, 2, 3, 5, 8, 20, 31, 32, 33]) if length is None else length
        return bytes(draw.choice(pool) for _ in range(length))

    def string(self, length: int | None = None) -> str:
        return lua_string(self.data(length))

    def number(self) -> str:
        draw = self.draw
        odd = [str(draw.randrange(-(10**6), 10**6)), repr(draw.random()), repr(draw.uniform(-1e6, 1e6))]
        return draw.choice([*_NUMBERS, *odd, str(draw.randrange(-(2**63), 2**63))])

    def value(self, depth: int = 0) -> str:
        """A Lua expression; keys have an order that does not depend on addresses."""
        draw = self.draw
        kind = draw.random()
        if depth < 5 and kind < 0.25:
            return "{" + ",".join(self.value(depth + 1) for _ in range(draw.randrange(6))) + "}"
        if depth < 5 and kind < 0.5:
            items = []
            for _ in range(draw.randrange(5)):
                key = draw.choice([self.string(draw.randrange(4)), str(draw.randrange(-2, 14)), self.number(), "true"])
                items.append(f"[{'1' if '0/0' in key else key}]={self.value(depth + 1)}")
            return "{" + ",".join(items) + "}"
        if kind < 0.7:
            return self.string()
        if kind < 0.9:
            return self.number()
        return draw.choice(["true", "false", "nil", "cjson.null", "cjson.null"] + ["type"] * (draw.random() < 0.1))

    def document(self, depth: int = 0) -> Any:
        draw = self.draw
        kind = draw.random()
        if depth < 5 and kind < 0.25:
            return [self.document(depth + 1) for _ in range(draw.randrange(5))]
        if depth < 5 and kind < 0.55:
            keys = [self.data(draw.randrange(5)).decode("latin-1") for _ in range(draw.randrange(5))]
            return {key: self.document(depth + 1) for key in keys}
        if kind < 0.7:
            return self.data().decode("latin-1")
        plain = [0, 1, -1, 1.5, -0.0, True, False, None, 1e20, 1e-7, 12345678901234567890]
        return draw.choice([*plain, draw.random(), draw.randrange(10**9)])

    def damaged(self, text: str) -> str:
        draw = self.draw
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            at, kind = draw.randrange(len(text) + 1), draw.random()
            if kind < 0.4:
                text = text[:at] + draw.choice(_TOKENS) + text[at:]
            elif kind < 0.7:
                text = text[:at] + text[at + draw.randrange(1, 4) :]
            elif kind < 0.8:
                text = text[:at]
            else:
                text = text[:at] + draw.choice(_TOKENS) + text[at + 1 :]
        return text

    def options(self) -> str:
        """An instance ``c`` of cjson with some of its options set."""
        draw = self.draw
        yes = draw.choice(["true", "false"])
        invalid = draw.choice(["true", '"null"', "false", '"on"'])
        settings = [
            f"c.encode_invalid_numbers({invalid})",
            f"c.decode_invalid_numbers({yes})",
            f"c.encode_sparse_array({yes},{draw.randrange(4)},{draw.randrange(12)})",
            f"c.encode_number_precision({draw.randrange(1, 15)})",
            f"c.encode_max_depth({draw.randrange(1, 6)})",
            f"c.decode_max_depth({draw.randrange(1, 6)})",
            "c.encode_keep_buffer(false)",
        ]
        return "local c = cjson.new() " + " ".join(s for s in settings if draw.random() < 0.2)

    def format(self) -> str:
        draw = self.draw
        text = "".join(draw.choice(_FORMAT_ITEMS) for _ in range(draw.randrange(7)))
        odd = ["", "", "q", "5", "\0b", "?", "i33", "!3", "c99999999999"]
        return text + (draw.choice(odd) if draw.random() < 0.1 else "")

    def cjson_encode(self) -> str:
        return f"{self.options()} return c.encode({self.value()})"

    def cjson_encode_strings(self) -> str:
        harmless = [b"abc", b"x y", b"\xc3\xa9"]
        draw = self.draw
        words = [self.data() if draw.random() < 0.3 else draw.choice(harmless) for _ in range(draw.randrange(8, 30))]
        return f"local c = cjson.new() return c.encode({{{','.join(map(lua_string, words))}}})"

    def cjson_decode(self) -> str:
        draw = self.draw
        separators = draw.choice([(", ", ": "), (",", ":"), (" ,  ", "  : "), ("\n,\t", "\r:\n")])
        text = json.dumps(self.document(), ensure_ascii=draw.random() < 0.5, separators=separators)
        literal = lua_string(self.damaged(text).encode("latin-1"))
        return f"{SERIALISE} {self.options()} return text_of(c.decode({literal}))"

    def cjson_decode_alike(self) -> str:
        """An array of objects with the same keys, for the most part."""
        draw = self.draw
        keys = [self.data(draw.randrange(4)).decode("latin-1") for _ in range(draw.randrange(1, 5))]
        values: list[Any] = ["", "a", 1, 0.5, None, True, [], {}, [1, "b"], {"a": []}, [{"a": 1}] * 4]
        objects = [{key: draw.choice(values[draw.randrange(8) :]) for key in keys} for _ in range(draw.randrange(3, 9))]
        text = json.dumps(
            objects, ensure_ascii=False, separators=draw.choice([(", ", ": "), (",", ":"), (" , ", ": ")])
        )
        literal = lua_string(self.damaged(text).encode("latin-1"))
        return f"{SERIALISE} {self.options()} return text_of(c.decode({literal}))"

    def template(self, depth: int = 0) -> Callable[[], Any]:
        """Makes values that are alike: the same keys, and values of the same kinds, now and then another one."""
        draw = self.draw
        kind = draw.random()
        if depth < 3 and (kind < 0.25 or not depth):
            keys = [
                self.data(draw.randrange(5)).decode("latin-1") if depth else f"k{i}" for i in range(draw.randrange(6))
            ]
            of_keys = [(key, self.template(depth + 1)) for key in keys]
            return lambda: {key: make() for key, make in of_keys}
        if depth < 3 and kind < 0.45:
            elements = [self.template(depth + 1) for _ in range(draw.randrange(4))]
            return lambda: [make() for make in elements]
        makers: list[Callable[[], Any]] = [
            lambda: draw.choice(["", "a", "b c", "x" * 40, "é", "1", "true"]),
            lambda: draw.randrange(2000),
            lambda: draw.choice([draw.random(), draw.uniform(-1e6, 1e6), 1e20, 1e-7, -5, 0, -0.0]),
            lambda: draw.choice([True, False]),
            lambda: draw.choice([None, 1, "a"]),
            lambda: None,
        ]
        usual = draw.choice(makers)
        strings = self.data().decode("latin-1")
        return lambda: usual() if draw.random() < 0.99 else draw.choice([[], {}, None, 1, [1], strings])

    def alike(self) -> str:
        """The text of many values that are alike, in an array or object."""
        draw = self.draw
        make, count = self.template(), draw.randrange(8, 40)
        separators = draw.choice([(", ", ": "), (",", ":"), (" ,\n", "  : ")])
        content = [make() for _ in range(count)]
        whole: Any = content if draw.random() < 0.7 else {f"key{at}": value for at, value in enumerate(content)}
        text = json.dumps(whole, ensure_ascii=False, separators=separators, indent=draw.choice([None, None, None, 1]))
        return lua_string((self.damaged(text) if draw.random() < 0.3 else text).encode("utf-8", "surrogateescape"))

    def cjson_alike_decode(self) -> str:
        return f"{SERIALISE} {self.options()} return text_of(c.decode({self.alike()}))"

    def cjson_alike_encode(self) -> str:
        changes = [
            "v[1] = 5",
            "v[2].k0 = function() end",
            "v[#v] = nil",
            "v[9].k1 = 0/0",
            "setmetatable(v, {})",
            "",
            "",
            "",
        ]
        change = f"pcall(function() {self.draw.choice(changes)} end)"
        return (
            f"{self.options()} local v = cjson.decode({self.alike()}) {change} return c.encode(v) .. c.encode({{v, v}})"
        )

    def cjson_decode_tokens(self) -> str:
        text = "".join(self.draw.choice(_TOKENS) for _ in range(self.draw.randrange(1, 8)))
        return f"{SERIALISE} {self.options()} return text_of(c.decode({lua_string(text.encode('latin-1'))}))"

    def cjson_decode_number(self) -> str:
        number = "".join(self.draw.choice("0123456789.eE+-xXinfaNpP()_") for _ in range(self.draw.randrange(1, 9)))
        text = self.draw.choice(["%s", "[%s]", '{"a":%s}', "[%s,1]", " %s "]) % number
        return f"{SERIALISE} {self.options()} return text_of(c.decode({lua_string(text.encode())}))"

    def _values(self) -> str:
        return ",".join(self.value() for _ in range(self.draw.randrange(1, 4)))

    def cmsgpack_pack(self) -> str:
        return f"return cmsgpack.pack({self._values()})"

    def cmsgpack_both(self) -> str:
        return f"{SERIALISE} return texts_of(cmsgpack.unpack(cmsgpack.pack({self._values()})))"

    def cmsgpack_unpack(self) -> str:
        draw = self.draw
        ranges = [(0, 256), (0x80, 0xA4), (0xC0, 0xE0), (0, 5)]
        data = bytes(draw.randrange(*draw.choice(ranges)) for _ in range(draw.randrange(20)))
        a, b = draw.randrange(-1, 8), draw.randrange(-1, 8)
        calls = ["unpack({0})", "unpack_one({0})", "unpack_one({0},{1})", "unpack_limit({0},{1})"]
        call = draw.choice([*calls, "unpack_limit({0},{1},{2})"]).format(lua_string(data), a, b)
        return f"{SERIALISE} return texts_of(cmsgpack.{call})"

    def struct_pack(self) -> str:
        draw, form = self.draw, self.format()
        values = []
        for option in re.findall(r"[bBhHlLiIfdscT]", form):
            values.append(self.string() if (option in "sc") != (draw.random() < 0.05) else self.number())
        if values and draw.random() < 0.1:
            values.pop()
        return f"return struct.pack({','.join([lua_string(form.encode()), *values])})"

    def struct_unpack(self) -> str:
        draw = self.draw
        offset = f",{draw.randrange(-2, 10)}" if draw.random() < 0.3 else ""
        arguments = lua_string(self.format().encode()) + "," + self.string(draw.randrange(40)) + offset
        return f"{SERIALISE} return texts_of(struct.unpack({arguments}))"

    def struct_size(self) -> str:
        return f"return struct.size({lua_string(self.format().encode())})"

    def bit(self) -> str:
        draw = self.draw
        name = draw.choice(_BIT_FUNCTIONS)

        def argument() -> str:
            if draw.random() < 0.02:
                return draw.choice(["nil", '"x"', "{}"])
            integers = [str(draw.randrange(-(2**33), 2**33)), str(draw.randrange(40)), '"12"']
            others = [self.number(), str(draw.uniform(-(2.0**54), 2.0**54)), f"2^{draw.randrange(30, 90)}*1.37"]
            return draw.choice(integers + others)

        arguments = ",".join(argument() for _ in range(draw.choice([1, 2, 2, 2, 3, 0])))
        return f"{SERIALISE} return text_of(bit.{name}({arguments}))"

    def math_random(self) -> str:
        draw = self.draw
        bounds = ["1", "10", "100", "-5", "2^31-1", "1.5", "0", '"7"', str(draw.randrange(-(2**31), 2**31))]
        arguments = ",".join(draw.choice(bounds) for _ in range(draw.randrange(3)))
        seed = self.number().replace("0/0", "3")
        return (
            f"{SERIALISE} math.randomseed({seed}) local r = {{}} "
            f"for i = 1, 5 do r[i] = text_of(math.random({arguments})) end return table.concat(r, ',')"
        )

    def script(self, kind: str) -> str:
        make: Callable[[], str] = getattr(self, kind)
        return make()


KINDS: Final = _words("""
    cjson_encode cjson_encode_strings cjson_decode cjson_decode_alike cjson_decode_tokens cjson_decode_number
    cjson_alike_decode cjson_alike_encode
    cmsgpack_pack cmsgpack_both cmsgpack_unpack struct_pack struct_unpack struct_size bit math_random
""")
