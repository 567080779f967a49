#!lua flags=allow-oom
-- Tell the other workers which gateways were heard, and learn what was told since. Who asks keeps the set
-- for as long as the window is; who only answers does not.
-- KEYS: set     ARGV: what is told, when it was read last in microseconds, seconds of the window, '1' who asks
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
local is_new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3] * 1000000)
if is_new or ARGV[4] == '1' then
  redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[3]))
end
return {now, redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '+inf', 'WITHSCORES')}
