-- Does what was judged, in the same order.
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
      local new = score()
      if not was[name] or new ~= '0' then -- sorted by name alone: it is there already
        joins[#joins + 1] = { 'ZADD', prefix .. m[2], new, m[3] }
      end
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

-- The log once more, for whoever is far behind: of 4096 positions each, one string of 22 bytes for each position, which
-- are the id of a session that ended or say that something else stands there. It holds no gap if it has its full length:
-- a program that knows nothing of it leaves it shorter. `packed-until`: when all of its sessions may be forgotten.
local ended, elsewhere = 's\0\31\255\255\255\255\255\255', string.rep('\255', 22)

local function pack(position, item, expires)
  local block, id = string.format('%.0f', math.floor((position - 1) / 4096)), string.sub(item, 30)
  local is_ended = #item == 51 and string.sub(item, 9, 17) == ended and string.sub(item, 26, 29) == 'ses_'
  if is_ended and not string.find(id, '[^%w_-]') then
    redis.call('APPEND', prefix .. 'packed:' .. block, id)
    redis.call('ZADD', prefix .. 'packed-until', 'GT', expires, block)
  elseif redis.call('APPEND', prefix .. 'packed:' .. block, elsewhere) == 22 then
    redis.call('ZADD', prefix .. 'packed-until', 'NX', 0, block)
  end
end

local function act(steps, channel)
  local told, before, last = {}, nil, nil
  for _, step in ipairs(steps) do
    if step[1] == 'L' then
      before = before or redis.call('XREVRANGE', prefix .. 'log', '+', '-', 'COUNT', 1)
      local position = redis.call('INCR', prefix .. 'position')
      last = position .. '-0'
      redis.call('XADD', prefix .. 'log', position .. '-0', 'e', step[2])
      redis.call('ZADD', prefix .. 'log-until', step[3], position)
      pack(position, step[2], step[3])
      told[#told + 1] = struct.pack('>I2', #step[2]) .. step[2]
    elseif step[1] == 'R' then
      remove(prefix .. step[2], step[3])
    else
      put(step[2], step[3], step[4], step[5])
    end
  end
  if #told > 0 then
    local newest = before[1] -- the item that these follow
    local place = newest and struct.pack('>I2', #newest[1]) .. newest[1] .. string.sub(newest[2][2], 1, 8) or '\0\0'
    redis.call('SPUBLISH', channel, place .. struct.pack('>I2', #last) .. last .. table.concat(told))
  end
end
