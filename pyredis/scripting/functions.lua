-- Libraries of functions: what their code sees while it is loaded, and the functions that it registers.
--
-- All libraries share one environment. While one is loaded that leads to little more than redis.register_function;
-- otherwise to the same globals as scripts have.
local sandbox, api = ...
local error, getmetatable, next, setmetatable, tostring, type, xpcall =
  error, getmetatable, next, setmetatable, tostring, type, xpcall
local find, concat, select = string.find, table.concat, select
local readonly, undefined, finish = sandbox.readonly, sandbox.undefined, sandbox.finish

local BAD_NAME = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one "
  .. "character long"
local FLAGS = {
  ["no-writes"] = true, ["allow-oom"] = true, ["allow-stale"] = true, ["no-cluster"] = true,
  ["allow-cross-slot-keys"] = true,
}

local function fail(message)
  error({err = "ERR " .. message}, 0)
end

local function is_text(value)
  return type(value) == "string" or type(value) == "number"
end

local loading  -- what the library that is being loaded has registered; nil at other times

local function flags_of(given)
  if type(given) ~= "table" then
    fail("flags argument to redis.register_function must be a table representing function flags")
  end
  local names = {}
  local at = 1
  while given[at] ~= nil do
    if not FLAGS[given[at]] then
      fail("unknown flag given")
    end
    names[at] = given[at]
    at = at + 1
  end
  return concat(names, ",")
end

local function named_arguments(given)
  local found = {flags = ""}
  for key, value in next, given do
    if not is_text(key) then
      fail("named argument key given to redis.register_function is not a string")
    elseif key == "function_name" or key == "description" then
      if not is_text(value) then
        fail(key .. " argument given to redis.register_function must be a string")
      end
      found[key] = tostring(value)
    elseif key == "callback" then
      if type(value) ~= "function" then
        fail("callback argument given to redis.register_function must be a function")
      end
      found.callback = value
    elseif key == "flags" then
      found.flags = flags_of(value)
    else
      fail("unknown argument given to redis.register_function")
    end
  end
  if not found.function_name then
    fail("redis.register_function must get a function name argument")
  elseif not found.callback then
    fail("redis.register_function must get a callback argument")
  end
  return found
end

local function register_function(...)
  local count = select("#", ...)
  local first, second = ...
  local found
  if not loading then
    fail("redis.register_function can only be called on FUNCTION LOAD command")
  elseif count ~= 1 and count ~= 2 then
    fail("wrong number of arguments to redis.register_function")
  elseif count == 1 then
    if type(first) ~= "table" then
      fail(
        "calling redis.register_function with a single argument is only applicable to Lua table (representing named "
          .. "arguments)."
      )
    end
    found = named_arguments(first)
  elseif not is_text(first) then
    fail("first argument to redis.register_function must be a string")
  elseif type(second) ~= "function" then
    fail("second argument to redis.register_function must be a function")
  else
    found = {function_name = tostring(first), callback = second, flags = ""}
  end
  if not find(found.function_name, "^[%w_]+$") then
    error({err = BAD_NAME}, 0)
  elseif loading[found.function_name] then
    fail("Function already exists in the library")
  end
  loading[found.function_name] = true
  loading[#loading + 1] = found
end

-- While a library is loaded.
local early_redis = {register_function = register_function}
for _, name in next, {
  "log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM",
} do
  early_redis[name] = api.redis[name]
end
setmetatable(early_redis, {__index = undefined})
local early = setmetatable({redis = readonly(early_redis)}, {__index = undefined})

local globals, content = sandbox.make_globals({redis = api.library(api.redis)})
local environment = getmetatable(globals)

-- Loads a library: how many functions it registered, and of each the name, a handle, the description (or false) and
-- its flags separated by commas. Or nil, an error's text, and whether it arose while compiling.
function api.load_library(text)
  local chunk, failure = sandbox.load(text, "@user_function")
  if not chunk then
    return nil, failure, true
  end
  loading = {}
  environment.__index = early
  local ok, thrown = xpcall(chunk, api.on_error)
  environment.__index = content
  local found = loading
  loading = nil
  finish()
  if not ok then
    return nil, type(thrown) == "table" and tostring(thrown.err) or "ERR " .. tostring(thrown), false
  end
  local results = {}
  for at = 1, #found do
    local one = found[at]
    results[4 * at - 3], results[4 * at - 2] = one.function_name, api.add(one.callback)
    results[4 * at - 1], results[4 * at] = one.description or false, one.flags
  end
  return #found, results
end
sandbox.exempt[api.load_library] = true

return api
