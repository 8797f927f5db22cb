-- Appends posts to the feed stream under contiguous numbers.
--
-- KEYS: meta hash, stream; one hash slot.
-- ARGV: stream length, a fresh epoch, then the posts.
-- Reply: epoch, number of the last post.
--
-- Meta and stream live and die together: where only one is left, or the stream
-- is empty although numbers were given, Redis lost data and a new epoch starts.
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'n')
local epoch, n = meta[1], tonumber(meta[2] or '0')
local length = redis.call('XLEN', KEYS[2])
if not epoch or (n > 0 and length == 0) or (n == 0 and length > 0) then
  redis.call('DEL', KEYS[2])
  epoch, n = ARGV[2], 0
end
for i = 3, #ARGV do
  n = n + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'n', string.format('%.0f', n), 'p', ARGV[i])
end
redis.call('HSET', KEYS[1], 'epoch', epoch, 'n', string.format('%.0f', n))
return { epoch, string.format('%.0f', n) }
