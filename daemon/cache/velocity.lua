-- Takes the readings of some posts, oldest first, and answers for each reading
-- which earlier one its velocity is measured against. The same reading again
-- gets the same answer; an older one changes nothing.
--
-- KEYS: one a post, all in one hash slot.
-- ARGV: time-to-live (ms), shortest step (ms), then for each post the number of
--       its readings and for each reading: time (ms), score, comments.
-- Reply: for each reading four strings: "new", "same" or "stale", and time,
--        score and comments of the reading to measure against ("" if none).
--
-- A post's hash holds three readings: last (t s c), a mid one (mt ms mc) and
-- the reference (pt ps pc). The reference moves on only to readings at least one
-- step older than the newest, so that fuzz is never divided by a short time.
local ttl, step = ARGV[1], tonumber(ARGV[2])
local at, reply = 3, {}

local function answer(status, h)
  reply[#reply + 1] = status
  local t, s, c = h.pt, h.ps, h.pc
  if not t and h.mt and h.mt ~= h.t then
    t, s, c = h.mt, h.ms, h.mc
  end
  reply[#reply + 1] = t and string.format('%.0f', t) or ''
  reply[#reply + 1] = t and string.format('%.0f', s) or ''
  reply[#reply + 1] = t and string.format('%.0f', c) or ''
end

local function advance(h, t, s, c)
  if not h.t then
    h.mt, h.ms, h.mc = t, s, c
  elseif t - h.t >= step then
    h.pt, h.ps, h.pc = h.t, h.s, h.c
    h.mt, h.ms, h.mc = h.t, h.s, h.c
  elseif t - h.mt >= step then
    h.pt, h.ps, h.pc = h.mt, h.ms, h.mc
    h.mt, h.ms, h.mc = h.t, h.s, h.c
  end
  h.t, h.s, h.c = t, s, c
end

for _, key in ipairs(KEYS) do
  local v = redis.call('HMGET', key, 't', 's', 'c', 'mt', 'ms', 'mc', 'pt', 'ps', 'pc')
  local h = {
    t = tonumber(v[1] or nil), s = tonumber(v[2] or nil), c = tonumber(v[3] or nil),
    mt = tonumber(v[4] or nil), ms = tonumber(v[5] or nil), mc = tonumber(v[6] or nil),
    pt = tonumber(v[7] or nil), ps = tonumber(v[8] or nil), pc = tonumber(v[9] or nil),
  }
  local changed = false
  local n = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, n do
    local t, s, c = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 3
    if h.t and t < h.t then
      answer('stale', {})
    elseif h.t and t == h.t then
      answer('same', h)
    else
      advance(h, t, s, c)
      changed = true
      answer('new', h)
    end
  end
  if changed then
    local fields = { 't', string.format('%.0f', h.t), 's', string.format('%.0f', h.s),
      'c', string.format('%.0f', h.c), 'mt', string.format('%.0f', h.mt),
      'ms', string.format('%.0f', h.ms), 'mc', string.format('%.0f', h.mc) }
    if h.pt then
      for k, f in pairs({ pt = h.pt, ps = h.ps, pc = h.pc }) do
        fields[#fields + 1] = k
        fields[#fields + 1] = string.format('%.0f', f)
      end
    end
    redis.call('HSET', key, unpack(fields))
    redis.call('PEXPIRE', key, ttl)
  end
end
return reply
