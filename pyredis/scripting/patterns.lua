-- Pattern matching that can be interrupted: for subjects and patterns with which C's might take minutes, or all of the
-- stack. The results are the same; it takes some fifty times as long, so it is for the suspicious ones only.
--
-- Returns `choose(subject, pattern)` and find, match, gmatch and gsub as of `string`.
local error, pcall, tostring, type, setmetatable = error, pcall, tostring, type, setmetatable
local byte, find, sub, concat = string.byte, string.find, string.sub, table.concat
local char, unpack = string.char, unpack

local MOST_REPEATS = 200  -- of a pattern: each may take a frame of C's stack
local MOST_STEPS = 2e9
local MOST_CAPTURES = 32
local UNFINISHED, POSITION = -1, -2
local DOLLAR, PERCENT, OPEN, CLOSE, STAR, PLUS, MINUS, QUESTION, BRACKET, CARET, BRACKET_END =
  36, 37, 40, 41, 42, 43, 45, 63, 91, 94, 93

-- How dear a pattern is ------------------------------------------------------------------------------------------

-- The position behind the item (a character, a class, a set) at `at`.
local function item_end(pattern, at)
  local first = byte(pattern, at)
  at = at + 1
  if first == PERCENT then
    if at > #pattern then
      error("malformed pattern (ends with '%')", 0)
    end
    return at + 1
  elseif first == BRACKET then
    if byte(pattern, at) == CARET then
      at = at + 1
    end
    repeat
      if at > #pattern then
        error("malformed pattern (missing ']')", 0)
      end
      local one = byte(pattern, at)
      at = at + 1
      if one == PERCENT and at <= #pattern then
        at = at + 1
      end
    until byte(pattern, at) == BRACKET_END
    return at + 1
  end
  return at
end

-- How often a pattern may go through the subject, as a power of its length; nil if it has too many repeats. And whether
-- C could refuse it.
local function examine(pattern)
  local repeats, after = 0, 0  -- `after`: those that nothing follows which could fail
  local open, captures, odd = 0, 0, false
  local at, size = 1, #pattern
  local anchored = byte(pattern) == CARET
  if anchored then
    at = 2
  end
  while at <= size do
    local one = byte(pattern, at)
    if one == OPEN or one == CLOSE then
      open, captures = open + (one == OPEN and 1 or -1), captures + 1
      odd = odd or open < 0
      at = at + 1
    else
      local code = one == PERCENT and byte(pattern, at + 1) or 0
      if code == 98 then  -- %b
        at, repeats, after, odd = at + 4, repeats + 1, 0, true
      elseif code == 102 then  -- %f
        at, after, odd = at + 2, 0, true
      else
        if code >= 48 and code <= 57 then
          repeats, odd = repeats + 1, true
        end
        at = item_end(pattern, at)
        local suffix = byte(pattern, at)
        if suffix == STAR or suffix == PLUS or suffix == MINUS or suffix == QUESTION then
          at, repeats, after = at + 1, repeats + 1, 1
        else
          after = 0
        end
      end
    end
  end
  local power = repeats <= MOST_REPEATS and repeats - after + (anchored and 0 or 1) or nil
  return power, odd or open ~= 0 or captures > 2 * MOST_CAPTURES
end

local NATIVE, CAREFUL, SLOW, COMPLEX = 0, 1, 2, 3
local powers, odds, known = {}, {}, 0

-- How to match: NATIVE is C's way, CAREFUL too, but it may raise an error, SLOW is ours, COMPLEX is an error.
local function choose(subject, pattern)
  local power = powers[pattern]
  if power == nil then
    local fine, found, odd = pcall(examine, pattern)
    if known > 500 then
      powers, odds, known = {}, {}, 0
    end
    power = 0
    if fine then
      power = found or false
    end
    powers[pattern], odds[pattern], known = power, not fine or odd, known + 1
  end
  if power == false then
    return COMPLEX
  elseif power > 1 then
    local size = #subject
    local steps = 1
    for one = 1, power do
      steps = steps * size / one
      if steps > MOST_STEPS then
        return SLOW
      end
    end
  end
  return odds[pattern] and CAREFUL or NATIVE
end

-- Matching -------------------------------------------------------------------------------------------------------

