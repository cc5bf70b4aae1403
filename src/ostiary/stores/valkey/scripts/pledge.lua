-- Promise changes: from now on nobody else changes what they look at, until the pledge is fulfilled or dropped.
-- ARGV: the name of the pledge, then changes. Answers 1 if it is made, 0 if a condition does not hold, or the name of a
-- pledge that must be settled first.
local name = ARGV[1]
local steps, by, keys = judge(ARGV, 2, name)
if not steps then
  return by or 0
end
-- Whoever wants to know all sessions of an account must know of those that are being added.
for _, step in ipairs(steps) do
  if step[4] then
    for _, m in ipairs(memberships(step[4])) do
      if string.sub(m[2], 1, 12) == 'sessions-of:' then
        local whose = pledged(m[2])
        if whose and whose ~= name then
          return whose
        end
        keys[#keys + 1] = m[2]
      end
    end
  end
end
for _, key in ipairs(keys) do
  redis.call('SET', prefix .. 'pledged:' .. key, name)
end
local changes = {}
for n = 2, #ARGV do
  changes[n - 1] = ARGV[n]
end
redis.call('SET', prefix .. 'pledge:' .. name, cmsgpack.pack({ keys, changes }))
local time = redis.call('TIME')
redis.call('ZADD', prefix .. 'pledges', time[1] .. '.' .. string.format('%06d', time[2]), name)
return 1
