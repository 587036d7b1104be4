-- Lua values as replies: what a script returns, encoded for a client.
--
-- `encode(value, client_resp, script_resp)`: the reply; both numbers are 2 or 3, the script's is what it chose with
-- redis.setresp.
-- Takes a function that is told of errors within arrays and the like.
local count_error = ...

local rawget, next, type, format, gsub, sub, concat = rawget, next, type, string.format, string.gsub, string.sub, table.concat

local DEEPEST = 7990  -- slots of the stack that Redis's own conversion may fill
local NULL = {nil, "$-1\r\n", "_\r\n"}
local TRUE = {nil, ":1\r\n", "#t\r\n"}
local FALSE = {nil, ":0\r\n", "#f\r\n"}

-- A text in one line, up to a zero byte, as C's strings end there.
local function one_line(text)
  return (gsub(gsub(text, "%z.*", ""), "[\r\n]", " "))
end

local function double(number, resp)
  local text = format("%.17g", number)
  if resp == 3 then
    return "," .. text .. "\r\n"
  end
  return "$" .. #text .. "\r\n" .. text .. "\r\n"
end

-- Length → what stands before a string of that length.
local headers = setmetatable({}, {__index = function(known, size)
  local header = "$" .. size .. "\r\n"
  if size < 4096 then
    known[size] = header
  end
  return header
end})

local encode_value

-- The pairs of a map (`both`), or the keys of a set, behind a header whose count follows from them.
local function encode_pairs(out, n, content, both, client, script, depth)
  local head = n + 1
  n = head
  local count = 0
  for key, value in next, content do
    n = encode_value(out, n, key, client, script, depth + 3)
    if both then
      n = encode_value(out, n, value, client, script, depth + 3)
    end
    count = count + 1
  end
  if client == 3 then
    out[head] = (both and "%" or "~") .. count .. "\r\n"
  else
    out[head] = "*" .. (both and 2 * count or count) .. "\r\n"
  end
  return n
end

local function encode_array(out, n, content, client, script, depth)
  local head = n + 1
  n = head
  local count = 0
  while true do
    local value = rawget(content, count + 1)
    if value == nil then
      break
    end
    n = encode_value(out, n, value, client, script, depth + 1)
    count = count + 1
  end
  out[head] = "*" .. count .. "\r\n"
  return n
end

local function encode_verbatim(content, client)
  if type(content) ~= "table" then
    return
  end
  local text, kind = rawget(content, "string"), rawget(content, "format")
  if type(text) ~= "string" or type(kind) ~= "string" then
    return
  elseif client == 3 then
    return "=" .. (#text + 4) .. "\r\n" .. sub(kind .. "   ", 1, 3) .. ":" .. text .. "\r\n"
  end
  return "$" .. #text .. "\r\n" .. text .. "\r\n"
end

local function encode_table(out, n, content, client, script, depth)
  local found = rawget(content, "err")
  if type(found) == "string" then
    count_error(found, rawget(content, "ignore_error_stats_update") and true or false)
    out[n + 1] = "-" .. one_line(found) .. "\r\n"
    return n + 1
  end
  found = rawget(content, "ok")
  if type(found) == "string" then
    out[n + 1] = "+" .. one_line(found) .. "\r\n"
    return n + 1
  end
  found = rawget(content, "double")
  if type(found) == "number" then
    out[n + 1] = double(found, client)
    return n + 1
  end
  found = rawget(content, "big_number")
  if type(found) == "string" then
    found = gsub(found, "[\r\n]", " ")
    out[n + 1] = client == 3 and "(" .. found .. "\r\n" or "$" .. #found .. "\r\n" .. found .. "\r\n"
    return n + 1
  end
  found = encode_verbatim(rawget(content, "verbatim_string"), client)
  if found then
    out[n + 1] = found
    return n + 1
  end
  found = rawget(content, "map")
  if type(found) == "table" then
    return encode_pairs(out, n, found, true, client, script, depth)
  end
  found = rawget(content, "set")
  if type(found) == "table" then
    return encode_pairs(out, n, found, false, client, script, depth)
  end
  return encode_array(out, n, content, client, script, depth)
end

function encode_value(out, n, value, client, script, depth)
  local kind = type(value)
  if depth > DEEPEST then
    out[n + 1] = "-ERR reached lua stack limit\r\n"
  elseif kind == "string" then
    out[n + 1] = headers[#value]
    out[n + 2] = value
    out[n + 3] = "\r\n"
    return n + 3
  elseif kind == "number" then
    out[n + 1] = format(":%d\r\n", value)
  elseif kind == "table" then
    return encode_table(out, n, value, client, script, depth)
  elseif kind ~= "boolean" then
    out[n + 1] = NULL[client]
  elseif script == 3 then
    out[n + 1] = (value and TRUE or FALSE)[client]
  else
    out[n + 1] = value and ":1\r\n" or NULL[client]
  end
  return n + 1
end

return function(value, client, script)
  local out = {}
  encode_value(out, 0, value, client, script, 0)
  return concat(out)
end
