-- For wrk: each time that an answer comes from another arm than the one before it, a line with the
-- moment (of the same clock as Python's time.monotonic) and the arm.
local ffi = require("ffi")
ffi.cdef[[
typedef struct { long seconds; long nanoseconds; } watch_time;
int clock_gettime(int clock, watch_time *now);
]]
local MONOTONIC = 1
local now = ffi.new("watch_time")
local last, told

function init(arguments)
  told = io.open(arguments[1], "w")
  told:setvbuf("line")
end

function response(status, headers, body)
  local arm = headers["X-Arm"] or "nobody"
  if arm ~= last then
    ffi.C.clock_gettime(MONOTONIC, now)
    last = arm
    told:write(string.format("%d.%09d %s\n", tonumber(now.seconds), tonumber(now.nanoseconds), arm))
  end
end
