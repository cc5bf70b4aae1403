-- What exists from the moment a store was made. ARGV: the issuer's record, a generation, the format.
-- Answers the issuer's record and the format as they are.
redis.call('SETNX', KEYS[1] .. 'issuer:issuer', ARGV[1])
redis.call('SETNX', KEYS[1] .. 'generation', ARGV[2])
redis.call('SETNX', KEYS[1] .. 'format', ARGV[3])
return { redis.call('GET', KEYS[1] .. 'issuer:issuer'), redis.call('GET', KEYS[1] .. 'format') }
