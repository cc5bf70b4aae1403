-- What stands in the log after a cursor. ARGV: the position of the cursor, the first bytes of its item (empty for the
-- beginning of the log), how many items at most, a generation in case that there is none, the name of the node or ''.
-- It always writes: whoever may not write here, because it is a replica or an old primary that was cut off from its
-- replicas, must not tell anybody that nothing was revoked.
-- Answers [generation, whether the cursor is in the log, whether items were left out, [position, item, ...]].
local prefix, log = KEYS[1], KEYS[1] .. 'log'
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
if redis.call('SETNX', prefix .. 'generation', ARGV[4]) == 1 then
  redis.call('SET', prefix .. 'born', now)
end
local generation, limit = redis.call('GET', prefix .. 'generation'), tonumber(ARGV[3])

local after, matches = '-', true
if ARGV[2] ~= '' then
  local id = ARGV[1] .. '-0'
  local here = redis.call('XRANGE', log, id, id)[1]
  matches = here and string.sub(here[2][2], 1, #ARGV[2]) == ARGV[2]
  after = '(' .. id
end
if ARGV[5] == '' then
  redis.call('SET', prefix .. 'probed', now)
else
  redis.call('ZADD', prefix .. 'nodes', now, ARGV[5])
  redis.call('HSET', prefix .. 'acknowledged', ARGV[5], matches and ARGV[1] or 0)
end
if not matches then
  return { generation, 0, 0, {} }
end

local items, told = redis.call('XRANGE', log, after, '+', 'COUNT', limit + 1), {}
for n = 1, math.min(#items, limit) do
  told[2 * n - 1] = items[n][1]
  told[2 * n] = items[n][2][2]
end
return { generation, 1, #items > limit and 1 or 0, told }
