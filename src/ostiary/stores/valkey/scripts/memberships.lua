-- A record is one string: its revision (8 bytes), the length of what activity changes (1 byte) and that (0 or 32 bytes:
-- last seen, idle lifetime, expiry, expiry of its last credential, as doubles), the length (2 bytes) of the list of the
-- indexes that it is in, that list, and the fields. Whoever replaces or removes a record learns from the stored one
-- which indexes to leave, whatever version of the program wrote it.
--
-- An index is named by its tag: 'u' a key of its own that holds the record's id and nobody else's; 'z' a sorted set;
-- 'i', 'o' and 's' sorted sets whose score moves with activity: when it lies idle out, when it is over altogether, when
-- it was last seen.
local prefix = KEYS[1]

local function memberships(value)
  local found = {}
  local length, at = struct.unpack('>I2', value, 10 + string.byte(value, 9))
  local stop = at + length
  while at < stop do
    local tag, index, member
    tag, index, member, at = struct.unpack('>c1I2c0I2c0', value, at)
    found[#found + 1] = { tag, index, member }
  end
  return found
end

local function leave(tag, index, member)
  if tag == 'u' then
    redis.call('DEL', prefix .. index)
  else
    redis.call('ZREM', prefix .. index, member)
  end
end

local function remove(key, value)
  for _, m in ipairs(memberships(value)) do
    leave(m[1], m[2], m[3])
  end
  redis.call('DEL', key)
end
