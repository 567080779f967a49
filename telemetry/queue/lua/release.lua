#!lua flags=allow-oom
-- Give a batch back unharmed: the attempt that ends here does not count.
-- KEYS: batch
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
  redis.call('HDEL', KEYS[1], 'claimed_at')
end
return 1
