#!lua flags=allow-oom
-- Start on the batches that wait longest: count their starts and hand out their fields. One that was
-- started before, a part of one that was, and one that was put aside come alone: it may be what ends its
-- worker. A batch that was put aside is pending again, and counts as received now: what waited on
-- purpose is not late. One that is gone comes without fields.
-- KEYS: ready, retry, wake, claims of the owner, owners, held, pending, counters
-- ARGV: owner, seconds of its lease, most messages, prefix of batch keys, now in seconds
redis.call('ZADD', KEYS[5], redis.call('TIME')[1] + ARGV[2], ARGV[1])
local list = KEYS[1]
if redis.call('LLEN', list) == 0 then
  list = KEYS[2]
end
local found, messages, is_full = {}, 0, false
while not is_full do
  local id = redis.call('LINDEX', list, -1)
  if not id then
    break
  end
  local batch = ARGV[4] .. id
  local fields = redis.call('HMGET', batch, 'source', 'received_us', 'messages', 'seq', 'attempts',
    'body', 'is_suspect')
  local is_alone = not fields[3] or tonumber(fields[5]) > 0 or fields[7] == '1' or list == KEYS[2]
  messages = messages + (fields[3] or 0)
  is_full = is_alone or messages >= tonumber(ARGV[3])
  if #found > 0 and (is_alone or messages > tonumber(ARGV[3])) then
    break
  end
  redis.call('RPOP', list)
  local was_held = redis.call('ZREM', KEYS[6], id) == 1
  if fields[3] then
    redis.call('LPUSH', KEYS[4], id)
    if was_held then
      redis.call('ZADD', KEYS[7], ARGV[5], id)
      redis.call('HINCRBY', KEYS[8], 'pending_messages', fields[3])
    end
    fields[5] = redis.call('HINCRBY', batch, 'attempts', 1)
    redis.call('HSET', batch, 'claimed_at', ARGV[5])
    found[#found + 1] = {id, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7]}
  else
    found[#found + 1] = {id}
  end
end
if redis.call('LLEN', KEYS[1]) > 0 and redis.call('LLEN', KEYS[3]) == 0 then
  redis.call('LPUSH', KEYS[3], 1)
end
return found
