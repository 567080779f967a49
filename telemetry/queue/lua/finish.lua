#!lua flags=allow-oom
-- Forget a stored batch. Repeating it changes nothing.
-- KEYS: batch, pending, held, counters     ARGV: id
local count = redis.call('HGET', KEYS[1], 'messages')
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 and count then
  redis.call('HINCRBY', KEYS[4], 'pending_messages', -count)
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1])
return 1
