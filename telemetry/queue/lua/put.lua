-- Write a batch, its pending entry and the received counters in one step, and let a worker have it.
-- Repeating it with the newest id of the same producer counts nothing and changes nothing but that
-- id's expiry, even if a worker has stored and removed the batch meanwhile. That is a write, so WAITAOF
-- after it waits for the batch, too. -1: it was to follow another id than stands.
-- Refused when Redis is full: no other script brings data in, so the others may run then.
-- KEYS: batch, pending, counters, last, ready, wake, owners, tasks
-- ARGV: id, source, received_us, count, body, '1' when workers may have it, and if it matters the id
--   that it follows ('': none)
local last = redis.call('GET', KEYS[4]) or ''
local seq = 0
if last ~= ARGV[1] then
  if ARGV[7] and last ~= ARGV[7] then
    return {-1}
  end
  seq = redis.call('HINCRBY', KEYS[3], 'received_batches', 1)
  redis.call('HINCRBY', KEYS[3], 'received_messages', ARGV[4])
  redis.call('HINCRBY', KEYS[3], 'pending_messages', ARGV[4])
  redis.call('HSET', KEYS[1], 'source', ARGV[2], 'received_us', ARGV[3], 'messages', ARGV[4],
    'seq', seq, 'attempts', 0, 'body', ARGV[5])
  redis.call('ZADD', KEYS[2], ARGV[3] / 1000000, ARGV[1])
  redis.call('SET', KEYS[4], ARGV[1], 'EX', 604800)
  if ARGV[6] == '1' then
    local time = redis.call('TIME')
    redis.call('HSET', KEYS[1], 'ready_us', time[1] * 1000000 + time[2])
    redis.call('LPUSH', KEYS[5], ARGV[1])
    if redis.call('LLEN', KEYS[6]) == 0 then
      redis.call('LPUSH', KEYS[6], 1)
    end
  end
else
  redis.call('EXPIRE', KEYS[4], 604800)
end
return {seq, tonumber(redis.call('HGET', KEYS[3], 'storing_us') or 0), redis.call('LLEN', KEYS[5]),
  redis.call('ZCARD', KEYS[7]), redis.call('LLEN', KEYS[8])}
