-- struct: packs numbers and strings by a format, with the results of Roberto Ierusalimschy's library of that name.
-- `pack_single` and `pack_double` take a number and return its little-endian bytes, `unpack_single` and
-- `unpack_double` take such bytes; `and32` is the bitwise and of two small integers.

local common, pack_single, pack_double, unpack_single, unpack_double, and32 = ...
local type, error, select, unpack, tonumber, pcall = type, error, select, unpack, tonumber, pcall
local byte, char, find, format = string.byte, string.char, string.find, string.format
local reverse, sub, rep, concat, floor = string.reverse, string.sub, string.rep, table.concat, math.floor
local arg_error, check_number, check_string, truncate =
  common.arg_error, common.check_number, common.check_string, common.truncate

local SIZES = {b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1}
local UNSIGNED = {B = true, H = true, L = true, I = true, T = true}
local INTEGERS = {b = true, B = true, h = true, H = true, l = true, L = true, T = true, i = true, I = true}
local MAX_INT = 2147483647

-- What is wrong is thrown as a table, and gets its position where the script called: with the number of the argument,
-- or without one.
local function fail(message, ...)
  error({message = format(message, ...)}, 0)
end

local function fail_argument(position, message, ...)
  error({argument = position, message = format(message, ...)}, 0)
end

-- Calls the function: its results; what it threw is raised as of the caller's caller.
local function finish(ok, first, ...)
  if ok then
    return first, ...
  elseif type(first) ~= "table" then
    error(first, 0)
  elseif first.argument then
    arg_error(first.argument, first.message, 3)
  end
  error(first.message, 3)
end

-- The number in the format at `at`, or the default: it, and the position behind.
local function format_number(text, at, default)
  local _, last, digits = find(text, "^(%d+)", at)
  if not last then
    return default, at
  end
  local number = tonumber(digits)
  if number > MAX_INT then
    fail("integral size overflow")
  end
  return number, last + 1
end

-- The size of the item whose option stands before `at`, and the position behind it.
local function option_size(text, option, at)
  if option == "c" then
    return format_number(text, at, 1)
  elseif option == "i" or option == "I" then
    local size
    size, at = format_number(text, at, 4)
    if size > 32 then
      fail("integral size %d is larger than limit of %d", size, 32)
    end
    return size, at
  end
  return SIZES[option] or 0, at
end

