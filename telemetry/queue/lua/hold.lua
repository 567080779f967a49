#!lua flags=allow-oom
-- Put a batch aside: no worker waits for it, and it is not in the way of what is pending. The start
-- that ends here does not count. No limit holds it when it comes back: it is late through no fault of who
-- sent it.
-- KEYS: batch, pending, held, counters, claims of the owner     ARGV: id
redis.call('LREM', KEYS[5], 0, ARGV[1])
local received_at = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not received_at then
  return 0
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], received_at, ARGV[1])
redis.call('HINCRBY', KEYS[4], 'pending_messages', -redis.call('HGET', KEYS[1], 'messages'))
redis.call('HSET', KEYS[1], 'attempts', 0, 'lane', 'counted')
redis.call('HDEL', KEYS[1], 'claimed_at', 'grouped')
return 1
