"""What Redis does in one step: each runs alone, so nothing comes between a look and a change.

Times are Redis's own, in milliseconds. ``readers`` is a sorted set of a consumer's processes by the
time until which they count, ``leases`` a hash of who holds a partition.
"""

from __future__ import annotations

from typing import Final

_NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# KEYS: streams. ARGV: how many events each of them gets, then the events, stream by stream.
PUBLISH: Final = """
local at = #KEYS
for i, stream in ipairs(KEYS) do
  for _ = 1, ARGV[i] do
    at = at + 1
    redis.call('XADD', stream, '*', 'event', ARGV[at])
  end
end
"""

# KEYS: readers, leases. ARGV: me, for how long.
LOOK: Final = f"""{_NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
return {{redis.call('ZRANGE', KEYS[1], 0, -1), redis.call('HGETALL', KEYS[2])}}
"""

# KEYS: readers, leases. ARGV: me, names.
TAKE: Final = f"""{_NOW}
local taken = {{}}
for i = 2, #ARGV do
  local holder = redis.call('HGET', KEYS[2], ARGV[i])
  local till = holder and redis.call('ZSCORE', KEYS[1], holder)
  if not till or tonumber(till) <= now then
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
    taken[#taken + 1] = ARGV[i]
  end
end
return taken
"""

# KEYS: leases. ARGV: me, names.
LEAVE: Final = """
for i = 2, #ARGV do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""

# KEYS: readers, leases. ARGV: me.
QUIT: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
local held = redis.call('HGETALL', KEYS[2])
for i = 1, #held, 2 do
  if held[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[2], held[i]) end
end
"""

# KEYS: streams. ARGV: group. Returns up to where each has been delivered. A group that is not there
# begins with the first event there is.
ENTER: Final = """
local last = {}
for i, stream in ipairs(KEYS) do
  redis.pcall('XGROUP', 'CREATE', stream, ARGV[1], '0', 'MKSTREAM')
  last[i] = '0-0'
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local about = {}
    for n = 1, #group, 2 do about[group[n]] = group[n + 1] end
    if about['name'] == ARGV[1] then last[i] = about['last-delivered-id'] end
  end
end
return last
"""

# KEYS: readers, leases, streams. ARGV: me, for how long, how many, group; then for each stream the
# name of its lease, and after which of the pending ones to read (> for new ones).
# Returns nothing to whom a lease has been lost; else for each stream that has some its number, and
# of each event its id and itself, which is empty if somebody has deleted it.
READ: Final = f"""{_NOW}
local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not till or tonumber(till) <= now then return false end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local left, found = tonumber(ARGV[3]), {{}}
for i = 3, #KEYS do
  if left <= 0 then break end
  local stream, after = KEYS[i], ARGV[2 * i]
  if redis.call('HGET', KEYS[2], ARGV[2 * i - 1]) ~= ARGV[1] then return false end
  local function ask(id)
    return redis.pcall(
      'XREADGROUP', 'GROUP', ARGV[4], 'reader', 'COUNT', left, 'STREAMS', stream, id)
  end
  local got = ask(after)
  if got and got.err and string.find(got.err, 'NOGROUP') then
    redis.call('XGROUP', 'CREATE', stream, ARGV[4], '0', 'MKSTREAM')
    got = ask('>')
  end
  if got and got.err then return got end
  if got then
    local part = {{i - 3}}
    for n, entry in ipairs(got[1][2]) do
      part[2 * n] = entry[1]
      part[2 * n + 1] = entry[2] and entry[2][2] or ''
      left = left - 1
    end
    found[#found + 1] = part
  end
end
return found
"""

# KEYS: streams. ARGV: group. Returns how many events it has not acknowledged.
BACKLOG: Final = """
local total = 0
for _, stream in ipairs(KEYS) do
  local known = false
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {} or groups) do
    local about = {}
    for n = 1, #group, 2 do about[group[n]] = group[n + 1] end
    if about['name'] == ARGV[1] then
      known = true
      total = total + about['pending']
      if about['lag'] then
        total = total + about['lag']
      else
        local after = about['last-delivered-id']
        repeat
          local some = redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', 1000)
          total = total + #some
          after = #some > 0 and some[#some][1]
        until not after
      end
    end
  end
  if not known then total = total + redis.call('XLEN', stream) end
end
return total
"""

# KEYS: streams. ARGV: for how many milliseconds to keep what everybody has acknowledged.
TRIM: Final = f"""{_NOW}
local function parts(id)
  local before, after = string.match(id, '(%d+)-(%d+)')
  return tonumber(before), tonumber(after)
end
local function earlier(one, other)
  local a, b = parts(one)
  local c, d = parts(other)
  if a < c or (a == c and b < d) then return one end
  return other
end
local trimmed = 0
for _, stream in ipairs(KEYS) do
  local keep = string.format('%.0f-0', math.max(now - ARGV[1], 0))
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {{}} or groups) do
    local about = {{}}
    for n = 1, #group, 2 do about[group[n]] = group[n + 1] end
    keep = earlier(keep, about['last-delivered-id'])
    if about['pending'] > 0 then
      keep = earlier(keep, redis.call('XPENDING', stream, about['name'])[2])
    end
  end
  trimmed = trimmed + redis.call('XTRIM', stream, 'MINID', '~', keep)
end
return trimmed
"""
