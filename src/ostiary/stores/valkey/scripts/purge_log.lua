-- Remove items of the log whose `until` is below a bound, but never the newest; and what is packed of them. ARGV: bound, how many at most.
local packed = KEYS[1] .. 'packed-until'
local log, untils = KEYS[1] .. 'log', KEYS[1] .. 'log-until'
local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if not newest then
  return 0
end
for _, block in ipairs(redis.call('ZRANGEBYSCORE', packed, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  redis.call('DEL', KEYS[1] .. 'packed:' .. block)
  redis.call('ZREM', packed, block)
end
local gone = 0
for _, position in ipairs(redis.call('ZRANGEBYSCORE', untils, '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])) do
  if position .. '-0' ~= newest[1] then
    redis.call('XDEL', log, position .. '-0')
    redis.call('ZREM', untils, position)
    gone = gone + 1
  end
end
return gone
