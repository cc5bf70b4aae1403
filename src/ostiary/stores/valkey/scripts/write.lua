-- KEYS[1]: the prefix. ARGV: the channel of the log, then change after change:
--   A key value scores   add         S key revision value scores   swap
--   E key revision       expect      R key revision                remove
--   L item until         append to the log
-- `scores` are those of the value's sorted sets, in their order, with a space between them.
-- Answers 1 if all conditions held and everything is done, 0 if one did not and nothing is.

-- First everything is judged, as it would be after the changes before it; nothing is written.
local values, holders, steps = {}, {}, {}

local function value_of(key)
  if values[key] == nil then
    values[key] = redis.call('GET', prefix .. key)
  end
  return values[key]
end

local function take(value)
  for _, m in ipairs(memberships(value)) do
    if m[1] == 'u' then
      local index = m[2]
      if holders[index] == nil then
        holders[index] = redis.call('EXISTS', prefix .. index) == 1
      end
      if holders[index] then
        return false
      end
      holders[index] = true
    end
  end
  return true
end

local function give_up(value)
  for _, m in ipairs(memberships(value)) do
    if m[1] == 'u' then
      holders[m[2]] = false
    end
  end
end

local at = 2
while at <= #ARGV do
  local op, key = ARGV[at], ARGV[at + 1]
  if op == 'L' then
    steps[#steps + 1] = { op, key, ARGV[at + 2] }
    at = at + 3
  elseif op == 'A' then
    local value = ARGV[at + 2]
    if value_of(key) or not take(value) then
      return 0
    end
    values[key] = value
    steps[#steps + 1] = { op, key, false, value, ARGV[at + 3] }
    at = at + 4
  else
    local old = value_of(key)
    if not old or string.sub(old, 1, 8) ~= ARGV[at + 2] then
      return 0
    end
    if op == 'S' then
      local value = ARGV[at + 3]
      give_up(old)
      if not take(value) then
        return 0
      end
      values[key] = value
      steps[#steps + 1] = { op, key, old, value, ARGV[at + 4] }
      at = at + 5
    else
      if op == 'R' then
        give_up(old)
        values[key] = false
        steps[#steps + 1] = { op, key, old }
      end
      at = at + 3
    end
  end
end

-- Then everything is done, in the same order.
local function put(key, old, value, scores)
  local was = {}
  if old then
    for _, m in ipairs(memberships(old)) do
      was[m[1] .. m[2] .. '\0' .. m[3]] = m
    end
  end
  local score = string.gmatch(scores, '%S+')
  local joins = {}
  for _, m in ipairs(memberships(value)) do
    local name = m[1] .. m[2] .. '\0' .. m[3]
    if m[1] == 'u' then
      if not was[name] then
        joins[#joins + 1] = { 'SET', prefix .. m[2], m[3] }
      end
    else
      joins[#joins + 1] = { 'ZADD', prefix .. m[2], score(), m[3] }
    end
    was[name] = nil
  end
  for _, m in pairs(was) do
    leave(m[1], m[2], m[3])
  end
  for _, command in ipairs(joins) do
    redis.call(unpack(command))
  end
  redis.call('SET', prefix .. key, value)
end

local told = {}
for _, step in ipairs(steps) do
  if step[1] == 'L' then
    local position = redis.call('INCR', prefix .. 'position')
    redis.call('XADD', prefix .. 'log', position .. '-0', 'e', step[2])
    redis.call('ZADD', prefix .. 'log-until', step[3], position)
    told[#told + 1] = struct.pack('>I2', #step[2]) .. step[2]
  elseif step[1] == 'R' then
    remove(prefix .. step[2], step[3])
  else
    put(step[2], step[3], step[4], step[5])
  end
end
if #told > 0 then
  redis.call('SPUBLISH', ARGV[1], table.concat(told))
end
return 1
