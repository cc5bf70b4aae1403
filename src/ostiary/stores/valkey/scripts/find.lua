-- The record that holds a unique value. ARGV: the key of the value, the prefix of records.
local id = redis.call('GET', KEYS[1] .. ARGV[1])
return id and redis.call('GET', KEYS[1] .. ARGV[2] .. id)
