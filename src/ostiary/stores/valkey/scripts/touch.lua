-- Raise when sessions were last seen. ARGV: the prefix of records, then id and instant after id and instant.
local last_seen = 10 -- where the four doubles begin
for n = 2, #ARGV, 2 do
  local key, at = prefix .. ARGV[1] .. ARGV[n], tonumber(ARGV[n + 1])
  local value = redis.call('GET', key)
  if value then
    local seen, idle, expiry, credential = struct.unpack('>dddd', value, last_seen)
    if seen < at then
      local idle_out = math.min(at + idle, expiry)
      local is_open = false
      for _, m in ipairs(memberships(value)) do
        if m[1] == 'i' then -- an ended session is not in it
          is_open = true
          redis.call('ZADD', prefix .. m[2], string.format('%.17g', idle_out), m[3])
        end
      end
      if is_open then
        for _, m in ipairs(memberships(value)) do
          if m[1] == 's' then
            redis.call('ZADD', prefix .. m[2], string.format('%.17g', at), m[3])
          elseif m[1] == 'o' then
            redis.call('ZADD', prefix .. m[2], string.format('%.17g', math.max(idle_out, credential)), m[3])
          end
        end
        redis.call('SET', key, string.sub(value, 1, 9) .. struct.pack('>d', at) .. string.sub(value, 18))
      end
    end
  end
end
return 1
