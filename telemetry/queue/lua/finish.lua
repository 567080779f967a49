#!lua flags=allow-oom
-- Delete stored batches. Repeating it changes nothing.
-- KEYS: pending, held, counters, claims of the owner     ARGV: prefix of batch keys, ids
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
return #ARGV - 1
