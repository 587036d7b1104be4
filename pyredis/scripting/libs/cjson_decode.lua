-- cjson.decode: text to Lua values, with the tolerance and the error texts of lua-cjson 2.1.
-- Frequent forms are read by one pattern each; what they do not match goes to `odd_*`, which decide exactly.

local common, null, shapes = ...
local type, tonumber, error, select, pcall, setmetatable = type, tonumber, error, select, pcall, setmetatable
local byte, char, find, sub, lower, format = string.byte, string.char, string.find, string.sub, string.lower, string.format
local concat, floor = table.concat, math.floor
local arg_error, check_string, fail, finish = common.arg_error, common.check_string, common.fail, common.finish

local SPACE = "^[ \t\r\n]*"
-- The usual form of a number. The strict form leaves leading zeros, which JSON has not, to `odd_token`.
local NUMBER = "^(-?%d+%.?%d*)"
local STRICT_NUMBER = "^(-?[1-9]%d*%.?%d*)"
-- What may stand behind a number: a comma, a closing bracket, space.
local ENDS = {[44] = true, [93] = true, [125] = true, [32] = true, [10] = true, [13] = true, [9] = true}
local tokens, new_shape, missed = shapes.tokens, shapes.reader, shapes.missed
local CHILDREN = 4  -- containers in an object from which on they may be alike

local ESCAPES = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
local TOKENS = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
  [","] = "T_COMMA", [":"] = "T_COLON", [""] = "T_END", ["\0"] = "T_END",
}

-- The UTF-8 of a code point.
local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- The escape \uXXXX at `at`, with its second half if it has one: the bytes and the position behind, or nil.
local function unicode(text, at)
  local _, last, digits = find(text, "^\\u(%x%x%x%x)", at)
  if not last then
    return nil
  end
  local code = tonumber(digits, 16)
  if code >= 0xDC00 and code < 0xE000 then
    return nil
  end
  if code >= 0xD800 and code < 0xDC00 then
    _, last, digits = find(text, "^\\u(%x%x%x%x)", last + 1)
    local second = last and tonumber(digits, 16)
    if not second or second < 0xDC00 or second >= 0xE000 then
      return nil
    end
    code = 0x10000 + (code - 0xD800) * 1024 + (second - 0xDC00)
  end
  return utf8(code), last + 1
end

-- A string that has escapes, from its quote: the string and the position behind it; or nil, what is wrong, where.
local function odd_string(text, at)
  local parts, count = {}, 0
  at = at + 1
  while true do
    local _, last, plain, stop = find(text, '^([^"\\%z]*)(["\\]?)', at)
    count = count + 1
    parts[count] = plain
    at = last + 1
    if stop == '"' then
      return concat(parts), at
    elseif stop == "" then
      return nil, "unexpected end of string", at
    end
    local escape = sub(text, at, at)
    local bytes, behind = ESCAPES[escape], at + 1
    if escape == "u" then
      bytes, behind = unicode(text, at - 1)
      if not bytes then
        return nil, "invalid unicode escape code", at - 1
      end
    elseif not bytes then
      return nil, "invalid escape code", at - 1
    end
    count = count + 1
    parts[count] = bytes
    at = behind
  end
end

-- Where strtod would stop reading at `at`, which is no space: the last position, or nil.
local function number_end(text, at)
  local _, sign_end = find(text, "^[+-]?", at)
  local start = sign_end + 1
  local word = lower(sub(text, start, start + 7))
  if sub(word, 1, 3) == "inf" then
    return start + (word == "infinity" and 7 or 2)
  elseif sub(word, 1, 3) == "nan" then
    local _, last = find(text, "^%([%w_]*%)", start + 3)
    return last or start + 2
  end
  local last, whole, fraction, _
  if find(word, "^0x%x") or find(word, "^0x%.%x") then
    _, last = find(text, "^%x*%.?%x*", start + 2)
    local _, exponent = find(text, "^[pP][+-]?%d+", last + 1)
    return exponent or last
  end
  _, last, whole, fraction = find(text, "^(%d*)%.?(%d*)", start)
  if whole == "" and fraction == "" then
    return nil
  end
  local _, exponent = find(text, "^[eE][+-]?%d+", last + 1)
  return exponent or last
end

-- Whether the number at `at` is none that JSON knows: +1, 0x1, 01, inf, nan.
local function is_invalid_number(text, at)
  return find(text, "^%+", at) or find(text, "^%-?0[xX%d]", at) or find(lower(sub(text, at, at + 3)), "^%-?inf")
    or find(lower(sub(text, at, at + 3)), "^%-?nan")
end

