#!lua flags=allow-oom
-- Put one or two parts in the place of a pending batch. Its messages were counted when it came; those that are
-- in no part are stored.
-- KEYS: batch, pending, counters, claims of the owner, list of the parts, wake, the parts
-- ARGV: id, 1 if one of the parts ends its worker (or empty), lane, and for each part: id, count, body
redis.call('LREM', KEYS[4], 0, ARGV[1])
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not score then
  return 0
end
local fields = redis.call('HMGET', KEYS[1], 'source', 'received_us', 'seq', 'messages')
local stored = tonumber(fields[4])
for part = 0, #KEYS - 7 do
  local at = 4 + part * 3
  redis.call('HSET', KEYS[7 + part], 'source', fields[1], 'received_us', fields[2],
    'seq', fields[3], 'messages', ARGV[at + 1], 'attempts', 0, 'body', ARGV[at + 2],
    'is_suspect', ARGV[2], 'lane', ARGV[3])
  redis.call('ZADD', KEYS[2], score, ARGV[at])
  redis.call('LPUSH', KEYS[5], ARGV[at])
  stored = stored - ARGV[at + 1]
end
redis.call('HINCRBY', KEYS[3], 'pending_messages', -stored)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1])
if redis.call('LLEN', KEYS[6]) == 0 then
  redis.call('LPUSH', KEYS[6], 1)
end
return 1
