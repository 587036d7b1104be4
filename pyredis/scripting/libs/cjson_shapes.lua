-- Elements that are alike: the objects of an array mostly have the same keys, in the same order, with values of the same
-- kinds. For such a shape a function is made that reads one from its text by a single pattern, or writes one by a single
-- concatenation; it returns nil for whatever differs, and the usual way is taken.
--
-- `reader(text, first, last, array_mt)` makes the shape of an element of a text without backslashes and zeros, of which
-- it is known to be right. It has `depth` (how many containers are nested) and `read(text, at)`: the value and the
-- position behind it. `array_mt`: empty arrays are marked.
-- `writer(value, newer, number)` makes the shape of a table: `depth`, `keys` and `strings` (how many of these it has), and
-- `write(value, texts, config)`. `number(value, config)` is the text of a number, `texts` has some of them.
-- Both return nil for what is too large or has something unusual.
-- `new_state(shape, off)` and `missed(state)` keep account of the elements of one array or object, see there.

local null = ...
local byte, find, sub, gsub, format = string.byte, string.find, string.sub, string.gsub, string.format
local concat, tonumber, type, next, rawget, loadstring = table.concat, tonumber, type, next, rawget, loadstring
local getmetatable = debug.getmetatable

local MOST_VALUES, MOST_CONTAINERS, LONGEST = 60, 30, 4096  -- Lua has 250 registers
local AT_ONCE = 30  -- values that one pattern captures: Lua has 32
local KEPT = 100  -- functions
local MOST_SHAPES = 4  -- of the elements of one array or object
local SPECIAL = '[%c"\\/]'  -- what is escaped in a string

-- Numbers of up to three characters and literals, by their text.
local tokens = {["true"] = true, ["false"] = false, ["null"] = null}

-- The value of a text that is a number as most are, or a literal; nil if it is neither.
local function scalar(token)
  local value = tokens[token]
  if value == nil then
    local first = byte(token)
    if first and (first == 45 or (first >= 48 and first <= 57)) then
      value = tonumber(token)
      if #token <= 3 then
        tokens[token] = value
      end
    end
  end
  return value
end

local compiled, count_compiled = {}, 0

-- The function that the source's chunk returns, for these upvalues.
local function compile(source, ...)
  local made = compiled[source]
  if not made then
    if count_compiled >= KEPT then
      compiled, count_compiled = {}, 0
    end
    made = loadstring(source, "@cjson_shapes.lua")(...)
    compiled[source], count_compiled = made, count_compiled + 1
  end
  return made
end

-- Of the elements of one array or object: the shapes that they had, how many had one of these, how many had none, and
-- whether it is no use to look for them any more. Begins with the shape that was the last one of use, if there is one: a
-- script often reads and writes what is like what it had before.
local function new_state(shape, off)
  return {hits = 0, misses = 0, off = off, shape}
end

-- An element has none of the shapes: whether one is to be made of it.
local function missed(state)
  local misses = state.misses + 1
  state.misses = misses
  if misses > 8 and misses > state.hits then
    state.off = true
  end
  return misses > 2 and #state < MOST_SHAPES
end

-- Reading --------------------------------------------------------------------------------------------------------

