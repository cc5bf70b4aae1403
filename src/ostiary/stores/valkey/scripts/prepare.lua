-- What exists from the moment a store was made. ARGV: the issuer's record, a generation, the format.
-- Answers the issuer's record and the format as they are.
local prefix = KEYS[1]
redis.call('SETNX', prefix .. 'issuer:issuer', ARGV[1])
if redis.call('SETNX', prefix .. 'generation', ARGV[2]) == 1 then
  local time = redis.call('TIME')
  redis.call('SET', prefix .. 'born', time[1] .. '.' .. string.format('%06d', time[2]))
end
redis.call('SETNX', prefix .. 'format', ARGV[3])
redis.call('SET', prefix .. 'probed', redis.call('TIME')[1]) -- a write, whether or not there was anything to make
return { redis.call('GET', prefix .. 'issuer:issuer'), redis.call('GET', prefix .. 'format') }