-- The scalar token at `at` that no quick pattern knew: its kind, its value, the position behind it.
-- Kind is nil when there is none: then the second is what was found, the third where.
local function odd_token(text, at, config)
  local first = sub(text, at, at)
  if TOKENS[first] then
    return nil, TOKENS[first], at
  end
  local numeric = find(first, "^[%d-]")
  if first == '"' then
    local value, behind, where = odd_string(text, at)
    if not value then
      return nil, behind, where
    end
    return "T_STRING", value, behind
  elseif not numeric then
    if find(text, "^true", at) then
      return "T_BOOLEAN", true, at + 4
    elseif find(text, "^false", at) then
      return "T_BOOLEAN", false, at + 5
    elseif find(text, "^null", at) then
      return "T_NULL", null, at + 4
    end
  end
  local invalid = is_invalid_number(text, at)
  if numeric and invalid and not config.decode_invalid_numbers then
    return nil, "invalid number", at
  end
  if numeric or (invalid and config.decode_invalid_numbers) then
    local last = number_end(text, at)
    if not last then
      return nil, "invalid number", at
    end
    return "T_NUMBER", tonumber(sub(text, at, last)), last + 1
  end
  return nil, "invalid token", at
end

-- Raises "Expected … but found …" for whatever is at `at`.
local function unexpected(expected, text, at, config)
  local _, last = find(text, SPACE, at)
  local kind, found, where = odd_token(text, last + 1, config)
  if kind then
    found, where = kind, last + 1
  end
  fail("Expected %s but found %s at character %d", expected, found, where)
end

-- A scalar for which there is no quick way: the value, and the position behind it.
local function odd_value(text, at, config)
  local kind, value, behind = odd_token(text, at, config)
  if not kind then
    fail("Expected value but found %s at character %d", value, behind)
  end
  return value, behind
end

-- The first position that is no space from `at` on, and the byte there.
local function skip_space(text, at)
  local _, last = find(text, SPACE, at)
  return last + 1, byte(text, last + 1)
end

-- Behind a key: the position of the value, and its first byte.
local function colon(text, at, config)
  local _, last = find(text, "^[ \t\r\n]*:[ \t\r\n]*", at)
  if not last then
    unexpected("colon", text, at, config)
  end
  return last + 1, byte(text, last + 1)
end

-- A key at `at` that has escapes, or is none at all: the key, and the position behind it.
local function odd_key(text, at, config)
  local kind, key, behind = odd_token(text, at, config)
  if kind ~= "T_STRING" then
    if kind then
      key, behind = kind, at
    end
    fail("Expected object key string but found %s at character %d", key, behind)
  end
  return key, behind
end

-- Containers, from the position behind their bracket: the table, and the position behind the closing bracket.
-- `depth` and `slots` are of what is around: the stack of a C function holds 8,000 values, of which an array takes one
-- and an object two, and three must be left.
local decode_object, decode_array

local function check_depth(at, depth, slots, config)
  if depth >= config.decode_max_depth or slots > 7997 then
    fail("Found too many nested data structures (%d) at character %d", depth + 1, at)
  end
end

-- A value at `at` that is no plain string, by its first byte: it, and the position behind it.
local function decode_other(text, at, first, depth, slots, config)
  if first == 123 or first == 91 then
    check_depth(at, depth, slots, config)
    if first == 123 then
      return decode_object(text, at + 1, depth + 1, slots + 2, config)
    end
    return decode_array(text, at + 1, depth + 1, slots + 1, config)
  end
  local _, last, digits = find(text, config.number_pattern, at)
  if last and ENDS[byte(text, last + 1)] then
    local value = tokens[digits]
    if not value then
      value = tonumber(digits)
      if #digits <= 3 then
        tokens[digits] = value
      end
    end
    return value, last + 1
  elseif first == 116 and sub(text, at, at + 3) == "true" then
    return true, at + 4
  elseif first == 102 and sub(text, at, at + 4) == "false" then
    return false, at + 5
  end
  return odd_value(text, at, config)
end

-- In these loops `first` is the byte at `at`. The quickest way through is for text without backslashes and zero bytes
-- (`config.plain`), with at most one space behind commas and colons.
--
-- A container in an array or object, whose `state` is that of cjson_shapes, with this first byte, as `decode_other` has
-- it.
local function decode_element(text, at, first, depth, slots, config, state)
  local count = #state
  for index = 1, count do
    local shape = state[index]
    if depth + shape.depth <= config.decode_max_depth and slots < 7000 then
      local value, behind = shape.read(text, at)
      if behind then
        state.hits, config.last_read = state.hits + 1, shape
        return value, behind
      end
    end
  end
  local value, behind = decode_other(text, at, first, depth, slots, config)
  if missed(state) and 4 * (behind - at) < #text - behind then
    state[count + 1] = new_shape(text, at, behind - 1, config.decode_array_with_array_mt)
  end
  return value, behind
