-- Remove records whose score in an index is below a bound. ARGV: index, prefix of records, bound, how many at most.
-- Answers how many were removed.
local index, gone = prefix .. ARGV[1], 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])) do
  local key = prefix .. ARGV[2] .. id
  local value = redis.call('GET', key)
  if value then
    remove(key, value)
  end
  redis.call('ZREM', index, id) -- a record always leaves it by itself; if one did not, it must not stay here for ever
  gone = gone + 1
end
return gone
