-- cjson: the module's functions and settings as lua-cjson 2.1 has them, and encode. `new_decode` is of cjson_decode.
-- `is_plain(text, quotes)` tells whether the text has that many quotes and nothing else that JSON escapes.
-- `newer`: with what Redis 8.4 added.

local common, null, new_decode, shapes, is_plain, newer = ...
local type, next, select, getmetatable = type, next, select, debug.getmetatable
local rawget, pcall = rawget, pcall
local find, gsub, format = string.find, string.gsub, string.format
local concat, floor, huge = table.concat, math.floor, math.huge
local arg_error, check_number, check_string, to_int =
  common.arg_error, common.check_number, common.check_string, common.to_int
local fail, finish = common.fail, common.finish

-- Looking for what must be escaped is slow in Lua: a string is first tried as one of harmless characters, and after
-- this many strings only the whole result is looked at, once, from outside.
local SAFE = "^[%w _.:,;@#+*()=!?-]*$"
local CHECKED = 4
local SPECIAL, new_shape, new_state, missed = shapes.special, shapes.writer, shapes.new_state, shapes.missed
local CHILDREN = 4  -- elements from which on they may be alike
local ALWAYS = 1e15
local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f",
  ["\r"] = "\\r",
}
for code = 0, 127 do
  local character = string.char(code)
  if find(character, "%c") and not ESCAPES[character] then
    ESCAPES[character] = format("\\u%04x", code)
  end
end

-- A number as JSON writes it. Small whole ones are remembered (not zero, which has two signs).
local function number_text(number, config)
  if number >= 1 and number <= 1000 and floor(number) == number then
    local text = format(config.number_format, number)
    config.number_texts[number] = text
    return text
  end
  if number ~= number or number == huge or number == -huge then
    local mode = config.encode_invalid_numbers
    if not mode then
      fail("Cannot serialise number: must not be NaN or Inf")
    elseif mode == "null" then
      return "null"
    elseif number ~= number then
      return "nan"
    end
  end
  return format(config.number_format, number)
end

-- The same for what may be no number: nil then.
local function known_number_text(number, config)
  return type(number) == "number" and number_text(number, config) or nil
end

-- What a C `int` holds after it is given this index.
local function index_as_int(index)
  return index < 2147483648 and index or -2147483648
end

-- How many elements the table has as an array; 0 or less if it is to be an object.
local function array_length(value, config)
  local items, largest = 0, 0
  for key in next, value do
    if key == items + 1 and largest == items then
      items = key
      largest = key
    elseif type(key) == "number" and key >= 1 and floor(key) == key then
      if key > largest then
        largest = index_as_int(key)
      end
      items = items + 1
    else
      return -1
    end
  end
  local ratio = config.sparse_ratio
  if ratio > 0 and largest > items and largest > to_int(items * ratio) and largest > config.sparse_safe then
    if config.sparse_convert then
      return -1
    end
    fail("Cannot serialise table: excessively sparse array")
  end
  return largest
end

-- Of the encoding that is under way: how many more strings are to be checked one by one, then minus how many were not;
-- how many keys were written; whether anything was escaped.
local careful, keys_written, escaped

-- `append_value(value, buffer, count, ...)` puts the text of the value behind the `count` pieces in the buffer, and
-- returns how many there are then. `depth` and `slots` are of what is around (see cjson_decode). `openings` remembers
-- what stands before values: by key, in four tables, for the first and for further members, for strings and others.
local append_table

local function append_value(value, buffer, count, depth, slots, openings, config)
  local kind = type(value)
  if kind == "table" then
    return append_table(value, buffer, count, depth, slots, openings, config)
  end
  count = count + 1
  if kind == "string" then
    if careful > 0 and not find(value, SAFE) and find(value, SPECIAL) then
      value = gsub(value, SPECIAL, ESCAPES)
      careful, escaped = ALWAYS, true
    else
      careful = careful - 1
    end
    buffer[count], buffer[count + 1], buffer[count + 2] = '"', value, '"'
    return count + 2
  elseif kind == "number" then
    buffer[count] = config.number_texts[value] or number_text(value, config)
  elseif kind == "boolean" then
    buffer[count] = value and "true" or "false"
  elseif value == nil or value == null then
    buffer[count] = "null"
  else
    fail("Cannot serialise %s: type not supported", kind)
  end
  return count
