-- Starts a new epoch because the numbers of this one went back: Redis lost the
-- last of them. The first that notices wins; for the others nothing is left.
--
-- KEYS: meta hash, stream. ARGV: the epoch seen, the number seen, a fresh epoch.
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'n')
if meta[1] == ARGV[1] and tonumber(meta[2] or '0') < tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'n', '0')
end
return 1
