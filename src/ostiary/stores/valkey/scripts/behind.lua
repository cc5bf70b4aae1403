-- How many nodes have not acknowledged an item. ARGV: its position, its first bytes (empty for the beginning of the
-- log), and how many seconds ago a node must have asked last to count. Answers nothing if it cannot be told.
local prefix = KEYS[1]
if ARGV[2] ~= '' then
  local id = ARGV[1] .. '-0'
  local here = redis.call('XRANGE', prefix .. 'log', id, id)[1]
  if not here or string.sub(here[2][2], 1, #ARGV[2]) ~= ARGV[2] then
    return false
  end
end
local time = redis.call('TIME')
local since = time[1] + time[2] / 1000000 - tonumber(ARGV[3])
local born = redis.call('GET', prefix .. 'born')
if not born or tonumber(born) > since then
  return false
end
local behind, position = 0, tonumber(ARGV[1])
for _, node in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'nodes', string.format('%.17g', since), '+inf')) do
  if tonumber(redis.call('HGET', prefix .. 'acknowledged', node) or 0) < position then
    behind = behind + 1
  end
end
return behind
