-- Notes that a node has applied everything up to the newest item. ARGV: the position of that item, its first bytes
-- (empty for the beginning of the log), the name of the node. Answers 0, and notes nothing, if another item is the
-- newest or nobody knows this node.
local prefix = KEYS[1]
local newest = redis.call('XREVRANGE', prefix .. 'log', '+', '-', 'COUNT', 1)[1]
local here
if ARGV[2] == '' then
  here = not newest
else
  here = newest and newest[1] == ARGV[1] .. '-0' and string.sub(newest[2][2], 1, #ARGV[2]) == ARGV[2]
end
if not here or not redis.call('ZSCORE', prefix .. 'nodes', ARGV[3]) then
  return 0
end
redis.call('HSET', prefix .. 'acknowledged', ARGV[3], ARGV[1])
return 1
