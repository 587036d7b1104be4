-- The globals that scripts see: Lua's own library, less what could reach out of the interpreter, and read-only.
--
-- Lua 5.1 has no read-only tables, so a script holds an empty stand-in for each shared table, whose metatable leads to
-- the table itself; the functions that go past metatables (rawset, next, table.insert …) know the stand-ins. What is
-- shared by scripts can so be changed by none of them.
--
-- Takes: the sources that are ours (a set of names as getinfo has them), the largest size of a string, the KB in use
-- from which on a script gets an error instead of more, a function that takes the tail calls out of bytecode, one that
-- says why a long script must end (nothing if it may go on), the libraries by name, what they share, what replaces
-- math.random, and pattern matching as patterns.lua has it.
local sources, max_string, soft_limit, patch, tick, libraries, common, random, randomseed,
  choose, patterns = ...

local error, getmetatable, loadstring, next, pairs, pcall = error, getmetatable, loadstring, next, pairs, pcall
local rawget, rawset, select, setfenv, setmetatable = rawget, rawset, select, setfenv, setmetatable
local tonumber, tostring, type, collectgarbage = tonumber, tostring, type, collectgarbage
local concat, insert, foreach = table.concat, table.insert, table.foreach
local rep, byte, sub, format, dump = string.rep, string.byte, string.sub, string.format, string.dump
local find, gsub, match, unpack = string.find, string.gsub, string.match, unpack
local floor, getinfo, sethook = math.floor, debug.getinfo, debug.sethook
local create, resume, running = coroutine.create, coroutine.resume, coroutine.running

local READONLY = "Attempt to modify a readonly table"
local OUT_OF_MEMORY = "not enough memory"
local HOOK_COUNT = 100000

local arg_error, type_error, check_string, check_number =
  common.arg_error, common.type_error, common.check_string, common.check_number

local function copy(content, into)
  into = into or {}
  for name, value in next, content do
    into[name] = value
  end
  return into
end

-- Stand-ins -----------------------------------------------------------------------------------------------------

local reals = {}  -- stand-in → the table it stands for
local metas = {}  -- stand-in → what getmetatable says of it

local function refuse()
  error(READONLY, 2)
end

local function readonly(real, meta)
  local stand_in = setmetatable({}, {__index = real, __newindex = refuse})
  reals[stand_in] = real
  metas[stand_in] = meta
  return stand_in
end

