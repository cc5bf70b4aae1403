-- Changes, as arguments one after another:
--   A key value scores   add         S key revision value scores   swap
--   E key revision       expect      R key revision                remove
--   L item until         append to the log
-- `scores` are those of the value's sorted sets, in their order, with a space between them.

-- Whose pledge keeps others from a key: nobody's, in a store that knows no pledges.
local has_pledges = redis.call('EXISTS', prefix .. 'pledges') == 1
local function pledged(key)
  return has_pledges and redis.call('GET', prefix .. 'pledged:' .. key)
end

-- Judges changes, each as it would be after those before it, and writes nothing. Answers the steps to take; or nil if a
-- condition does not hold; or nil and the name of a pledge, not `own`, that must be settled first. The third answer are
-- the keys that it looked at.
local function judge(arguments, at, own)
  local values, holders, steps, keys = {}, {}, {}, {}

  local function blocked(key)
    keys[#keys + 1] = key
    local by = pledged(key)
    return by and by ~= own and by
  end

  local function value_of(key)
    if values[key] == nil then
      values[key] = redis.call('GET', prefix .. key)
    end
    return values[key]
  end

  -- Take the unique values of a record: true, or false and who has pledged one.
  local function take(value)
    for _, m in ipairs(memberships(value)) do
      if m[1] == 'u' then
        local index = m[2]
        local by = blocked(index)
        if by then
          return false, by
        end
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

  while at <= #arguments do
    local op, key = arguments[at], arguments[at + 1]
    if op == 'L' then
      steps[#steps + 1] = { op, key, arguments[at + 2] }
      at = at + 3
    else
      local by = blocked(key)
      if by then
        return nil, by
      end
      local old = value_of(key)
      if op == 'A' then
        local value = arguments[at + 2]
        if old then
          return nil
        end
        local taken, whose = take(value)
        if not taken then
          return nil, whose
        end
        values[key] = value
        steps[#steps + 1] = { op, key, false, value, arguments[at + 3] }
        at = at + 4
      else
        if not old or string.sub(old, 1, 8) ~= arguments[at + 2] then
          return nil
        end
        if op == 'S' then
          local value = arguments[at + 3]
          give_up(old)
          local taken, whose = take(value)
          if not taken then
            return nil, whose
          end
          values[key] = value
          steps[#steps + 1] = { op, key, old, value, arguments[at + 4] }
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
  end
  return steps, nil, keys
end
