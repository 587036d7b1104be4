-- cjson.decode: text to Lua values, with the tolerance and the error texts of lua-cjson 2.1.
-- Frequent forms are read by one pattern each; what they do not match goes to `odd_*`, which decide exactly.

local common, null = ...
local type, tonumber, error, select, pcall, setmetatable = type, tonumber, error, select, pcall, setmetatable
local byte, char, find, sub, lower, format = string.byte, string.char, string.find, string.sub, string.lower, string.format
local concat, floor = table.concat, math.floor
local arg_error, check_string = common.arg_error, common.check_string

local SPACE = "^[ \t\r\n]*"
-- The usual form of a number. The strict form leaves leading zeros, which JSON has not, to `odd_token`.
local NUMBER = "^(-?%d+%.?%d*)"
local STRICT_NUMBER = "^(-?[1-9]%d*%.?%d*)"
-- What may stand behind a number: a comma, a closing bracket, space.
local ENDS = {[44] = true, [93] = true, [125] = true, [32] = true, [10] = true, [13] = true, [9] = true}
-- Numbers of up to three characters, by their text.
local short_numbers = {}
local LITERALS = {["true"] = true, ["null"] = null}

local ESCAPES = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
local TOKENS = {
  ["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN", ["]"] = "T_ARR_END",
  [","] = "T_COMMA", [":"] = "T_COLON", [""] = "T_END", ["\0"] = "T_END",
}

-- An error is thrown as a table in which only `message` counts, and gets its position where decode was called.
local function fail(message, ...)
  error({message = format(message, ...)}, 0)
end

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
    local value = short_numbers[digits]
    if not value then
      value = tonumber(digits)
      if #digits <= 3 then
        short_numbers[digits] = value
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
-- Objects in an array are often alike. A template holds what stood between the values of one of them, from the end of
-- one value (a string's closing quote is outside it) to the beginning of the next, so that the next object is read by
-- comparing these pieces. Where it differs, reading goes on as usual.

-- Notes in the template that the value of `key` begins at `at`, with this byte.
local function note(template, text, from, at, key, first)
  local count = template.count + 1
  template.count = count
  template.pieces[count] = sub(text, from, first == 34 and at or at - 1)
  template.keys[count], template.strings[count] = key, first == 34
  template.scalars[count] = first ~= 34 and first ~= 123 and first ~= 91
end

-- A number or literal that stands for itself between two pieces of a template: its value, nil if it is none of the
-- usual kind.
local function scalar(token)
  local value = short_numbers[token] or LITERALS[token]
  if value ~= nil then
    return value
  elseif token == "false" then
    return false
  elseif find(token, "^-?%d[%d.]*$") then
    value = tonumber(token)
    if value and #token <= 3 then
      short_numbers[token] = value
    end
    return value
  end
end

-- Reads an object from its bracket at `at`: it, and the position behind it. Or, as far as it is like the template: the
-- object so far, and the position behind its last value, and true; nil if it differs from the beginning.
local function decode_alike(text, at, depth, slots, config, template)
  local object, pieces, keys, strings, scalars = {}, template.pieces, template.keys, template.strings, template.scalars
  -- `inside`: the last value was a string, and `at` is its closing quote; `known`: the piece at `at` is the right one.
  local value, inside, known
  for index = 1, template.count do
    local piece = pieces[index]
    local start = at + #piece
    local first
    local stop = known or sub(text, at, start - 1) == piece
    known = false
    if stop and strings[index] then
      stop = find(text, '"', start, true)
    elseif stop then
      first = byte(text, start)
      stop = first and first > 32
    end
    if not stop then
      if index == 1 then
        return nil
      end
      return object, inside and at + 1 or at, true
    end
    inside = strings[index]
    if inside then
      value, at = sub(text, start, stop - 1), stop
    else
      value = nil
      if scalars[index] then
        stop = find(text, pieces[index + 1], start, true)
        if stop and stop - start < 25 then
          value, at = scalar(sub(text, start, stop - 1)), stop
          known = value ~= nil
        end
      end
      if value == nil then
        value, at = decode_other(text, start, first, depth, slots, config)
      end
    end
    object[keys[index]] = value
  end
  local last = template.pieces[template.count + 1]
  local stop = at + #last
  if known or sub(text, at, stop - 1) == last then
    return object, stop
  end
  return object, inside and at + 1 or at, true
end

-- With `object` the reading goes on behind one of its values. `template`: one to be filled.
function decode_object(text, at, depth, slots, config, object, template)
  local plain, first, resumed = config.plain, byte(text, at), object
  local from = at - 1
  if not resumed then
    object = {}
    if first ~= 34 then
      at, first = skip_space(text, at)
      if first == 125 then
        return object, at + 1
      end
    end
  end
  while true do
    local stop, key, value, a, b, c
    if resumed then
      resumed = false
    else
      stop = first == 34 and plain and find(text, '"', at + 1, true)
      if stop then
        key, at = sub(text, at + 1, stop - 1), stop + 1
      else
        key, at = odd_key(text, at, config)
      end
      a, b, c = byte(text, at, at + 2)
      if a == 58 and b and b > 32 then
        at, first = at + 1, b
      elseif a == 58 and b == 32 and c and c > 32 then
        at, first = at + 2, c
      else
        at, first = colon(text, at, config)
      end
      stop = first == 34 and plain and find(text, '"', at + 1, true)
      if template then
        note(template, text, from, at, key, first)
      end
      if stop then
        value, at = sub(text, at + 1, stop - 1), stop + 1
        from = stop
      else
        value, at = decode_other(text, at, first, depth, slots, config)
        from = at
      end
      object[key] = value
    end
    a, b, c = byte(text, at, at + 2)
    if a ~= 44 and a ~= 125 then
      at, a = skip_space(text, at)
      b, c = byte(text, at + 1, at + 2)
    end
    if a == 125 then
      if template then
        template.pieces[template.count + 1] = sub(text, from, at)
      end
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

-- An object that is an element of an array, from its bracket. `state` is the array's: how many objects it had, and the
-- template made of its second one. It is given up when it does not fit.
local function decode_element(text, at, depth, slots, config, state)
  check_depth(at, depth, slots, config)
  local template = state.template
  if template then
    local object, behind, rest = decode_alike(text, at, depth + 1, slots + 2, config, template)
    if object and not rest then
      return object, behind
    end
    state.misses = state.misses + 1
    if state.misses > 3 then
      state.template = false
    end
    if object then
      return decode_object(text, behind, depth + 1, slots + 2, config, object)
    end
  elseif template == nil and config.plain and config.decode_invalid_numbers then
    state.objects = state.objects + 1
    if state.objects == 2 then
      state.template = {pieces = {}, keys = {}, strings = {}, scalars = {}, count = 0}
      local object, behind = decode_object(text, at + 1, depth + 1, slots + 2, config, nil, state.template)
      if state.template.count == 0 then
        state.template = false
      end
      return object, behind
    end
  end
  return decode_object(text, at + 1, depth + 1, slots + 2, config)
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
    elseif first == 123 then
      state = state or {objects = 0, misses = 0}
      value, at = decode_element(text, at, depth, slots, config, state)
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
    local ok, value = pcall(decode_text, text, config)
    if not ok then
      error(type(value) == "table" and value.message or value, type(value) == "table" and 2 or 0)
    end
    return value
  end
  return decode
end

return new_decode
