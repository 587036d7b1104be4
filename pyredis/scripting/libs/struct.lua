-- struct: packs numbers and strings by a format, with the results of Roberto Ierusalimschy's library of that name.
-- `pack_single` and `pack_double` take a number and return its little-endian bytes, `unpack_single` and
-- `unpack_double` take such bytes; `and32` is the bitwise and of two small integers.

local common, pack_single, pack_double, unpack_single, unpack_double, and32 = ...
local type, error, select, unpack, tonumber, pcall = type, error, select, unpack, tonumber, pcall
local byte, char, find, format = string.byte, string.char, string.find, string.format
local reverse, sub, rep, concat, floor = string.reverse, string.sub, string.rep, table.concat, math.floor
local arg_error, check_number, check_string, truncate =
  common.arg_error, common.check_number, common.check_string, common.truncate
local fail, finish = common.fail, common.finish

local SIZES = {b = 1, B = 1, h = 2, H = 2, l = 8, L = 8, T = 8, f = 4, d = 8, x = 1}
local UNSIGNED = {B = true, H = true, L = true, I = true, T = true}
local INTEGERS = {b = true, B = true, h = true, H = true, l = true, L = true, T = true, i = true, I = true}
local MAX_INT = 2147483647

local function fail_argument(position, message, ...)
  error({argument = position, message = format(message, ...)}, 0)
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

-- The quick way, for formats that have no alignment and no `c0`: a list of functions, one per item, each of which
-- packs a value, or returns nil where only `pack_items` knows what to do.

local function integer_packer(size, big)
  return function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < -2147483648 or value >= 4294967296 then
      return nil
    elseif size == 1 then
      return char(value % 256)
    end
    local low = value % 65536
    local a, b = low % 256, floor(low / 256)
    if size == 2 then
      return big and char(b, a) or char(a, b)
    elseif size == 4 then
      local high = floor(value / 65536) % 65536
      local c, d = high % 256, floor(high / 256)
      return big and char(d, c, b, a) or char(a, b, c, d)
    end
    local bytes = integer_bytes(value, size)
    return big and reverse(bytes) or bytes
  end
end

local function packer(option, size, big)
  if INTEGERS[option] then
    return integer_packer(size, big)
  elseif option == "x" then
    return "\0"
  end
  return function(value)
    local kind = type(value)
    if option == "s" then
      return kind == "string" and value .. "\0" or nil
    elseif option == "c" then
      return kind == "string" and #value >= size and sub(value, 1, size) or nil
    elseif kind ~= "number" then
      return nil
    end
    local bytes = (option == "f" and pack_single or pack_double)(value)
    return big and reverse(bytes) or bytes
  end
end

-- The functions of a format, or false; remembered for some formats.
local function plan_for(plans, text, maker)
  if plans.count >= 256 then
    plans.of, plans.count = {}, 0
  end
  local ok, plan = pcall(function()
    local state, items = new_state(text), {}
    for option, size in next_item, state, 0 do
      if option == "!" or option == "c" and size == 0 then
        return false
      elseif INTEGERS[option] or find(option, "[xfdsc]") then
        items[#items + 1] = maker(option, size, state.big)
      else
        control(state, option)
      end
    end
    return items
  end)
  plan = ok and plan
  plans.of[text], plans.count = plan, plans.count + 1
  return plan
end

local pack_plans = {of = {}, count = 0}

-- The bytes, or nil if it takes `pack_items`.
local function pack_quickly(plan, values)
  local pieces, position = {}, 1
  for index = 1, #plan do
    local make = plan[index]
    local piece = make
    if make ~= "\0" then
      position = position + 1
      piece = make(values[position])
      if not piece then
        return nil
      end
    end
    pieces[index] = piece
  end
  return concat(pieces)
end

local function pack(...)
  local text = check_string(1, (...), select("#", ...))
  local plan = pack_plans.of[text]
  if plan == nil then
    plan = plan_for(pack_plans, text, packer)
  end
  local result = plan and pack_quickly(plan, {...})
  if not result then
    result = finish(2, pcall(pack_items, text, {...}))
  end
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

-- The quick way to unpack: functions that take the data and the position, and return the value and the position
-- behind it, or nil where only `unpack_items` knows what to do.
local function unpacker(option, size, big)
  if option == "x" then
    return function(data, position)
      return "\0", position <= #data and position + 1
    end
  elseif option == "s" then
    return function(data, position)
      local stop = find(data, "\0", position, true)
      return stop and sub(data, position, stop - 1), stop and stop + 1
    end
  elseif option == "c" then
    return function(data, position)
      return sub(data, position, position + size - 1), position + size <= #data + 1 and position + size
    end
  elseif INTEGERS[option] and size <= 4 and size ~= 3 and size > 0 then
    local limit = not UNSIGNED[option] and 2 ^ (size * 8 - 1)
    return function(data, position)
      local a, b, c, d = byte(data, position, position + size - 1)
      local value
      if size == 1 then
        value = a
      elseif size == 2 then
        value = b and (big and a * 256 + b or b * 256 + a)
      else
        value = d and (big and ((a * 256 + b) * 256 + c) * 256 + d or ((d * 256 + c) * 256 + b) * 256 + a)
      end
      if value and limit and value >= limit then
        value = value - 2 * limit
      end
      return value, position + size
    end
  end
  local read = INTEGERS[option] and read_integer or read_float
  return function(data, position)
    local behind = position + size
    return behind <= #data + 1 and read(data, position, size, big, UNSIGNED[option]), behind
  end
end

local unpack_plans = {of = {}, count = 0}

-- The values and how many, or nil if it takes `unpack_items`.
local function unpack_quickly(plan, data, position)
  local values, count = {}, 0
  for index = 1, #plan do
    local read = plan[index]
    local value, behind = read.read(data, position)
    if not value or not behind then
      return nil
    end
    if not read.skipped then
      count = count + 1
      values[count] = value
    end
    position = behind
  end
  values[count + 1] = position
  return values, count + 1
end

local function unpack_item(option, size, big)
  return {read = unpacker(option, size, big), skipped = option == "x"}
end

local function unpack_all(...)
  local count = select("#", ...)
  local text, data, offset = ...
  text = check_string(1, text, count)
  data = check_string(2, data, count)
  local plan = unpack_plans.of[text]
  if plan == nil then
    plan = plan_for(unpack_plans, text, unpack_item)
  end
  if plan and (offset == nil or type(offset) == "number" and offset >= 1 and offset <= #data and offset % 1 == 0)
    and #plan < 1000 then
    local values, found = unpack_quickly(plan, data, offset or 1)
    if values then
      return unpack(values, 1, found)
    end
  end
  offset = offset == nil and 1 or truncate(check_number(3, offset, count))
  if offset == 0 then
    arg_error(3, "offset must be 1 or greater")
  end
  local values, found = finish(2, pcall(unpack_items, text, data, offset - 1, count))
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
  local result = finish(2, pcall(measure, text))
  return result
end

return {pack = pack, unpack = unpack_all, size = size}
