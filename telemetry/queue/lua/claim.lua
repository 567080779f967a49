#!lua flags=allow-oom
-- Start on a batch: count the attempt and hand out its fields. Empty when it is gone.
-- KEYS: batch     ARGV: now in seconds
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'claimed_at', ARGV[1])
return redis.call('HMGET', KEYS[1], 'source', 'received_us', 'messages', 'seq', 'attempts', 'body')
