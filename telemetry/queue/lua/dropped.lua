#!lua flags=allow-oom
-- Note the broker's own count of dropped messages, which starts again at 0 with the broker. Several
-- bridges may say the same. A fall means a new start: what it counts by then is new.
-- KEYS: broker     ARGV: count, now in seconds
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
local count = tonumber(ARGV[1])
local new = count
if count >= last then
  new = count - last
end
redis.call('HSET', KEYS[1], 'last', count)
if new > 0 then
  redis.call('HINCRBY', KEYS[1], 'dropped', new)
  redis.call('HSET', KEYS[1], 'dropped_at', ARGV[2])
end
return new
