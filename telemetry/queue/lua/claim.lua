#!lua flags=allow-oom
-- Start on a batch: count the attempt and hand out its fields. Empty when it is gone. A batch that was
-- put aside is pending again, and counts as received now: what waited on purpose is not late.
-- KEYS: batch, pending, held, counters     ARGV: id, now in seconds
local was_held = redis.call('ZREM', KEYS[3], ARGV[1]) == 1
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
if was_held then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
  redis.call('HINCRBY', KEYS[4], 'pending_messages', redis.call('HGET', KEYS[1], 'messages'))
end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'claimed_at', ARGV[2])
return redis.call('HMGET', KEYS[1], 'source', 'received_us', 'messages', 'seq', 'attempts', 'body',
  'is_suspect')
