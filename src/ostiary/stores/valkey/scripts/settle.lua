-- End a pledge. ARGV: its name; the channel of the log to fulfil it, or '' to drop it; '1' if it is another's.
-- Answers 1 if that is done, or somebody else has fulfilled it; 0 if there is no such pledge; 2 if it could not be
-- fulfilled and was dropped.
local name = ARGV[1]
local packed = redis.call('GET', prefix .. 'pledge:' .. name)
if not packed then
  redis.call('ZREM', prefix .. 'pledges', name)
  return redis.call('EXISTS', prefix .. 'fulfilled:' .. name)
end
local pledge, answer = cmsgpack.unpack(packed), 1
if ARGV[2] ~= '' then
  local steps = judge(pledge[2], 1, name)
  if steps then
    act(steps, ARGV[2])
    if ARGV[3] == '1' then
      redis.call('SET', prefix .. 'fulfilled:' .. name, 1, 'EX', 3600) -- its maker may still ask
    end
  else
    answer = 2 -- somebody changed our keys who is not this program
  end
end
for _, key in ipairs(pledge[1]) do
  redis.call('DEL', prefix .. 'pledged:' .. key)
end
redis.call('DEL', prefix .. 'pledge:' .. name)
redis.call('ZREM', prefix .. 'pledges', name)
return answer