local function new_match(subject, pattern)
  local size, pattern_size = #subject, #pattern
  local level = 0
  local starts, lengths = {}, {}
  local items, ends = {}, {}  -- by position in the pattern: which bytes fit, and where the item ends
  local match

  -- Which bytes fit the item at `at`, found out by C's own matching of single characters.
  local function fitting(at)
    local stop = item_end(pattern, at)
    local item = sub(pattern, at, stop - 1)
    if item == "^" or item == "$" or item == "(" or item == ")" or item == "%" then
      item = "%" .. item
    elseif item == "]" or item == "*" or item == "+" or item == "-" or item == "?" then
      item = "%" .. item
    end
    local fits = setmetatable({}, {__index = function(cache, code)
      local yes = find(char(code), "^" .. item .. "$") ~= nil
      cache[code] = yes
      return yes
    end})
    items[at], ends[at] = fits, stop
    return fits, stop
  end

  local function balanced(at, place)
    if place + 1 > pattern_size then
      error("unbalanced pattern", 0)
    end
    local open, close = byte(pattern, place), byte(pattern, place + 1)
    if byte(subject, at) ~= open then
      return nil
    end
    local depth = 1
    for here = at + 1, size do
      local one = byte(subject, here)
      if one == close then
        depth = depth - 1
        if depth == 0 then
          return here + 1
        end
      elseif one == open then
        depth = depth + 1
      end
    end
    return nil
  end

  local function close_capture(at, place)
    local last
    for one = level, 1, -1 do
      if lengths[one] == UNFINISHED then
        last = one
        break
      end
    end
    if not last then
      error("invalid pattern capture", 0)
    end
    lengths[last] = at - starts[last]
    local stop = match(at, place)
    if not stop then
      lengths[last] = UNFINISHED
    end
    return stop
  end

  local function open_capture(at, place, length)
    if level >= MOST_CAPTURES then
      error("too many captures", 0)
    end
    level = level + 1
    starts[level], lengths[level] = at, length
    local stop = match(at, place)
    if not stop then
      level = level - 1
    end
    return stop
  end

  local function back_reference(at, digit)
    local one = digit - 48
    if one < 1 or one > level or lengths[one] == UNFINISHED then
      error("invalid capture index", 0)
    end
    if lengths[one] == POSITION then
      return nil
    end
    local text = sub(subject, starts[one], starts[one] + lengths[one] - 1)
    if sub(subject, at, at + #text - 1) == text then
      return at + #text
    end
    return nil
  end

  local function expand_most(at, fits, place)
    local here = at
    while here <= size and fits[byte(subject, here)] do
      here = here + 1
    end
    while here >= at do
      local stop = match(here, place)
      if stop then
        return stop
      end
      here = here - 1
    end
    return nil
  end

  local function expand_least(at, fits, place)
    while true do
      local stop = match(at, place)
      if stop then
        return stop
      elseif at <= size and fits[byte(subject, at)] then
        at = at + 1
      else
        return nil
      end
    end
  end

  -- The position behind a match of the pattern from `place` on, at `at`; nil if there is none.
  function match(at, place)
    while place <= pattern_size do
      local one = byte(pattern, place)
      local code = one == PERCENT and byte(pattern, place + 1) or 0
      if one == OPEN then
        if byte(pattern, place + 1) == CLOSE then
          return open_capture(at, place + 2, POSITION)
        end
        return open_capture(at, place + 1, UNFINISHED)
      elseif one == CLOSE then
        return close_capture(at, place + 1)
      elseif one == DOLLAR and place == pattern_size then
        return at == size + 1 and at or nil
      elseif code == 98 then  -- %b
        at = balanced(at, place + 2)
        if not at then
          return nil
        end
        place = place + 4
      elseif code == 102 then  -- %f
        place = place + 2
        if byte(pattern, place) ~= BRACKET then
          error("missing '[' after '%f' in pattern", 0)
        end
        local fits, stop = items[place], ends[place]
        if not fits then
          fits, stop = fitting(place)
        end
        if fits[at > 1 and byte(subject, at - 1) or 0] or not fits[byte(subject, at) or 0] then
          return nil
        end
        place = stop
      elseif code >= 48 and code <= 57 then
        at = back_reference(at, code)
        if not at then
          return nil
        end
        place = place + 2
      else
        local fits, stop = items[place], ends[place]
        if not fits then
          fits, stop = fitting(place)
        end
        local suffix = byte(pattern, stop)
        local fit = at <= size and fits[byte(subject, at)]
        if suffix == STAR then
          return expand_most(at, fits, stop + 1)
        elseif suffix == PLUS then
          return fit and expand_most(at + 1, fits, stop + 1) or nil
        elseif suffix == MINUS then
          return expand_least(at, fits, stop + 1)
        elseif suffix == QUESTION then
          if fit then
            local found = match(at + 1, stop + 1)
            if found then
              return found
            end
          end
          place = stop + 1
        elseif not fit then
          return nil
        else
          at, place = at + 1, stop
        end
      end
    end
    return at
  end

  local function capture(one, first, last)
    if one > level then
      if one ~= 1 then
        error("invalid capture index", 0)
      end
      return sub(subject, first, last)
    elseif lengths[one] == POSITION then
      return starts[one]
    elseif lengths[one] == UNFINISHED then
      error("unfinished capture", 0)
    end
    return sub(subject, starts[one], starts[one] + lengths[one] - 1)
  end

  -- The captures as a table, and how many; the whole match if `whole` and there are none.
  local function captures(first, last, whole)
    local count = (level == 0 and whole) and 1 or level
    local found = {}
    for one = 1, count do
      found[one] = capture(one, first, last)
    end
    return found, count
  end

  local function try(at, place)
    level = 0
    return match(at, place)
  end

  return try, capture, captures
end

local function search(subject, pattern, start, whole)
  local anchored = byte(pattern) == CARET
  local try, _, captures = new_match(subject, pattern)
  local place = anchored and 2 or 1
  for at = start, #subject + 1 do
    local stop = try(at, place)
    if stop then
      return at, stop - 1, captures(at, stop - 1, whole)
    elseif anchored then
      return nil
    end
  end
  return nil
end

local function first_position(subject, start)
  start = start or 1
  if start < 0 then
    start = #subject + start + 1
  end
  return start < 1 and 1 or start
end

local patterns = {}

function patterns.find(subject, pattern, start)
  start = first_position(subject, start)
  if start > #subject + 1 then
    start = #subject + 1
  end
  local first, last, found, count = search(subject, pattern, start, false)
  if not first then
    return nil
  end
  return first, last, unpack(found, 1, count)
end

function patterns.match(subject, pattern, start)
  start = first_position(subject, start)
  if start > #subject + 1 then
    start = #subject + 1
  end
  local first, _, found, count = search(subject, pattern, start, true)
  if not first then
    return nil
  end
  return unpack(found, 1, count)
end

function patterns.gmatch(subject, pattern)
  local try, _, captures = new_match(subject, pattern)
  local at = 1
  return function()
    while at <= #subject + 1 do
      local stop = try(at, 1)
      if stop then
        local first = at
        at = stop == at and at + 1 or stop
        local found, count = captures(first, stop - 1, true)
        return unpack(found, 1, count)
      end
      at = at + 1
    end
    return nil
  end
end

-- What takes the place of a match.
local function replacement(with, capture, captures, first, last, subject)
  local value
  if type(with) == "function" then
    local found, count = captures(first, last, true)
    value = with(unpack(found, 1, count))
  elseif type(with) == "table" then
    value = with[capture(1, first, last)]
  else
    local parts = {}
    local at = 1
    while at <= #with do
      local one = byte(with, at)
      if one ~= PERCENT then
        parts[#parts + 1] = sub(with, at, at)
      else
        at = at + 1
        local code = byte(with, at)
        if code and code >= 48 and code <= 57 then
          parts[#parts + 1] = code == 48 and sub(subject, first, last) or tostring(capture(code - 48, first, last))
        else
          parts[#parts + 1] = sub(with, at, at)
        end
      end
      at = at + 1
    end
    return concat(parts)
  end
  if not value then
    return sub(subject, first, last)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error("invalid replacement value (a " .. type(value) .. ")", 0)
  end
  return value
end

function patterns.gsub(subject, pattern, with, most)
  local anchored = byte(pattern) == CARET
  local place = anchored and 2 or 1
  local try, capture, captures = new_match(subject, pattern)
  most = most or #subject + 1
  local parts, count, at = {}, 0, 1
  while count < most do
    local stop = try(at, place)
    if stop then
      count = count + 1
      parts[#parts + 1] = replacement(with, capture, captures, at, stop - 1, subject)
    end
    if stop and stop > at then
      at = stop
    elseif at <= #subject then
      parts[#parts + 1] = sub(subject, at, at)
      at = at + 1
    else
      break
    end
    if anchored then
      break
    end
  end
  if at <= #subject then
    parts[#parts + 1] = sub(subject, at)
  end
  return concat(parts), count
end

return choose, patterns
