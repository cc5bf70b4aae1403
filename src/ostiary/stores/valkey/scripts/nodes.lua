-- The nodes that asked lately, the longest silent first. ARGV: how many seconds ago a node must have asked last, how many
-- at most. Answers [name, seconds of silence, acknowledged position, what it says of itself] of each.
local prefix = KEYS[1]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local since = string.format('%.17g', now - tonumber(ARGV[1]))
local told = redis.call('ZRANGEBYSCORE', prefix .. 'nodes', since, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local nodes = {}
for n = 1, #told, 2 do
  nodes[#nodes + 1] = {
    told[n],
    string.format('%.6f', now - tonumber(told[n + 1])),
    redis.call('HGET', prefix .. 'acknowledged', told[n]),
    redis.call('HGET', prefix .. 'described', told[n]),
  }
end
return nodes