end

-- A container in an array or object, whose `state` is that of cjson_shapes. The text of one that has a shape is one
-- piece.
local function append_element(value, buffer, count, depth, slots, openings, config, state)
  local unchecked = careful <= 0
  local known = #state
  if unchecked then
    for index = 1, known do
      local shape = state[index]
      if depth + shape.depth <= config.encode_max_depth and slots < 7000 then
        local text = shape.write(value, config.number_texts, config)
        if text then
          state.hits, config.last_written = state.hits + 1, shape
          careful, keys_written = careful - shape.strings, keys_written + shape.keys
          buffer[count + 1] = text
          return count + 1
        end
      end
    end
  end
  local wanted = missed(state)
  count = append_table(value, buffer, count, depth, slots, openings, config)
  if unchecked and wanted then
    state[known + 1] = new_shape(value, newer, known_number_text)
  end
  return count
end

local function append_array(value, length, buffer, count, depth, slots, openings, config)
  local plain = not getmetatable(value)
  local separator, state = "[", nil
  for index = 1, length do
    local element
    if plain then
      element = value[index]
    else
      element = rawget(value, index)
    end
    if type(element) == "string" and careful <= 0 then
      careful = careful - 1
      buffer[count + 1], buffer[count + 2] = separator == "," and ',"' or '["', element
      count = count + 3
      buffer[count] = '"'
    else
      count = count + 1
      buffer[count] = separator
      if length > CHILDREN and type(element) == "table" and not (state and state.off) then
        state = state or new_state(config.last_written, false)
        count = append_element(element, buffer, count, depth, slots + 1, openings, config, state)
      else
        count = append_value(element, buffer, count, depth, slots + 1, openings, config)
      end
    end
    separator = ","
  end
  count = count + 1
  buffer[count] = length > 0 and "]" or "[]"
  return count
end

-- What stands before the value of a key: a bracket or a comma, the key, and a quote if `quote`.
local function opening_of(key, before, quote, config)
  if type(key) == "number" then
    key = number_text(key, config)
  elseif type(key) ~= "string" then
    fail("Cannot serialise %s: table key must be a number or string", type(key))
  elseif not find(key, SAFE) and find(key, SPECIAL) then
    key = gsub(key, SPECIAL, ESCAPES)
    careful, escaped = ALWAYS, true
  end
  return before .. '"' .. key .. (quote and '":"' or '":')
end

local function append_object(value, buffer, count, depth, slots, openings, config)
  local before, keys = "{", 0
  local children, state = 0, nil
  local of_strings, of_others = openings.first_strings, openings.first_others
  for key, element in next, value do
    local is_string = type(element) == "string" and careful <= 0
    local known = is_string and of_strings or of_others
    local opening = known[key]
    if not opening then
      opening = opening_of(key, before, is_string, config)
      known[key] = opening
    end
    if keys == 0 then
      of_strings, of_others, before = openings.strings, openings.others, ","
    end
    keys = keys + 1
    if is_string then
      careful = careful - 1
      buffer[count + 1], buffer[count + 2] = opening, element
      count = count + 3
      buffer[count] = '"'
    else
      count = count + 1
      buffer[count] = opening
      if type(element) ~= "table" or children < CHILDREN or (state and state.off) then
        children = children + 1
        count = append_value(element, buffer, count, depth, slots + 2, openings, config)
      else
        state = state or new_state(config.last_written, false)
        count = append_element(element, buffer, count, depth, slots + 2, openings, config, state)
      end
    end
  end
  keys_written = keys_written + keys
  count = count + 1
  buffer[count] = keys == 0 and "{}" or "}"
  return count
end

