#!lua flags=allow-oom
-- Put two parts in the place of a pending batch. Its messages were counted when it came.
-- A part that is excess waits for all others.
-- KEYS: batch, pending, first part, second part, claims of the owner, ready, wake, retry
-- ARGV: id, 1 if one of the parts ends its worker (or empty), first id, first count, first body,
--   second id, second count, second body, lane of the first part, lane of the second one
redis.call('LREM', KEYS[5], 0, ARGV[1])
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score then
  return 0
end
local fields = redis.call('HMGET', KEYS[1], 'source', 'received_us', 'seq')
for part = 0, 1 do
  local at = 3 + part * 3
  redis.call('HSET', KEYS[3 + part], 'source', fields[1], 'received_us', fields[2],
    'seq', fields[3], 'messages', ARGV[at + 1], 'attempts', 0, 'body', ARGV[at + 2],
    'is_suspect', ARGV[2], 'lane', ARGV[9 + part])
  redis.call('ZADD', KEYS[2], score, ARGV[at])
  redis.call('LPUSH', ARGV[9 + part] == 'excess' and KEYS[8] or KEYS[6], ARGV[at])
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
if redis.call('LLEN', KEYS[7]) == 0 then
  redis.call('LPUSH', KEYS[7], 1)
end
return 1
