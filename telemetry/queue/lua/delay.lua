#!lua flags=allow-oom
-- Let a claimed batch wait for all others, as excess of what its gateway may send. The start that ends here
-- does not count.
-- KEYS: batch, claims of the owner, retry, wake     ARGV: id
if redis.call('LREM', KEYS[2], 0, ARGV[1]) == 0 or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HDEL', KEYS[1], 'grouped') == 0 then
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
end
redis.call('HDEL', KEYS[1], 'claimed_at')
redis.call('HSET', KEYS[1], 'lane', 'excess')
redis.call('LPUSH', KEYS[3], ARGV[1])
if redis.call('LLEN', KEYS[4]) == 0 then
  redis.call('LPUSH', KEYS[4], 1)
end
return 1
