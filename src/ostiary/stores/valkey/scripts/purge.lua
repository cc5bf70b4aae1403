-- Remove records whose score in an index is below a bound. ARGV: index, prefix of records, bound, how many at most.
-- Answers how many were removed.
-- What somebody has pledged to change stays for now.
local index, gone = prefix .. ARGV[1], 0
local has_pledges = redis.call('EXISTS', prefix .. 'pledges') == 1
for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])) do
  local key = prefix .. ARGV[2] .. id
  if not (has_pledges and redis.call('EXISTS', prefix .. 'pledged:' .. ARGV[2] .. id) == 1) then
    local value = redis.call('GET', key)
    if value then
      remove(key, value)
    end
    redis.call('ZREM', index, id) -- a record leaves it by itself; if one did not, it must not stay for ever
    gone = gone + 1
  end
end
return gone
