-- Keeps what is remembered of some posts. The newer reading wins; the same one
-- again, or an older one, changes nothing.
--
-- KEYS: one a post, all in one hash slot.
-- ARGV: time-to-live (ms), then a body for each key. A body begins with the time
--       of its newest reading in ms, 15 digits.
for i, key in ipairs(KEYS) do
  local body = ARGV[i + 1]
  local old = redis.call('GETRANGE', key, 0, 14)
  if old == '' or tonumber(old) < tonumber(string.sub(body, 1, 15)) then
    redis.call('SET', key, body, 'PX', ARGV[1])
  end
end
return redis.status_reply('OK')
