-- What follows a cursor, in bulk. ARGV: the position of the cursor, the first bytes of its item (empty for the beginning
-- of the log), how many blocks at most.
-- Answers [generation, the last item that is told of, [position, item, ...], [until, ids, ...]]: for each block that has
-- no gap its ids with the 22 bytes 255 where an item is told apart; or nothing if the first one has one, or the log does not
-- hold the cursor.
local prefix, log = KEYS[1], KEYS[1] .. 'log'
if ARGV[2] ~= '' then
  local id = ARGV[1] .. '-0'
  local here = redis.call('XRANGE', log, id, id)[1]
  if not here or string.sub(here[2][2], 1, #ARGV[2]) ~= ARGV[2] then
    return false
  end
end
local next_item = redis.call('XRANGE', log, '(' .. ARGV[1] .. '-0', '+', 'COUNT', 1)[1]
if not next_item then
  return false
end
local first = math.floor((tonumber(string.match(next_item[1], '^%d+')) - 1) / 4096)
local blocks, items, last = {}, {}, nil
for block = first, first + ARGV[3] - 1 do
  local name = string.format('%.0f', block)
  local ids = redis.call('GET', prefix .. 'packed:' .. name)
  local expires = redis.call('ZSCORE', prefix .. 'packed-until', name)
  if not ids or #ids ~= 4096 * 22 or not expires then
    break
  end
  blocks[#blocks + 1] = expires
  blocks[#blocks + 1] = ids
  last = string.format('%.0f-0', (block + 1) * 4096)
  local at = string.find(ids, '\255', 1, true)
  while at do
    local id = string.format('%.0f-0', block * 4096 + (at - 1) / 22 + 1)
    local item = redis.call('XRANGE', log, id, id)[1]
    if item then -- else it was removed
      items[#items + 1] = id
      items[#items + 1] = item[2][2]
    end
    at = string.find(ids, '\255', at + 22, true)
  end
end
if not last then
  return false
end
local reached = redis.call('XREVRANGE', log, last, '-', 'COUNT', 1)[1]
return { redis.call('GET', prefix .. 'generation'), { reached[1], reached[2][2] }, items, blocks }
