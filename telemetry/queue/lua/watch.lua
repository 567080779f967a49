#!lua flags=allow-oom
-- Let workers have what owners held whose leases ran out; how many batches wait, how many owners there
-- are, and how many tasks call further ones.
-- KEYS: owners, ready, retry, wake, tasks     ARGV: prefix of claims keys
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1])) do
  for _, id in ipairs(redis.call('LRANGE', ARGV[1] .. owner, 0, -1)) do
    redis.call('RPUSH', KEYS[2], id)
  end
  redis.call('DEL', ARGV[1] .. owner)
  redis.call('ZREM', KEYS[1], owner)
end
local waiting = redis.call('LLEN', KEYS[2]) + redis.call('LLEN', KEYS[3])
if waiting > 0 and redis.call('LLEN', KEYS[4]) == 0 then
  redis.call('LPUSH', KEYS[4], 1)
end
return {waiting, redis.call('ZCARD', KEYS[1]), redis.call('LLEN', KEYS[5])}
