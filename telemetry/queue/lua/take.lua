#!lua flags=allow-oom
-- Take tokens from buckets: from each what is wanted, or what is there. A bucket fills with time, and one
-- that is not there is full.
-- KEYS: buckets     ARGV: now in seconds, and for each bucket: tokens a second, most tokens, wanted
local now = tonumber(ARGV[1])
local taken = {}
for n, key in ipairs(KEYS) do
  local rate, most, wanted = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n]), tonumber(ARGV[3 * n + 1])
  local found = redis.call('HMGET', key, 'tokens', 'at')
  local at = math.max(now, tonumber(found[2] or now))
  local tokens = math.min(most, tonumber(found[1] or most) + (at - tonumber(found[2] or at)) * rate)
  taken[n] = math.min(wanted, math.max(0, math.floor(tokens)))
  redis.call('HSET', key, 'tokens', tokens - taken[n], 'at', at)
  redis.call('EXPIRE', key, 3600)
end
return taken