function append_table(value, buffer, count, depth, slots, openings, config)
  if depth >= config.encode_max_depth or slots > 7997 then
    fail("Cannot serialise, excessive nesting (%d)", depth + 1)
  end
  depth = depth + 1
  local metatable = newer and getmetatable(value)
  if type(metatable) == "table" and rawget(metatable, "__is_cjson_array") then
    return append_array(value, #value, buffer, count, depth, slots, openings, config)
  end
  local length = array_length(value, config)
  if length > 0 then
    return append_array(value, length, buffer, count, depth, slots, openings, config)
  end
  return append_object(value, buffer, count, depth, slots, openings, config)
end

-- The buffer is kept for the next time, as a table that grows is copied again and again, unless it holds much.
local function append_all(value, config)
  local buffer = config.buffer or {}
  local openings = {first_strings = {}, first_others = {}, strings = {}, others = {}}
  keys_written, config.buffer = 0, nil
  local text = concat(buffer, "", 1, append_value(value, buffer, 0, 0, 1, openings, config))
  if #text < 65536 then
    config.buffer = buffer
  end
  return text
end

-- The text of a value.
local function encode_text(value, config)
  if type(value) ~= "table" then
    careful = ALWAYS
    return append_all(value, config)
  end
  careful = config.escaped and ALWAYS or CHECKED
  escaped = false
  local text = append_all(value, config)
  if careful < 0 and not is_plain(text, 2 * (CHECKED - careful + keys_written)) then
    careful = ALWAYS
    text = append_all(value, config)
  end
  config.escaped = escaped
  return text
end

local function new_encode(config)
  local function encode(...)
    if select("#", ...) ~= 1 then
      arg_error(1, "expected 1 argument")
    end
    local text = finish(2, pcall(encode_text, (...), config))
    return text
  end
  return encode
end

-- Settings. They are set by an argument that is not nil, and return what they are then. A function that sets some is
-- `level` frames above the checks.

local function check_count(count, wanted)
  if count > wanted then
    arg_error(wanted + 1, "found too many arguments", 3)
  end
end

local function set_integer(config, name, position, value, smallest, largest)
  if value ~= nil then
    local number = to_int(check_number(position, value, position, 3))
    if number < smallest or number > largest then
      arg_error(1, format("expected integer between %d and %d", smallest, largest), 3)
    end
    config[name] = number
  end
  return config[name]
end

-- The first two options are false and true; a third is a word.
local function set_option(config, name, position, value, third)
  if type(value) == "boolean" then
    config[name] = value
  elseif value ~= nil then
    local word = check_string(position, value, position, 3)
    if word == "off" or word == "on" then
      config[name] = word == "on"
    elseif third and word == third then
      config[name] = word
    else
      arg_error(position, format("invalid option '%s'", word), 3)
    end
  end
  return config[name]
end

local function add_settings(module, config)
  local function integer(name, largest)
    module[name] = function(...)
      check_count(select("#", ...), 1)
      local result = set_integer(config, name, 1, (...), 1, largest)
      config.number_format, config.number_texts = "%." .. config.encode_number_precision .. "g", {}
      return result
    end
  end
  integer("encode_max_depth", 2147483647)
  integer("decode_max_depth", 2147483647)
  integer("encode_number_precision", 14)

  local function option(name)
    module[name] = function(...)
      check_count(select("#", ...), 1)
      local result = set_option(config, name, 1, (...))
      return result
    end
  end
  option("encode_keep_buffer")
  option("decode_invalid_numbers")
  if newer then
    option("decode_array_with_array_mt")
  end

  function module.encode_invalid_numbers(...)
    check_count(select("#", ...), 1)
    local result = set_option(config, "encode_invalid_numbers", 1, (...), "null")
    return result
  end

  function module.encode_sparse_array(...)
    check_count(select("#", ...), 3)
    local convert, ratio, safe = ...
    set_option(config, "sparse_convert", 1, convert)
    set_integer(config, "sparse_ratio", 2, ratio, 0, 2147483647)
    set_integer(config, "sparse_safe", 3, safe, 0, 2147483647)
    return config.sparse_convert, config.sparse_ratio, config.sparse_safe
  end
end

local new

function new()
  local config = {
    encode_max_depth = 1000, decode_max_depth = 1000, encode_number_precision = 14, number_format = "%.14g",
    number_texts = {}, encode_keep_buffer = true, escaped = false, encode_invalid_numbers = false,
    decode_invalid_numbers = true,
    sparse_convert = false, sparse_ratio = 2, sparse_safe = 10, decode_array_with_array_mt = false,
  }
  local module = {
    encode = new_encode(config), decode = new_decode(config), null = null, _NAME = "cjson", _VERSION = "2.1.0",
  }
  add_settings(module, config)
  module.new = function()
    local instance = new()
    return instance
  end
  return module
end

return new()
