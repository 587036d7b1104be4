-- math.random and math.randomseed: the 48-bit linear congruential generator of drand48, so that every server draws
-- the same numbers. Its state goes on from script to script.

local common = ...
local floor, select, error, tonumber = math.floor, select, error, tonumber
local arg_error, check_number, to_int = common.arg_error, common.check_number, common.to_int

-- The state, in halves of 24 bits: 0x1234ABCD330E, as in drand48 before any seed.
local high, low = 0x1234AB, 0xCD330E

-- The next draw, below 2147483647.
local function draw()
  local product = low * 0xECE66D + 0xB
  local carried = floor(product / 16777216)
  high = (high * 0xECE66D + low * 0x5DE + carried) % 16777216
  low = product % 16777216
  return (high * 128 + floor(low / 131072)) % 2147483647
end

local function random(...)
  local count = select("#", ...)
  local share = draw() / 2147483647
  if count == 0 then
    return share
  end
  local first, second = ...
  if count == 1 then
    local upper = to_int(check_number(1, first, count))
    if upper < 1 then
      arg_error(1, "interval is empty")
    end
    return floor(share * upper) + 1
  end
  if count ~= 2 then
    error("wrong number of arguments", 2)
  end
  local lower = to_int(check_number(1, first, count))
  local upper = to_int(check_number(2, second, count))
  if lower > upper then
    arg_error(2, "interval is empty")
  end
  return floor(share * to_int(upper - lower + 1)) + lower
end

local function randomseed(...)
  local seed = to_int(check_number(1, (...), select("#", ...))) % 4294967296
  high = floor(seed / 256)
  low = seed % 256 * 65536 + 0x330E
end

return {random = random, randomseed = randomseed}
