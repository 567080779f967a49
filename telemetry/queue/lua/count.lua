#!lua flags=allow-oom
-- Note a counter of the broker, which starts again at 0 with the broker. Several bridges may say the
-- same. A fall means a new start: what it counts by then is new.
-- KEYS: broker     ARGV: count, now in seconds; fields of the sum, of the last count and of its time
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[4]) or '0')
local count = tonumber(ARGV[1])
local new = count
if count >= last then
  new = count - last
end
redis.call('HSET', KEYS[1], ARGV[4], count)
if new > 0 then
  redis.call('HINCRBY', KEYS[1], ARGV[3], new)
  redis.call('HSET', KEYS[1], ARGV[5], ARGV[2])
end
return new
