-- What the libraries share: arguments checked and errors raised as C functions of Lua 5.1 do it.
-- A function that fails names itself as the script called it, and the error bears the script's line.
-- None of these may be called in tail position: the levels of `error` and `getinfo` count frames.

local type, tonumber, error, floor = type, tonumber, error, math.floor
local getinfo, format = debug.getinfo, string.format

local common = {}

-- Raises what luaL_argerror raises, for the function that called this one (at `level` 2) or one further up.
local function arg_error(position, message, level)
  level = level or 2
  local info = getinfo(level, "n")
  local name = info.name or "?"
  if info.namewhat == "method" then
    position = position - 1
    if position == 0 then
      error(format("calling '%s' on bad self (%s)", name, message), level + 1)
    end
  end
  error(format("bad argument #%d to '%s' (%s)", position, name, message), level + 1)
end
common.arg_error = arg_error

local function type_error(position, wanted, value, count, level)
  local got = count < position and "no value" or type(value)
  arg_error(position, wanted .. " expected, got " .. got, (level or 2) + 1)
end
common.type_error = type_error

-- Throws what is wrong as a table, deep inside; `finish` gives it its position.
function common.fail(message, ...)
  error({message = format(message, ...)}, 0)
end

-- Of the results of a pcall: those behind the first, or what was thrown, raised at this level of `error`, counted from
-- the caller. With `argument` it is about the argument of that number.
function common.finish(level, ok, first, ...)
  if ok then
    return first, ...
  elseif type(first) ~= "table" then
    error(first, 0)
  elseif first.argument then
    arg_error(first.argument, first.message, level + 1)
  end
  error(first.message, level + 1)
end

-- The value as a number, as luaL_checknumber: numeric strings are numbers. `count`: how many arguments came.
function common.check_number(position, value, count, level)
  if type(value) == "number" then
    return value
  end
  local number = type(value) == "string" and tonumber(value)
  if not number then
    type_error(position, "number", value, count, (level or 2) + 1)
  end
  return number
end

-- The value as a string, as luaL_checkstring: numbers are strings.
function common.check_string(position, value, count, level)
  local kind = type(value)
  if kind == "string" then
    return value
  end
  if kind ~= "number" then
    type_error(position, "string", value, count, (level or 2) + 1)
  end
  return value .. ""
end

-- What a C `(long long)` makes of a double: towards zero, and the smallest integer for what does not fit.
local function truncate(number)
  if number >= 0 then
    if number < 9223372036854775808 then
      return floor(number)
    end
    return -9223372036854775808
  end
  if number >= -9223372036854775808 then
    return -floor(-number)
  end
  return -9223372036854775808
end
common.truncate = truncate

-- What a C `(int)` makes of it then: 32 bits, two's complement.
function common.to_int(number)
  number = truncate(number) % 4294967296
  if number >= 2147483648 then
    return number - 4294967296
  end
  return number
end

return common
