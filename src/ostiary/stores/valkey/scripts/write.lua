-- KEYS[1]: the prefix. ARGV: the channel of the log, then changes. Answers 1 if all conditions held and everything is
-- done, 0 if one did not and nothing is, or the name of a pledge that must be settled first.
local steps, by = judge(ARGV, 2)
if not steps then
  return by or 0
end
act(steps, ARGV[1])
return 1
