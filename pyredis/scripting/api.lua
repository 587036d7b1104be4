-- The `redis` library, and the function that runs a script.
--
-- Python's functions stay in here: no script ever holds one. They return one value, or nil and a code with what it
-- needs; none of them raises.
local sandbox, encode, soft_limit, config, host = ...

local error, pcall, select, tonumber, tostring, type, unpack, xpcall =
  error, pcall, select, tonumber, tostring, type, unpack, xpcall
local count_memory, format, floor, concat = collectgarbage, string.format, math.floor, table.concat
local rawget, rawset = rawget, rawset
local host_call, host_packed, host_acl, host_log = host.call, host.packed, host.acl, host.log
local host_setresp, host_set_repl, host_sha1 = host.setresp, host.set_repl, host.sha1
local locate, load_text, finish = sandbox.locate, sandbox.load, sandbox.finish
local exempt, reals = sandbox.exempt, sandbox.reals
local copy, readonly = sandbox.copy, sandbox.readonly

local ERROR, STATUS, ARRAY, AGAIN, OUT_OF_MEMORY, KILLED, TRUE = 1, 2, 3, 4, 5, 7, 8
local BAD_ARGUMENTS = "ERR Lua redis lib command arguments must be strings or integers"
local NO_ARGUMENTS = "ERR Please specify at least one argument for this redis lib call"
local MANY = 48  -- arguments from which on they go to Python as two strings

local script_resp = 2

local function fail(message)
  error({err = message}, 0)
end

-- What a C `int` is after it is given this number (0 for what is none).
local function to_int(value)
  value = tonumber(value) or 0
  if value > -2147483649 and value < 2147483648 then
    return value < 0 and -floor(-value) or floor(value)
  end
  return -2147483648
end

-- redis.call ----------------------------------------------------------------------------------------------------

-- What is thrown, or returned by redis.pcall.
local function failed(raise, message, counted)
  local failure = {err = message, ignore_error_stats_update = counted}
  if raise then
    error(failure, 0)
  end
  return failure
end

local again = {}  -- stands for a call whose arguments have to be converted first

-- The function that makes values of what Python returns; true is the status OK, the most frequent one.
local function settler(raise)
  return function(value, code, ...)
    if value == true then
      return {ok = "OK"}
    elseif value ~= nil then
      return value
    elseif code == ARRAY then
      return {...}
    elseif code == AGAIN then
      return again
    elseif code == STATUS then
      return {ok = (...)}
    elseif code == ERROR then
      return failed(raise, (...), true)
    elseif code == OUT_OF_MEMORY then
      error("not enough memory", 0)
    elseif code == KILLED then
      sandbox.die()
    elseif code == TRUE then
      return true
    end
    return nil
  end
end

-- The arguments as strings; nothing and an error's text if one is neither string nor number.
local function as_strings(...)
  local count = select("#", ...)
  if count == 0 then
    return nil, NO_ARGUMENTS
  end
  local arguments = {...}
  for at = 1, count do
    local argument = arguments[at]
    local kind = type(argument)
    if kind == "number" then
      arguments[at] = format("%.17g", argument)
    elseif kind ~= "string" then
      return nil, BAD_ARGUMENTS
    end
  end
  return arguments
end

local function packed(arguments)
  local sizes = {}
  for at = 1, #arguments do
    sizes[at] = #arguments[at]
  end
  return concat(sizes, ","), concat(arguments)
end

local function zero_text(value)
  return value == 0 and (1 / value > 0 and "0" or "-0") or value
end