local function undefined(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local facade_of_globals = readonly({__index = undefined})

-- A table of globals; its stand-in is the environment of scripts.
local function new_globals(content)
  setmetatable(content, {__index = undefined})
  return readonly(content, facade_of_globals)
end

-- Basic functions -----------------------------------------------------------------------------------------------

local base = {
  _VERSION = _VERSION, assert = assert, error = error, gcinfo = gcinfo, ipairs = ipairs, rawequal = rawequal,
  select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
}

local string_facade  -- what scripts get as the metatable of strings

function base.getmetatable(...)
  local object = ...
  local count = select("#", ...)
  if count == 0 then
    arg_error(1, "value expected")
  elseif type(object) == "string" then
    return string_facade
  elseif reals[object] then
    return metas[object]
  elseif type(object) == "userdata" then
    return nil
  end
  return getmetatable(object)
end

function base.setmetatable(...)
  local object, meta = ...
  local count = select("#", ...)
  if type(object) ~= "table" then
    type_error(1, "table", object, count)
  elseif count < 2 or (meta ~= nil and type(meta) ~= "table") then
    arg_error(2, "nil or table expected")
  elseif reals[object] then
    error(READONLY, 0)
  end
  if not pcall(setmetatable, object, meta) then
    error("cannot change a protected metatable", 2)
  end
  return object
end

local function next_of_stand_in(stand_in, key)
  return next(reals[stand_in] or stand_in, key)
end

function base.next(...)
  local object, key = ...
  if type(object) ~= "table" then
    type_error(1, "table", object, select("#", ...))
  end
  return next(reals[object] or object, key)
end

function base.pairs(...)
  local object = ...
  if type(object) ~= "table" then
    type_error(1, "table", object, select("#", ...))
  elseif reals[object] then
    return next_of_stand_in, object, nil
  end
  return pairs(object)
end

function base.rawget(...)
  local object, key = ...
  local count = select("#", ...)
  if type(object) ~= "table" then
    type_error(1, "table", object, count)
  elseif count < 2 then
    arg_error(2, "value expected")
  end
  return rawget(reals[object] or object, key)
end

function base.rawset(...)
  local object, key, value = ...
  local count = select("#", ...)
  if type(object) ~= "table" then
    type_error(1, "table", object, count)
  elseif count < 2 then
    arg_error(2, "value expected")
  elseif count < 3 then
    arg_error(3, "value expected")
  elseif reals[object] then
    error(READONLY, 0)
  elseif key == nil then
    error("table index is nil", 0)
  elseif key ~= key then
    error("table index is NaN", 0)
  end
  return rawset(object, key, value)
end

-- As Redis's: of a table that was thrown, only the text comes out.
local function protected(ok, failure, ...)
  if not ok and type(failure) == "table" then
    local text = failure.err
    if type(text) == "string" or type(text) == "number" then
      return false, text
    end
  end
  return ok, failure, ...
end

function base.pcall(...)
  if select("#", ...) == 0 then
    arg_error(1, "value expected")
  end
  return protected(pcall(...))
end

local function handled(handler, ok, failure, ...)
  if ok then
    return ok, failure, ...
  end
  local fine, result = pcall(handler, failure)
  if not fine then
    result = "error in error handling"
  end
  return false, result
end

-- The handler runs after the error, not in the middle of it: within a hook's error no hook could end it.
function base.xpcall(...)
  local body, handler = ...
  if select("#", ...) < 2 then
    arg_error(2, "value expected")
  end
  return handled(handler, pcall(body))
end

-- Memory is the interpreter's own: what would change how it is collected for all scripts changes nothing.
local OPTIONS = {stop = 0, restart = 0, collect = true, count = true, step = true, setpause = 200, setstepmul = 200}

function base.collectgarbage(...)
  local option, argument = ...
  option = option == nil and "collect" or check_string(1, option, 1)
  if OPTIONS[option] == nil then
    arg_error(1, "invalid option '" .. option .. "'")
  end
  argument = argument ~= nil and check_number(2, argument, 2) or 0
  if OPTIONS[option] == true then
    return collectgarbage(option, argument)
  end
  return OPTIONS[option]
end

-- Loading -------------------------------------------------------------------------------------------------------

local globals  -- the environment of what is loaded

-- A chunk without tail calls: most functions that scripts call are Lua's here and C's in Redis, where a caller whose
-- last call is to C stays on the stack, and in the error's position.
local function compile(text, name)
  local chunk, failure = loadstring(text, name)
  if not chunk then
    return nil, failure
  elseif collectgarbage("count") > soft_limit then
    error(OUT_OF_MEMORY, 0)
  end
  return loadstring(patch(dump(chunk)))
end

-- Bytecode is refused with the words that a parser has for its first byte.
local function load_text(text, name)
  local display = name or text
  local chunk, failure
  if byte(text) == 27 then
    chunk, failure = loadstring("\1", display)
    failure = gsub(failure, "char%(1%)", "char(27)")
    return nil, failure
  end
  chunk, failure = compile(text, display)
  if not chunk then
    return nil, failure
  end
  return setfenv(chunk, globals)
end

-- The name of a chunk, as an argument in second place.
local function check_name(name)
  if name ~= nil then
    name = check_string(2, name, 2, 3)
  end
  return name
end

function base.loadstring(...)
  local text, name = ...
  text = check_string(1, text, select("#", ...))
  name = check_name(name)
  return load_text(text, name)
end

function base.load(...)
  local reader, name = ...
  if type(reader) ~= "function" then
    type_error(1, "function", reader, select("#", ...))
  end
  name = check_name(name)
  local pieces = {}
  while true do
    local ok, piece = pcall(reader)
    if not ok then
      return nil, piece
    elseif piece == nil or piece == "" then
      break
    elseif type(piece) ~= "string" and type(piece) ~= "number" then
      return nil, "reader function must return a string"
    end
    pieces[#pieces + 1] = piece
    if #pieces == 1 and byte(piece) == 27 then
      break
    end
  end
  return load_text(concat(pieces), name or "=(load)")
end

-- Tables --------------------------------------------------------------------------------------------------------

local tables = copy(table)

function tables.insert(...)
  local object = ...
  local count = select("#", ...)
  if type(object) ~= "table" then
    type_error(1, "table", object, count)
  elseif reals[object] then
    error(READONLY, 0)
  elseif count == 3 then
    local _, position = ...
    check_number(2, position, count)
  elseif count ~= 2 then
    error("wrong number of arguments to 'insert'", 2)
  end
  insert(...)
end

function tables.foreach(...)
  local object, visit = ...
  local count = select("#", ...)
  if type(object) ~= "table" then
    type_error(1, "table", object, count)
  elseif type(visit) ~= "function" then
    type_error(2, "function", visit, count)
  end
  return foreach(reals[object] or object, visit)
end

-- Strings -------------------------------------------------------------------------------------------------------

local strings = copy(string)

-- C's repeats nothing a billion times, and piece by piece.
function strings.rep(...)
  local text, times = ...
  local count = select("#", ...)
  text = check_string(1, text, count)
  local number = check_number(2, times, count)
  if number ~= number or number >= 2147483648 then
    number = number == number and #text > 0 and number or 0
  end
  local size = #text * number
  if size <= 0 then
    return ""
  elseif size > max_string then
    error(OUT_OF_MEMORY, 0)
  elseif #text < 512 and size > 65536 then
    local block = rep(text, floor(4096 / #text))
    local blocks = floor(size / #block)
    return rep(block, blocks) .. sub(block, 1, #text * floor(number) - #block * blocks)
  end
  return rep(text, number)
end

local NATIVE, SLOW, COMPLEX = 0, 2, 3  -- what `choose` says
local REFUSALS = {
  "^malformed pattern", "^missing '%[' after", "^unfinished capture", "^invalid ", "^too many captures", "^pattern too ",
  "^unbalanced pattern",
}

-- Raises, as of the caller's caller, what a function of C has refused for it.
local function retell(failure)
  if type(failure) == "string" then
    local position, text = match(failure, "^bad argument #(%d+) to '%?' %((.*)%)$")
    if position then
      arg_error(tonumber(position), text, 3)
    end
    for at = 1, #REFUSALS do
      if find(failure, REFUSALS[at]) then
        error(failure, 3)
      end
    end
  end
  error(failure, 0)
end

local function counted(...)
  return select("#", ...), {...}
end

local function matcher(name, native, slow, arguments_fit)
  strings[name] = function(...)
    local subject, pattern, third, fourth = ...
    if type(subject) == "number" then
      subject = tostring(subject)
    end
    local plain = name == "find" and fourth
    if not plain and type(subject) == "string" and type(pattern) == "string" and arguments_fit(third, fourth) then
      local way = choose(subject, pattern)
      if way == NATIVE then
        return native(...)
      elseif way == COMPLEX then
        error("pattern too complex", 2)
      elseif way == SLOW then
        local count, results = counted(pcall(slow, subject, pattern, third, fourth))
        if results[1] then
          return unpack(results, 2, count)
        end
        retell(results[2])
      end
    end
    local count, results = counted(pcall(native, ...))
    if results[1] then
      return unpack(results, 2, count)
    end
    retell(results[2])
  end
end

local function is_start(start)
  return start == nil or type(start) == "number"
end

matcher("find", find, patterns.find, is_start)
matcher("match", match, patterns.match, is_start)
matcher("gmatch", string.gmatch, patterns.gmatch, function()
  return true
end)
strings.gfind = strings.gmatch
local REPLACEMENTS = {string = true, number = true, ["function"] = true, table = true}
matcher("gsub", gsub, patterns.gsub, function(with, most)
  return REPLACEMENTS[type(with)] and is_start(most)
end)

-- Whether the function is none of a script's: all others are C's in Redis, and most are Lua's here.
local function is_ours(body)
  local info = getinfo(body, "S")
  return info.what == "C" or sources[info.source]
end

function strings.dump(...)
  local chunk = ...
  if type(chunk) ~= "function" then
    type_error(1, "function", chunk, select("#", ...))
  elseif is_ours(chunk) then
    error("unable to dump given function", 2)
  end
  return dump(chunk)
end

-- Long scripts --------------------------------------------------------------------------------------------------

local killed  -- why the script must end, as a table to throw; every instruction throws it until the script has ended
local exempt = {}  -- functions that go on nevertheless
local slowed = setmetatable({}, {__mode = "k"})  -- threads in which every instruction asks
local hook

-- Hooks belong to a thread, and a thread can catch what another one threw: each has to ask at every instruction.
local function throw_killed()
  sethook(hook, "", 1)
  local thread = running()
  if thread then
    slowed[thread] = true
  end
  error(killed, 0)
end

function hook()
  if killed then
    if not exempt[getinfo(2, "f").func] then
      throw_killed()
    end
    return
  elseif collectgarbage("count") > soft_limit then
    error(OUT_OF_MEMORY, 0)
  end
  local reason = tick()
  if reason then
    killed = {err = reason}
    throw_killed()
  end
end

-- The script that runs has to end now.
local function die()
  killed = {err = tick() or "ERR killed"}
  throw_killed()
end

local coroutines = copy(coroutine)

local function check_body(body)
  if type(body) ~= "function" or is_ours(body) then
    arg_error(1, "Lua function expected", 3)
  end
end

-- A thread with a hook of its own.
local function new_thread(body)
  if killed then
    throw_killed()
  end
  local thread = create(body)
  sethook(thread, hook, "", HOOK_COUNT)
  return thread
end

function coroutines.create(...)
  local body = ...
  check_body(body)
  local thread = new_thread(body)
  return thread
end

local function resumed(ok, ...)
  if killed then
    throw_killed()
  end
  return ok, ...
end

function coroutines.resume(...)
  local thread = ...
  if type(thread) ~= "thread" then
    arg_error(1, "coroutine expected")
  end
  return resumed(resume(...))
end

local function results(ok, failure, ...)
  if killed then
    throw_killed()
  elseif ok then
    return failure, ...
  end
  error(failure, type(failure) == "string" and 3 or 0)
end

function coroutines.wrap(...)
  local body = ...
  check_body(body)
  local thread = new_thread(body)
  return function(...)
    return results(resume(thread, ...))
  end
end

sethook(hook, "", HOOK_COUNT)

-- Together ------------------------------------------------------------------------------------------------------

local maths = copy(math)
maths.random, maths.randomseed = random or maths.random, randomseed or maths.randomseed

base.string, base.table, base.math, base.coroutine =
  readonly(strings), readonly(tables), readonly(maths), readonly(coroutines)
for name, content in next, libraries do
  base[name] = readonly(content)
end
string_facade = readonly({__index = base.string})
getmetatable("").__index = strings

-- Globals for scripts: everything above, and `more`.
local function make_globals(more)
  local content = copy(more, copy(base))
  local stand_in = new_globals(content)
  content._G = stand_in
  globals = stand_in
  return stand_in, content
end

-- The script has ended.
local function finish()
  if killed then
    sethook(hook, "", HOOK_COUNT)  -- first: until then every instruction asks
    killed = nil
    for thread in next, slowed do
      sethook(thread, hook, "", HOOK_COUNT)
      slowed[thread] = nil
    end
  end
end
exempt[finish] = true

-- Where an error was thrown: the function that raised it or, if that is not the script's, the one that called it.
local function locate()
  local level = 3
  local info = getinfo(level, "Sl")
  if info and info.what == "C" then
    level = level + 1
    info = getinfo(level, "Sl")
  end
  while info and (sources[info.source] or info.what == "tail") do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  return info
end

local function empty(content)
  for name in pairs(content) do
    content[name] = nil
  end
end

-- Nothing is left of the interpreter's own globals. To be called when everything is loaded.
local function seal()
  empty(package.loaded)
  empty(package.preload)
  empty(package)
  empty(_G)
end

return {
  copy = copy, die = die, exempt = exempt, finish = finish, load = load_text, locate = locate,
  make_globals = make_globals, readonly = readonly, reals = reals, seal = seal,
  undefined = undefined,
}
