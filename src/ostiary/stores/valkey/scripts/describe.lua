-- Keep what a node says of itself, if it is known. ARGV: its name, the text.
local prefix = KEYS[1]
if redis.call('ZSCORE', prefix .. 'nodes', ARGV[1]) then
  redis.call('HSET', prefix .. 'described', ARGV[1], ARGV[2])
end
return 1
