#!lua flags=allow-oom
-- A worker waits with a batch: it lives, so the batch did not end it.
-- KEYS: batch     ARGV: now in seconds
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HDEL', KEYS[1], 'grouped')
  redis.call('HSET', KEYS[1], 'claimed_at', ARGV[1], 'attempts', 0)
end
return 1