-- redis.call and redis.pcall. Zeros are frequent in third and fourth place, and Python cannot see their sign.
local function caller(raise)
  local settle = settler(raise)
  return function(...)
    local count = select("#", ...)
    if count_memory("count") > soft_limit then
      error("not enough memory", 0)
    elseif count > 0 and count < MANY then
      local first, second, third, fourth = ...
      local value
      if third ~= 0 and fourth ~= 0 then
        value = settle(host_call(...))
      elseif count == 3 then
        value = settle(host_call(first, second, zero_text(third)))
      else
        value = settle(host_call(first, second, zero_text(third), zero_text(fourth), select(5, ...)))
      end
      if value ~= again then
        return value
      end
    end
    local arguments, refusal = as_strings(...)
    if not arguments then
      return failed(raise, refusal)
    elseif count < MANY then
      return settle(host_call(unpack(arguments)))
    end
    return settle(host_packed(packed(arguments)))
  end
end

-- The other functions -------------------------------------------------------------------------------------------

local redis = {
  call = caller(true), pcall = caller(false),
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = config.version, REDIS_VERSION_NUM = config.version_number,
}

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  elseif text:byte() == 45 then
    text = text:sub(2)
  end
  if not text:find(" ", 1, true) then
    text = "ERR " .. text
  end
  return {err = text}
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  end
  return {ok = text}
end

function redis.sha1hex(...)
  local text = ...
  if select("#", ...) ~= 1 then
    fail("ERR wrong number of arguments")
  elseif count_memory("count") > soft_limit then
    error("not enough memory", 0)
  elseif type(text) == "number" then
    text = tostring(text)
  elseif type(text) ~= "string" then
    text = ""
  end
  return host_sha1(text)
end

