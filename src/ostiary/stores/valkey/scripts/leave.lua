-- Forget a node, and those that have not been heard of for a day. ARGV: its name.
local prefix = KEYS[1]
local silent = redis.call('ZRANGEBYSCORE', prefix .. 'nodes', '-inf', redis.call('TIME')[1] - 86400, 'LIMIT', 0, 1000)
silent[#silent + 1] = ARGV[1]
redis.call('ZREM', prefix .. 'nodes', unpack(silent))
redis.call('HDEL', prefix .. 'acknowledged', unpack(silent))
redis.call('HDEL', prefix .. 'described', unpack(silent))
return 1
