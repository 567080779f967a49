#!lua flags=allow-oom
-- Take tokens from buckets: of each what is wanted, or the whole messages that there are tokens for; what is
-- missing then from its bucket of excess, likewise. A bucket fills with time, and one that is not there is
-- full: it is forgotten when it would be.
-- KEYS: buckets     ARGV: now in seconds, how many times larger buckets of excess are, and for each bucket:
--   tokens a second, most tokens, tokens wanted, tokens of the largest message
local now, times = tonumber(ARGV[1]), tonumber(ARGV[2])
local taken = {}
local function take(tokens, wanted, largest)
  if tokens >= wanted then
    return wanted
  end
  return math.max(0, math.floor(tokens / largest) * largest)
end
for n, key in ipairs(KEYS) do
  local rate, most = tonumber(ARGV[4 * n - 1]), tonumber(ARGV[4 * n])
  local wanted, largest = tonumber(ARGV[4 * n + 1]), tonumber(ARGV[4 * n + 2])
  local found = redis.call('HMGET', key, 'tokens', 'excess', 'at')
  local at = math.max(now, tonumber(found[3] or now))
  local more = (at - tonumber(found[3] or at)) * rate
  local tokens = math.min(most, tonumber(found[1] or most) + more)
  local excess = math.min(most * times, tonumber(found[2] or most * times) + more * times)
  local within = take(tokens, wanted, largest)
  local above = take(excess, wanted - within, largest)
  taken[2 * n - 1], taken[2 * n] = within, above
  redis.call('HSET', key, 'tokens', tokens - within, 'excess', excess - above, 'at', at)
  redis.call('EXPIRE', key, math.ceil(most / rate) + 60)
end
return taken