end

local function new_state(config)
  local off = not config.plain or not config.decode_invalid_numbers
  return shapes.new_state(not config.decode_array_with_array_mt and config.last_read or nil, off)
end

function decode_object(text, at, depth, slots, config)
  local object, plain, first = {}, config.plain, byte(text, at)
  local children, state = 0, nil
  if first ~= 34 then
    at, first = skip_space(text, at)
    if first == 125 then
      return object, at + 1
    end
  end
  while true do
    local key, value
    local stop = first == 34 and plain and find(text, '"', at + 1, true)
    if stop then
      key, at = sub(text, at + 1, stop - 1), stop + 1
    else
      key, at = odd_key(text, at, config)
    end
    local a, b, c = byte(text, at, at + 2)
    if a == 58 and b and b > 32 then
      at, first = at + 1, b
    elseif a == 58 and b == 32 and c and c > 32 then
      at, first = at + 2, c
    else
      at, first = colon(text, at, config)
    end
    stop = first == 34 and plain and find(text, '"', at + 1, true)
    if stop then
      value, at = sub(text, at + 1, stop - 1), stop + 1
    elseif first == 123 and children > CHILDREN and not (state and state.off) then
      state = state or new_state(config)
      value, at = decode_element(text, at, first, depth, slots, config, state)
    else
      children = first == 123 and children + 1 or children
      value, at = decode_other(text, at, first, depth, slots, config)
    end
    object[key] = value
    a, b, c = byte(text, at, at + 2)
    if a ~= 44 and a ~= 125 then
      at, a = skip_space(text, at)
      b, c = byte(text, at + 1, at + 2)
    end
    if a == 125 then
      return object, at + 1
    elseif a ~= 44 then
      unexpected("comma or object end", text, at, config)
    elseif b == 34 then
      at, first = at + 1, b
    elseif b == 32 and c == 34 then
      at, first = at + 2, c
    else
      at, first = skip_space(text, at + 1)
    end
  end
end

function decode_array(text, at, depth, slots, config)
  local array, count, plain, first, state = {}, 0, config.plain, byte(text, at), nil
  if not first or first <= 32 then
    at, first = skip_space(text, at)
  end
  if first == 93 then
    if config.decode_array_with_array_mt then
      setmetatable(array, {__is_cjson_array = true})  -- one of its own: scripts can reach it
    end
    return array, at + 1
  end
  while true do
    local value
    local stop = first == 34 and plain and find(text, '"', at + 1, true)
    if stop then
      value, at = sub(text, at + 1, stop - 1), stop + 1
    elseif (first == 123 or first == 91) and not (state and state.off) then
      state = state or new_state(config)
      value, at = decode_element(text, at, first, depth, slots, config, state)
    else
      value, at = decode_other(text, at, first, depth, slots, config)
    end
    count = count + 1
    array[count] = value
    local a, b, c = byte(text, at, at + 2)
    if a ~= 44 and a ~= 93 then
      at, a = skip_space(text, at)
      b, c = byte(text, at + 1, at + 2)
    end
    if a == 93 then
      return array, at + 1
    elseif a ~= 44 then
      unexpected("comma or array end", text, at, config)
    elseif b and b > 32 then
      at, first = at + 1, b
    elseif b == 32 and c and c > 32 then
      at, first = at + 2, c
    else
      at, first = skip_space(text, at + 1)
    end
  end
end

-- The value of a whole text.
local function decode_text(text, config)
  config.number_pattern = config.decode_invalid_numbers and NUMBER or STRICT_NUMBER
  config.plain = not find(text, "\\", 1, true) and not find(text, "\0", 1, true)
  local at, first = skip_space(text, 1)
  local value
  value, at = decode_other(text, at, first, 0, 0, config)
  if at <= #text then
    at = skip_space(text, at)
    local kind, found, where = odd_token(text, at, config)
    if kind or found ~= "T_END" then
      fail("Expected the end but found %s at character %d", kind or found, kind and at or where)
    end
  end
  return value
end

-- The function `decode` of one instance of the library.
local function new_decode(config)
  local function decode(...)
    local count = select("#", ...)
    if count ~= 1 then
      arg_error(1, "expected 1 argument")
    end
    local text = check_string(1, (...), count)
    if #text >= 2 and (byte(text, 1) == 0 or byte(text, 2) == 0) then
      error("JSON parser does not support UTF-16 or UTF-32", 2)
    end
    local value = finish(2, pcall(decode_text, text, config))
    return value
  end
  return decode
end

return new_decode
