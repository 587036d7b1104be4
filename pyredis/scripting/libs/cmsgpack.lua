-- cmsgpack: MessagePack with the results of lua-cmsgpack 0.4. `pack_float` takes a number and returns its bytes, big
-- endian, four where they hold it exactly, else eight; `unpack_float` and `unpack_double` take such bytes.

local common, pack_float, unpack_float, unpack_double = ...
local type, next, error, select, unpack, getmetatable = type, next, error, select, unpack, debug.getmetatable
local byte, char, sub, format, concat, floor = string.byte, string.char, string.sub, string.format, table.concat, math.floor
local pcall, rawget = pcall, rawget
local arg_error, check_number, check_string, to_int, finish =
  common.arg_error, common.check_number, common.check_string, common.to_int, common.finish

-- Tables nested deeper than this are packed as nil.
local MAX_NESTING = 16

-- An integer from 0 to 2^32 - 1, as four bytes.
local function four_bytes(number)
  return char(floor(number / 16777216), floor(number / 65536) % 256, floor(number / 256) % 256, number % 256)
end

-- An integer as eight bytes, two's complement.
local function eight_bytes(number)
  local low = number % 4294967296
  return four_bytes((number - low) / 4294967296 % 4294967296) .. four_bytes(low)
end

local function number_bytes(number)
  if floor(number) ~= number or number >= 9223372036854775808 or number < -9223372036854775808 then
    local bytes = pack_float(number)
    return (#bytes == 4 and "\202" or "\203") .. bytes
  elseif number >= 0 then
    if number < 128 then
      return char(number)
    elseif number < 256 then
      return char(204, number)
    elseif number < 65536 then
      return char(205, floor(number / 256), number % 256)
    elseif number < 4294967296 then
      return "\206" .. four_bytes(number)
    end
    return "\207" .. eight_bytes(number)
  elseif number >= -32 then
    return char(256 + number)
  elseif number >= -128 then
    return char(208, 256 + number)
  elseif number >= -32768 then
    return char(209, floor(number / 256) % 256, number % 256)
  elseif number >= -2147483648 then
    return "\210" .. four_bytes(number % 4294967296)
  end
  return "\211" .. eight_bytes(number)
end

-- The head of something with a length: of the short form (up to `most` in the head itself), of one byte if there is
-- such a form, of two, of four.
local function head(length, short, most, one, two)
  if length <= most then
    return char(short + length)
  elseif one and length < 256 then
    return char(one, length)
  elseif length < 65536 then
    return char(two, floor(length / 256), length % 256)
  end
  return char(two + 1) .. four_bytes(length)
end

-- How many elements the table has, and whether they are 1 to that many.
local function measure(value)
  local count, largest, regular = 0, 0, true
  for key in next, value do
    count = count + 1
    if key ~= count and regular then
      if type(key) ~= "number" or key <= 0 or floor(key) ~= key then
        regular = false
      elseif key > largest then
        largest = key
      end
    end
  end
  return count, regular and largest <= count
end

-- The frequent heads and numbers.
local STRING_HEADS, SMALL = {}, {}
for length = 0, 31 do
  STRING_HEADS[length] = char(160 + length)
end
for number = 1, 127 do
  SMALL[number] = char(number)
end

local append

local function append_table(value, buffer, length, depth)
  local count, is_array = measure(value)
  length = length + 1
  if is_array then
    buffer[length] = head(count, 144, 15, nil, 220)
    local plain = not getmetatable(value)
    for index = 1, count do
      length = append(plain and value[index] or rawget(value, index), buffer, length, depth)
    end
    return length
  end
  buffer[length] = head(count, 128, 15, nil, 222)
  for key, element in next, value do
    length = append(key, buffer, length, depth)
    length = append(element, buffer, length, depth)
  end
  return length
end

-- Puts the bytes of the value behind the `length` pieces in the buffer: how many there are then.
function append(value, buffer, length, depth)
  local kind = type(value)
  if kind == "table" and depth < MAX_NESTING then
    return append_table(value, buffer, length, depth + 1)
  end
  length = length + 1
  if kind == "string" then
    buffer[length] = STRING_HEADS[#value] or head(#value, 160, 31, 217, 218)
    length = length + 1
    buffer[length] = value
  elseif kind == "number" then
    buffer[length] = SMALL[value] or number_bytes(value)
  elseif kind == "boolean" then
    buffer[length] = value and "\195" or "\194"
  else
    buffer[length] = "\192"
  end
  return length
end

local function pack(...)
  local count = select("#", ...)
  if count == 0 then
    arg_error(0, "MessagePack pack needs input.")
  end
  local buffer, length = {}, 0
  for position = 1, count do
    length = append((select(position, ...)), buffer, length, 0)
  end
  return (concat(buffer, "", 1, length))
end

-- Unpacking. What is wrong is thrown as a table with the message, and gets its position where unpack was called.

local MISSING = {message = "Missing bytes in input."}
local BAD = {message = "Bad data format in input."}
local MANY = {message = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)"}
local ARRAY_DEEP = {message = "stack overflow (in function mp_decode_to_lua_array)"}

-- The unsigned integer of `size` bytes behind the one at `at`: it, and the position behind.
local function unsigned(text, at, size)
  if #text < at + size then
    error(MISSING, 0)
  end
  if size == 1 then
    return byte(text, at + 1), at + 2
  end
  local a, b, c, d = byte(text, at + 1, at + size)
  if size == 2 then
    return a * 256 + b, at + 3
  end
  return ((a * 256 + b) * 256 + c) * 256 + d, at + 5
end

-- The same for two's complement of eight bytes.
local function signed_eight(text, at)
  local high, behind = unsigned(text, at, 4)
  local low
  low, behind = unsigned(text, behind - 1, 4)
  if high >= 2147483648 then
    high = high - 4294967296
  end
  return high * 4294967296 + low, behind
end

local function string_at(text, at, length)
  if #text < at + length - 1 then
    error(MISSING, 0)
  end
  return sub(text, at, at + length - 1), at + length
end

local decode

-- `slots`: how many of the 8,000 values that a C function's stack holds are taken by what is around.
local function decode_array(text, at, length, slots)
  local array = {}
  if slots >= 7999 then
    error(ARRAY_DEEP, 0)
  end
  for index = 1, length do
    array[index], at = decode(text, at, slots + 2)
  end
  return array, at
end

local function decode_hash(text, at, length, slots)
  local hash = {}
  for _ = 1, length do
    local key, value
    key, at = decode(text, at, slots + 1)
    value, at = decode(text, at, slots + 2)
    if key == nil then
      error("table index is nil", 0)
    elseif key ~= key then
      error("table index is NaN", 0)
    end
    hash[key] = value
  end
  return hash, at
end

local function signed_of(size, limit)
  return function(text, at)
    local number, behind = unsigned(text, at, size)
    if number >= limit then
      number = number - 2 * limit
    end
    return number, behind
  end
end

local function sized_string(size)
  return function(text, at)
    local length, behind = unsigned(text, at, size)
    return string_at(text, behind, length)
  end
end

local function sized(size, decoder)
  return function(text, at, slots)
    local length, behind = unsigned(text, at, size)
    return decoder(text, behind, length, slots)
  end
end

local function unsigned_of(size)
  return function(text, at)
    return unsigned(text, at, size)
  end
end

-- By the first byte, where it is no small number and no short form.
local DECODERS = {
  [202] = function(text, at)
    local bytes, behind = string_at(text, at + 1, 4)
    return unpack_float(bytes), behind
  end,
  [203] = function(text, at)
    local bytes, behind = string_at(text, at + 1, 8)
    return unpack_double(bytes), behind
  end,
  [204] = unsigned_of(1), [205] = unsigned_of(2), [206] = unsigned_of(4), [207] = signed_eight,
  [208] = signed_of(1, 128), [209] = signed_of(2, 32768), [210] = signed_of(4, 2147483648), [211] = signed_eight,
  [217] = sized_string(1), [218] = sized_string(2), [219] = sized_string(4),
  [220] = sized(2, decode_array), [221] = sized(4, decode_array),
  [222] = sized(2, decode_hash), [223] = sized(4, decode_hash),
}

-- The value at `at`, and the position behind it.
function decode(text, at, slots)
  if slots >= 8000 then
    error(MANY, 0)
  end
  local first = byte(text, at)
  if not first then
    error(MISSING, 0)
  elseif first < 128 then
    return first, at + 1
  elseif first >= 224 then
    return first - 256, at + 1
  elseif first >= 160 and first < 192 then
    local last = at + first - 160
    if last > #text then
      error(MISSING, 0)
    end
    return sub(text, at + 1, last), last + 1
  elseif first < 144 then
    return decode_hash(text, at + 1, first - 128, slots)
  elseif first < 160 then
    return decode_array(text, at + 1, first - 144, slots)
  elseif first == 192 then
    return nil, at + 1
  elseif first == 194 or first == 195 then
    return first == 195, at + 1
  end
  local decoder = DECODERS[first]
  if not decoder then
    error(BAD, 0)
  end
  return decoder(text, at, slots)
end

-- Decodes values from `offset` on, at most `limit`: a table of them, how many, and the position behind the last.
local function decode_all(text, offset, limit, arguments)
  local values, count, at = {}, 0, offset + 1
  while count < limit and at <= #text do
    values[count + 1], at = decode(text, at, arguments + count)
    count = count + 1
  end
  return values, count, at
end

-- unpack, unpack_one, unpack_limit; a `limit` and `offset` of 0 mean all, and no offset in front of the values.
local function unpack_full(text, limit, offset, arguments)
  local length = #text
  local all = limit == 0 and offset == 0
  if offset < 0 or limit < 0 then
    error(format("Invalid request to unpack with offset of %d and limit of %d.", offset, length), 3)
  elseif offset > length then
    error(format("Start offset %d greater than input length %d.", offset, length), 3)
  end
  local values, count, at = finish(3, pcall(decode_all, text, offset, all and length or limit, arguments))
  return values, count, all, at > length and -1 or at - 1
end

local function results(values, count, all, offset)
  if all then
    return unpack(values, 1, count)
  end
  return offset, unpack(values, 1, count)
end

local function unpack_all(...)
  local values, count, all, offset = unpack_full(check_string(1, (...), select("#", ...)), 0, 0, select("#", ...))
  return results(values, count, all, offset)
end

local function unpack_one(...)
  local count = select("#", ...)
  local text, offset = ...
  text = check_string(1, text, count)
  offset = count >= 2 and offset ~= nil and to_int(check_number(2, offset, count)) or 0
  local values, found, _, behind = unpack_full(text, 1, offset, count)
  return results(values, found, false, behind)
end

local function unpack_limit(...)
  local count = select("#", ...)
  local text, limit, offset = ...
  text = check_string(1, text, count)
  limit = to_int(check_number(2, limit, count))
  offset = offset ~= nil and to_int(check_number(3, offset, count)) or 0
  local values, found, all, behind = unpack_full(text, limit, offset, count)
  return results(values, found, all, behind)
end

return {
  pack = pack, unpack = unpack_all, unpack_one = unpack_one, unpack_limit = unpack_limit,
  _NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0",
  _COPYRIGHT = "Copyright (C) 2012, Salvatore Sanfilippo", _DESCRIPTION = "MessagePack C implementation for Lua",
}