-- A format is read item by item: `state` is {text, position, big-endian, alignment}.
local function new_state(text)
  return {text = text, at = 1, stop = find(text, "%z") or #text + 1, big = false, alignment = 1}
end

-- The next item at `position` of the data: its option, its size, how many bytes must be skipped before it. Nil at the
-- end. What only sets byte order or alignment is for `control`.
local function next_item(state, position)
  local at = state.at
  if at >= state.stop then
    return nil
  end
  local option, size = sub(state.text, at, at), nil
  size, state.at = option_size(state.text, option, at + 1)
  local unit = size > state.alignment and state.alignment or size
  if unit <= 1 or option == "c" then
    return option, size, 0
  end
  return option, size, and32(unit - and32(position % 32, unit - 1), unit - 1)
end

local function control(state, option)
  if option == ">" then
    state.big = true
  elseif option == "<" then
    state.big = false
  elseif option == "!" then
    local alignment
    alignment, state.at = format_number(state.text, state.at, 8)
    local power = 1
    while power < alignment do
      power = power * 2
    end
    if power ~= alignment then
      fail("alignment %d is not a power of 2", alignment)
    end
    state.alignment = alignment
  elseif option ~= " " then
    fail_argument(1, "invalid format option '%s'", option)
  end
end

-- An integer from 0 to 2^32 - 1, as four bytes, little endian.
local function four_bytes(number)
  return char(number % 256, floor(number / 256) % 256, floor(number / 65536) % 256, floor(number / 16777216))
end

-- What a C `(unsigned long long)` makes of a double, negative ones by way of `(long long)`: its halves of 32 bits.
local function halves(number)
  if number >= 18446744073709551616 then
    return 0, 0
  elseif number >= 9223372036854775808 then
    local low = number % 4294967296
    return (number - low) / 4294967296, low
  end
  number = truncate(number)
  local low = number % 4294967296
  return (number - low) / 4294967296 % 4294967296, low
end

local function integer_bytes(number, size)
  if size <= 4 and number >= -2147483648 and number < 2147483648 then
    number = (number >= 0 and floor(number) or -floor(-number)) % 4294967296
    if size == 1 then
      return char(number % 256)
    end
    return sub(four_bytes(number), 1, size)
  end
  local high, low = halves(number)
  local bytes = four_bytes(low) .. four_bytes(high)
  if size > 8 then
    return bytes .. rep("\0", size - 8)
  end
  return sub(bytes, 1, size)
end

-- An argument as a number or a string; the first one missing is nil to the C function.
local function number_argument(position, value)
  local number = type(value) == "number" and value or type(value) == "string" and tonumber(value)
  if not number then
    fail_argument(position, "number expected, got %s", type(value))
  end
  return number
end

local function string_argument(position, value)
  if type(value) ~= "string" and type(value) ~= "number" then
    fail_argument(position, "string expected, got %s", type(value))
  end
  return value .. ""
end

-- The bytes of an item that takes an argument, `value`, which is the one at `position`.
local function item_bytes(option, size, big, position, value)
  local bytes
  if INTEGERS[option] then
    bytes = integer_bytes(number_argument(position, value), size)
  elseif option == "f" then
    bytes = pack_single(number_argument(position, value))
  elseif option == "d" then
    bytes = pack_double(number_argument(position, value))
  else
    bytes = string_argument(position, value)
    if option == "s" then
      return bytes .. "\0"
    elseif size > #bytes then
      fail_argument(position + 1, "string too short")
    end
    return size == 0 and bytes or sub(bytes, 1, size)
  end
  return big and reverse(bytes) or bytes
end

local function pack_items(text, arguments)
  local state, pieces, count, total, position = new_state(text), {}, 0, 0, 1
  while true do
    local option, size, skip = next_item(state, total)
    if not option then
      return concat(pieces)
    end
    if skip > 0 or option == "x" then
      local zeros = skip + (option == "x" and 1 or 0)
      count = count + 1
      pieces[count] = rep("\0", zeros)
      total = total + zeros
    end
    if INTEGERS[option] or option == "f" or option == "d" or option == "s" or option == "c" then
      position = position + 1
      local bytes = item_bytes(option, size, state.big, position, arguments[position])
      count = count + 1
      pieces[count] = bytes
      total = total + #bytes
    elseif option ~= "x" then
      control(state, option)
    end
  end
end

local function pack(...)
  local text = check_string(1, (...), select("#", ...))
  local result = finish(pcall(pack_items, text, {...}))
  return result
end

-- The integer in the last eight of `size` bytes at `position` (their first eight if little endian). The sign bit is
-- where a 64-bit shift by `size * 8 - 1` finds it, which beyond eight bytes goes round.
local function read_integer(data, position, size, big, unsigned)
  local bytes = sub(data, position, position + size - 1)
  if big then
    bytes = reverse(bytes)
  end
  local a, b, c, d, e, f, g, h = byte(bytes, 1, 8)
  local low = (a or 0) + (b or 0) * 256 + (c or 0) * 65536 + (d or 0) * 16777216
  local high = e and e + (f or 0) * 256 + (g or 0) * 65536 + (h or 0) * 16777216 or 0
  if unsigned then
    return high * 4294967296 + low
  end
  local sign = (size * 8 - 1) % 64
  if sign < 32 then
    local limit = 2 ^ sign
    if high > 0 or low >= limit then
      return low % limit - limit
    end
    return low
  end
  local limit = 2 ^ (sign - 32)
  if high >= limit then
    high = high % limit - limit
  end
  return high * 4294967296 + low
end

local function read_float(data, position, size, big)
  local bytes = sub(data, position, position + size - 1)
  if big then
    bytes = reverse(bytes)
  end
  if size == 4 then
    return unpack_single(bytes)
  end
  return unpack_double(bytes)
end

-- The length that a number before `c0` gives, as a C `size_t`: nil if it is longer than any data.
local function length_of(value)
  local number = tonumber(value)
  if number >= 18446744073709551616 then
    return 0
  end
  number = number == number and truncate(number) or -1
  return number >= 0 and number
end

-- A string: of `size` bytes or up to a zero (`s`): it, and its size.
local function read_string(data, position, option, size)
  if option == "s" then
    local _, stop = find(data, "%z", position + 1)
    if not stop then
      fail("unfinished string in data")
    end
    return sub(data, position + 1, stop - 1), stop - position
  end
  return sub(data, position + 1, position + size), size
end

local function unpack_items(text, data, position, taken)
  local state, values, count, length = new_state(text), {}, 0, #data
  while true do
    local option, size, skip = next_item(state, position)
    if not option then
      values[count + 1] = position + 1
      return values, count + 1
    end
    position = position + skip
    if position < 0 or size > length or position > length - size then
      fail_argument(2, "data string too short")
    elseif taken + count > 7998 then
      fail("stack overflow (too many results)")
    end
    local value
    if INTEGERS[option] then
      value = read_integer(data, position + 1, size, state.big, UNSIGNED[option])
    elseif option == "f" or option == "d" then
      value = read_float(data, position + 1, size, state.big)
    elseif option == "s" or option == "c" then
      if option == "c" and size == 0 then
        if count == 0 or not tonumber(values[count]) then
          fail("format 'c0' needs a previous size")
        end
        size = length_of(values[count])
        count = count - 1
        if not size or position > length - size then
          fail_argument(2, "data string too short")
        end
      end
      value, size = read_string(data, position, option, size)
    elseif option ~= "x" then
      control(state, option)
    end
    if value then
      count = count + 1
      values[count] = value
    end
    position = position + size
  end
end

local function unpack_all(...)
  local count = select("#", ...)
  local text, data, offset = ...
  text = check_string(1, text, count)
  data = check_string(2, data, count)
  offset = offset == nil and 1 or truncate(check_number(3, offset, count))
  if offset == 0 then
    arg_error(3, "offset must be 1 or greater")
  end
  local values, found = finish(pcall(unpack_items, text, data, offset - 1, count))
  return unpack(values, 1, found)
end

local function measure(text)
  local state, position = new_state(text), 0
  while true do
    local option, size, skip = next_item(state, position)
    if not option then
      return position
    elseif option == "s" then
      fail_argument(1, "option 's' has no fixed size")
    elseif option == "c" and size == 0 then
      fail_argument(1, "option 'c0' has no fixed size")
    elseif not find(option, "%w") then
      control(state, option)
    end
    position = position + skip + size
  end
end

local function size(...)
  local text = check_string(1, (...), select("#", ...))
  local result = finish(pcall(measure, text))
  return result
end

return {pack = pack, unpack = unpack_all, size = size}