-- Collects the patterns, and the statements that put captures in place. The text has neither backslashes nor zeros.
local function new_reader(text, array_mt)
  local patterns, captures = {"^"}, 0  -- of the pattern at hand
  local finds, conversions, building = {}, {}, {}
  local values, containers, deepest = 0, 0, 0

  local function literal(some)
    patterns[#patterns + 1] = gsub(some, "%W", "%%%0")
  end

  local function end_pattern()
    local names = {}
    for index = values - captures + 1, values do
      names[#names + 1] = "c" .. index
    end
    local kept = #names > 0 and "local " .. concat(names, ", ") .. "\n_, last, " .. concat(names, ", ") or "_, last"
    finds[#finds + 1] = kept .. format(" = find(text, %q, last + 1)\nif not last then return nil end\n", concat(patterns))
    patterns, captures = {"^"}, 0
  end

  local function capture(what)
    if captures == AT_ONCE then
      end_pattern()
    end
    captures, values = captures + 1, values + 1
    patterns[#patterns + 1] = what
    return "c" .. values
  end

  -- Each takes a position, and returns what stands for the value in the source, and the position behind it.
  local value

  local function container(at, depth, is_object)
    containers = containers + 1
    deepest = depth > deepest and depth or deepest
    local name, count = "t" .. containers, 0
    building[#building + 1] = "local " .. name .. " = {}\n"
    local _, stop, inside = find(text, "^(.[ \t\r\n]*)", at)
    literal(inside)
    at = stop + 1
    local close = is_object and 125 or 93
    if byte(text, at) == close and array_mt and not is_object then
      return nil
    end
    while byte(text, at) ~= close do
      local key = count + 1
      if is_object then
        _, stop, inside, key = find(text, '^("([^"]*)"[ \t\r\n]*:[ \t\r\n]*)', at)
        literal(inside)
        key = format("%q", key)
        at = stop + 1
      end
      local made
      made, at = value(at, depth)
      if not made or values > MOST_VALUES or containers > MOST_CONTAINERS then
        return nil
      end
      count = count + 1
      building[#building + 1] = name .. "[" .. key .. "] = " .. made .. "\n"
      _, stop, inside = find(text, "^([ \t\r\n]*,?[ \t\r\n]*)", at)
      literal(inside)
      at = stop + 1
    end
    literal(sub(text, at, at))
    return name, at + 1
  end

  function value(at, depth)
    local first = byte(text, at)
    if first == 123 or first == 91 then
      return container(at, depth + 1, first == 123)
    elseif first == 34 then
      local stop = find(text, '"', at + 1, true)
      literal('"')
      local name = capture('([^"]*)')
      literal('"')
      return name, stop + 1
    end
    local _, stop, token = find(text, "^([%w.+-]+)", at)
    if not stop or scalar(token) == nil then
      return nil
    end
    local name = capture("([%w.+-]+)")
    conversions[#conversions + 1] = format(
      "known = tokens[%s]\nif known == nil then\nknown = scalar(%s)\nif known == nil then return nil end\nend\n%s = known\n",
      name, name, name
    )
    return name, stop + 1
  end

  return function(first)
    if not value(first, 0) then
      return nil
    end
    end_pattern()
    local body = concat(finds) .. concat(conversions) .. concat(building)
    local source = "local find, tokens, scalar = ...\nreturn function(text, at)\nlocal last, _, known = at - 1\n" .. body
      .. "return t1, last + 1\nend"
    return {depth = deepest, read = compile(source, find, tokens, scalar)}
  end
end

local function reader(text, first, last, array_mt)
  if last - first >= LONGEST then
    return nil
  end
  return new_reader(text, array_mt)(first)
end

-- Writing --------------------------------------------------------------------------------------------------------

local function new_writer(newer)
  local checks, pieces = {}, {}  -- statements, and the operands of the concatenation
  local written = ""  -- the end of the text that is the same for all
  local values, containers, deepest, keys, strings = 0, 0, 0, 0, 0

  local function operand(name)
    pieces[#pieces + 1] = format("%q", written)
    pieces[#pieces + 1] = name
    written = ""
  end

  local function check(statement, ...)
    checks[#checks + 1] = format(statement, ...)
  end

  local container

  -- Notes what the value in the variable `name` must be; false if there is no shape.
  local function note(value, name, depth)
    local kind = type(value)
    if kind == "string" then
      check('if type(%s) ~= "string" then return nil end\n', name)
      written = written .. '"'
      operand(name)
      written = '"'
      strings = strings + 1
    elseif kind == "number" then
      check("%s = texts[%s] or number(%s, config)\nif not %s then return nil end\n", name, name, name, name)
      operand(name)
    elseif kind == "boolean" then
      check('if %s == true then %s = "true" elseif %s == false then %s = "false" else return nil end\n',
        name, name, name, name)
      operand(name)
    elseif value == null then
      check("if %s ~= null then return nil end\n", name)
      written = written .. "null"
    elseif kind == "table" then
      return container(value, name, depth + 1)
    else
      return false
    end
    return true
  end

  function container(content, name, depth)
    if newer and getmetatable(content) then
      return false
    end
    containers = containers + 1
    deepest = depth > deepest and depth or deepest
    local key = "k" .. containers
    check('if type(%s) ~= "table" then return nil end\nlocal %s\n', name, key)
    if newer then
      check("if getmetatable(%s) then return nil end\n", name)
    end
    local is_array = rawget(content, 1) ~= nil
    local count = 0
    for found, value in next, content do
      count, values = count + 1, values + 1
      local shown
      if is_array then
        if found ~= count then
          return false
        end
        shown = count
        written = written .. (count == 1 and "[" or ",")
      else
        if type(found) ~= "string" or find(found, SPECIAL) or find(found, "\0", 1, true) then
          return false
        end
        keys = keys + 1
        shown = format("%q", found)
        written = written .. (count == 1 and '{"' or ',"') .. found .. '":'
      end
      local variable = "v" .. values
      check("local %s\n%s, %s = next(%s, %s)\nif %s ~= %s then return nil end\n", variable, key, variable, name, key,
        key, shown)
      if values > MOST_VALUES or containers > MOST_CONTAINERS or not note(value, variable, depth) then
        return false
      end
    end
    check("if next(%s, %s) ~= nil then return nil end\n", name, key)
    written = written .. (count == 0 and "{}" or is_array and "]" or "}")
    return true
  end

  return function(content, number)
    if not container(content, "value", 1) then
      return nil
    end
    pieces[#pieces + 1] = format("%q", written)
    local source = "local next, type, getmetatable, null, number = ...\nreturn function(value, texts, config)\n"
      .. concat(checks) .. "return " .. concat(pieces, " .. ") .. "\nend"
    local write = compile(source, next, type, getmetatable, null, number)
    return {depth = deepest, keys = keys, strings = strings, write = write}
  end
end

local function writer(value, newer, number)
  return new_writer(newer)(value, number)
end

return {
  reader = reader, writer = writer, tokens = tokens, special = SPECIAL, new_state = new_state, missed = missed,
}
