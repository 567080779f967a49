#!lua flags=allow-oom
-- Give a batch back unharmed: the attempt that ends here does not count. Whose claim was taken over
-- meanwhile gives nothing back.
-- KEYS: batch, claims of the owner, ready, wake     ARGV: id, '1' when workers may have it at once
if redis.call('LREM', KEYS[2], 0, ARGV[1]) == 0 or redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('HDEL', KEYS[1], 'grouped') == 0 then
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
end
redis.call('HDEL', KEYS[1], 'claimed_at')
if ARGV[2] == '1' then
  redis.call('RPUSH', KEYS[3], ARGV[1])
  if redis.call('LLEN', KEYS[4]) == 0 then
    redis.call('LPUSH', KEYS[4], 1)
  end
end
return 1