function redis.log(...)
  local count = select("#", ...)
  local level = ...
  if count < 2 then
    fail("ERR redis.log() requires two arguments or more.")
  elseif not tonumber(level) or type(level) == "table" then
    fail("ERR First argument must be a number (log level).")
  end
  level = to_int(level)
  if level < 0 or level > 3 then
    fail("ERR Invalid debug level.")
  end
  local words = {}
  for at = 2, count do
    local word = select(at, ...)
    if type(word) == "string" or type(word) == "number" then
      words[#words + 1] = tostring(word)
    end
  end
  if count_memory("count") > soft_limit then
    error("not enough memory", 0)
  end
  host_log(level, concat(words, " "))
end

function redis.setresp(...)
  local version = ...
  if select("#", ...) ~= 1 then
    fail("ERR redis.setresp() requires one argument.")
  end
  version = tonumber(version)
  version = version and floor(version)
  if version ~= 2 and version ~= 3 then
    fail("ERR RESP version must be 2 or 3.")
  end
  script_resp = version
  host_setresp(version)
end

function redis.set_repl(...)
  local flags = ...
  if select("#", ...) ~= 1 then
    fail("ERR redis.set_repl() requires two arguments.")
  end
  flags = to_int(flags)
  if flags < 0 or flags > 3 then
    fail("ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
  host_set_repl(flags)
end

function redis.acl_check_cmd(...)
  local arguments, failure = as_strings(...)
  if not arguments then
    fail(failure)
  elseif count_memory("count") > soft_limit then
    error("not enough memory", 0)
  end
  local verdict = host_acl(packed(arguments))
  if verdict == nil then
    fail("ERR Invalid command passed to redis.acl_check_cmd()")
  end
  return verdict
end

-- What a script of EVAL has in addition.
local eval_only = {
  breakpoint = function()
    return false
  end,
  debug = function() end,
  replicate_commands = function()
    return true
  end,
}

-- A library of these functions, for scripts.
local function library(...)
  local content = {}
  for at = 1, select("#", ...) do
    copy(select(at, ...), content)
  end
  return readonly(content)
end

-- Running -------------------------------------------------------------------------------------------------------

-- What was thrown becomes a table with the error and its place.
local function on_error(failure)
  local place = locate()
  if type(failure) ~= "table" or reals[failure] then
    failure = {err = "ERR " .. tostring(failure)}
  end
  if place then
    rawset(failure, "source", place.source)
    rawset(failure, "line", place.currentline)
  end
  return failure
end

local waiting  -- arguments that are too many for one call
local functions = {}  -- handle → function
local handles = 0

local function add(chunk)
  handles = handles + 1
  functions[handles] = chunk
  return handles
end

local function text_of(value)
  return (type(value) == "string" or type(value) == "number") and tostring(value) or nil
end

-- How many elements an array has that is of strings alone, and not too long for the stack; otherwise 0.
local function count_strings(content)
  local count = 0
  local value = rawget(content, 1)
  while type(value) == "string" and count < 200 do
    count = count + 1
    value = rawget(content, count + 1)
  end
  if value == nil and count > 0 and not (rawget(content, "ok") or rawget(content, "double") or rawget(content, "map")
    or rawget(content, "set") or rawget(content, "big_number") or rawget(content, "verbatim_string")) then
    return count
  end
  return 0
end

-- What is neither a string nor a number: nil and the encoded reply; nil, true and the strings of an array; or nil, nil,
-- an error's text, source (false if the script returned it), line, and whether it has been counted.
local function deliver(ok, result, client)
  if type(result) == "table" then
    local failure = text_of(rawget(result, "err"))
    local counted = rawget(result, "ignore_error_stats_update") and true or false
    if not ok then
      return nil, nil, failure or "ERR unknown error", text_of(rawget(result, "source")), rawget(result, "line"), counted
    elseif type(rawget(result, "err")) == "string" then
      return nil, nil, failure, false, 0, counted
    end
    local count = count_strings(result)
    if count > 0 then
      return nil, true, unpack(result, 1, count)
    end
  elseif not ok then
    return nil, nil, "ERR " .. tostring(result)
  end
  return nil, encode(result, client, script_resp)
end

local function delivered(done, value, ...)
  finish()
  if done then
    return value, ...
  end
  return nil, nil, type(value) == "table" and value.err or "ERR " .. tostring(value)
end
exempt[delivered] = true

local function split_first(key, ...)
  return {key}, {...}
end

-- The keys and the other arguments, as tables.
local function split(count, ...)
  local all
  if waiting then
    all, waiting = waiting, nil
  elseif count == 0 then
    return {}, {...}
  elseif count == 1 then
    return split_first(...)
  else
    all = {...}
  end
  local keys, arguments = {}, {}
  for at = 1, count do
    keys[at] = all[at]
  end
  for at = count + 1, #all do
    arguments[at - count] = all[at]
  end
  return keys, arguments
end

local _, content = sandbox.make_globals({
  redis = library(redis, eval_only), __redis__err__handler = on_error, KEYS = {}, ARGV = {},
})

local function outcome(ok, result, client)
  local kind = type(result)
  if ok and (kind == "string" or kind == "number") then
    return result
  end
  return delivered(pcall(deliver, ok, result, client))
end
exempt[outcome] = true

local api = {redis = redis, library = library, add = add, on_error = on_error}

-- Compiles a script: its handle, or nil and an error's text.
function api.compile(text)
  local chunk, failure = load_text(text, "@user_script")
  if not chunk then
    return nil, failure
  end
  return add(chunk)
end

function api.forget(handle)
  functions[handle] = nil
end

-- Some of the arguments of the call that follows.
function api.push(...)
  waiting = waiting or {}
  local n = #waiting
  for at = 1, select("#", ...) do
    waiting[n + at] = (select(at, ...))
  end
end

-- Runs a function of a library.
function api.call(handle, client, count, ...)
  local body = functions[handle]
  local keys, arguments = split(count, ...)
  script_resp = 2
  local ok, result = xpcall(function()
    return body(keys, arguments)
  end, on_error)
  finish()
  return outcome(ok, result, client)
end
exempt[api.call] = true

function api.run(handle, client, count, ...)
  content.KEYS, content.ARGV = split(count, ...)
  script_resp = 2
  local ok, result = xpcall(functions[handle], on_error)
  finish()
  return outcome(ok, result, client)
end
exempt[api.run] = true

return api
