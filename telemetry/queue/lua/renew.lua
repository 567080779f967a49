#!lua flags=allow-oom
-- Renew the lease of an owner, unless it ran out and what the owner held was taken over.
-- KEYS: owners     ARGV: owner, seconds of its lease
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + ARGV[2], ARGV[1])
return 1
