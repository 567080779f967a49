#!lua flags=allow-oom
-- Delete stored batches, and note how long the last one took since it was written. Repeating it changes
-- nothing.
-- KEYS: pending, held, counters, claims of the owner     ARGV: prefix of batch keys, ids
local ready_us = ARGV[2] and redis.call('HGET', ARGV[1] .. ARGV[#ARGV], 'ready_us')
if ready_us then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[3], 'storing_us', time[1] * 1000000 + time[2] - ready_us)
end
for n = 2, #ARGV do
  local id = ARGV[n]
  local count = redis.call('HGET', ARGV[1] .. id, 'messages')
  if redis.call('ZREM', KEYS[1], id) == 1 and count then
    redis.call('HINCRBY', KEYS[3], 'pending_messages', -count)
  end
  redis.call('ZREM', KEYS[2], id)
  redis.call('DEL', ARGV[1] .. id)
  redis.call('LREM', KEYS[4], 0, id)
end
return 0
