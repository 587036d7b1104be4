-- bit: operations on 32 bits, with the results of the BitOp library. Arguments are taken modulo 2^32 after rounding
-- to the nearest integer, results are signed. `and32` and `xor32` are given: they take and return integers from
-- -2^31 to 2^32 - 1.

local common, and32, or32, xor32 = ...
local type, select, floor, frexp, format = type, select, math.floor, math.frexp, string.format
local check_number, sub = common.check_number, string.sub

-- The low 32 bits of the fraction of `number + 2^52 + 2^51`: for what is below 2^51 that is the nearest integer.
local function wrap_odd(number)
  local shifted = number + 6755399441055744
  if shifted ~= shifted or shifted - shifted ~= 0 then
    return 0
  end
  local negative = shifted < 0
  local fraction = frexp(negative and -shifted or shifted) * 9007199254740992 % 4294967296
  if fraction >= 2147483648 then
    return fraction - 4294967296
  end
  return fraction
end

-- A number as signed 32 bits.
local function wrap(number)
  if number >= -2147483648 and number < 2147483648 and floor(number) == number then
    return number + 0
  end
  return wrap_odd(number)
end

local function tobit(...)
  return (wrap(check_number(1, (...), select("#", ...))))
end

local function bnot(...)
  return -1 - wrap(check_number(1, (...), select("#", ...)))
end

-- The folding functions: two numbers at once, anything else argument by argument.
local function folding(operation)
  return function(...)
    local first, second, third = ...
    if third == nil and type(first) == "number" and type(second) == "number" and select("#", ...) == 2 then
      if first < 0 or first >= 2147483648 or first % 1 ~= 0 then
        first = wrap(first)
      end
      if second < 0 or second >= 2147483648 or second % 1 ~= 0 then
        second = wrap(second)
      end
      return (operation(first, second))
    end
    local count = select("#", ...)
    local result = wrap(check_number(1, first, count))
    for position = 2, count do
      result = operation(result, wrap(check_number(position, (select(position, ...)), count)))
    end
    return result
  end
end

-- The two arguments of a shift: unsigned value, and how far (0 to 31).
local function operands(count, value, distance)
  value = wrap(check_number(1, value, count, 3)) % 4294967296
  distance = wrap(check_number(2, distance, count, 3)) % 32
  return value, distance
end

local function signed(value)
  if value >= 2147483648 then
    return value - 4294967296
  end
  return value
end

local function lshift(...)
  local value, distance = operands(select("#", ...), ...)
  return (signed(value % 2 ^ (32 - distance) * 2 ^ distance))
end

local function rshift(...)
  local value, distance = operands(select("#", ...), ...)
  return (signed(floor(value / 2 ^ distance)))
end

local function arshift(...)
  local value, distance = operands(select("#", ...), ...)
  return floor(signed(value) / 2 ^ distance)
end

local function rol(...)
  local value, distance = operands(select("#", ...), ...)
  local split = 2 ^ (32 - distance)
  return (signed(value % split * 2 ^ distance + floor(value / split)))
end

local function ror(...)
  local value, distance = operands(select("#", ...), ...)
  local split = 2 ^ distance
  return (signed(value % split * 2 ^ (32 - distance) + floor(value / split)))
end

local function bswap(...)
  local value = wrap(check_number(1, (...), select("#", ...))) % 4294967296
  local a, b, c = value % 256, floor(value / 256) % 256, floor(value / 65536) % 256
  return (signed(((a * 256 + b) * 256 + c) * 256 + floor(value / 16777216)))
end

local function tohex(...)
  local count = select("#", ...)
  local value, digits = ...
  value = wrap(check_number(1, value, count)) % 4294967296
  digits = count < 2 and 8 or wrap(check_number(2, digits, count))
  local pattern = "%08x"
  if digits < 0 then
    digits, pattern = -digits, "%08X"
  end
  if digits > 8 then
    digits = 8
  end
  return (sub(format(pattern, value), 9 - digits))
end

return {
  tobit = tobit, bnot = bnot, band = folding(and32), bor = folding(or32), bxor = folding(xor32),
  lshift = lshift, rshift = rshift, arshift = arshift, rol = rol, ror = ror, bswap = bswap, tohex = tohex,
}
