-- Records in the order of an index. ARGV: index, prefix of records, first and last of the range (as ZRANGEBYLEX takes
-- them), how many (-1 for all), 'up' or 'down'. Answers [names in the index, values]. A name is a record's id, or a text
-- with a zero byte and the id behind it.
local command = ARGV[6] == 'down' and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
local ids = redis.call(command, KEYS[1] .. ARGV[1], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])
local values = {}
for n, id in ipairs(ids) do
  values[n] = redis.call('GET', KEYS[1] .. ARGV[2] .. string.match(id, '[^%z]*$'))
end
return { ids, values }
