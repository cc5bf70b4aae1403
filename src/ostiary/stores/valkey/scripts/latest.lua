-- Records by the score of an index, downwards, and by id where it is the same. ARGV: index, prefix of records, score and
-- id of the last one before (both empty for the beginning), how many. Answers their values.
local index, last, last_id, limit = KEYS[1] .. ARGV[1], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local values, skipped = {}, 0
while #values < limit do
  local wanted = limit + 1
  local top = last and string.format('%.17g', last) or '+inf'
  local found = redis.call('ZREVRANGEBYSCORE', index, top, '-inf', 'WITHSCORES', 'LIMIT', skipped, wanted)
  for n = 1, #found, 2 do
    if #values < limit and not (last and tonumber(found[n + 1]) == last and found[n] >= last_id) then
      values[#values + 1] = redis.call('GET', KEYS[1] .. ARGV[2] .. found[n]) or ''
    end
  end
  if #found < 2 * wanted then
    break
  end
  skipped = skipped + wanted
end
return values
