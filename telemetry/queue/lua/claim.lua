#!lua flags=allow-oom
-- Start on the batches that wait longest, and hand out their fields. One that was started before, a part
-- of one that was, and one that was put aside come alone: it may be what ends its worker, and only a
-- start alone counts. Excess comes a few at a time, so that others wait for little of it. What the owner held when a call failed goes back first, uncounted. A batch that was
-- put aside is pending again, and counts as received now: what waited on purpose is not late. One that is
-- gone comes without fields.
-- KEYS: ready, retry, wake, claims of the owner, owners, held, pending, counters
-- ARGV: owner, seconds of its lease, most messages, prefix of batch keys, now in seconds
redis.call('ZADD', KEYS[5], redis.call('TIME')[1] + ARGV[2], ARGV[1])
for _, id in ipairs(redis.call('LRANGE', KEYS[4], 0, -1)) do
  if redis.call('HDEL', ARGV[4] .. id, 'grouped') == 0 and redis.call('EXISTS', ARGV[4] .. id) == 1 then
    redis.call('HINCRBY', ARGV[4] .. id, 'attempts', -1)
  end
  redis.call('RPUSH', KEYS[1], id)
end
redis.call('DEL', KEYS[4])
local list, most = KEYS[1], tonumber(ARGV[3])
if redis.call('LLEN', list) == 0 then
  list, most = KEYS[2], most / 10
end
local found, gone, messages, is_full = {}, {}, 0, false
while not is_full do
  local id = redis.call('LINDEX', list, -1)
  if not id then
    break
  end
  local fields = redis.call('HMGET', ARGV[4] .. id, 'source', 'received_us', 'messages', 'seq',
    'attempts', 'body', 'is_suspect', 'grouped', 'lane')
  local is_alone = list == KEYS[2] and fields[9] ~= 'excess' or fields[3] and (tonumber(fields[5]) > 0
    or fields[7] == '1' or fields[8])
  messages = messages + (fields[3] or 0)
  is_full = is_alone or messages >= most
  if #found > 0 and (is_alone or messages > most) then
    break
  end
  redis.call('RPOP', list)
  local was_held = redis.call('ZREM', KEYS[6], id) == 1
  if fields[3] then
    redis.call('LPUSH', KEYS[4], id)
    if was_held then
      redis.call('ZADD', KEYS[7], ARGV[5], id)
      redis.call('HINCRBY', KEYS[8], 'pending_messages', fields[3])
      redis.call('HDEL', ARGV[4] .. id, 'ready_us')
    end
    found[#found + 1] = {id, fields[1], fields[2], fields[3], fields[4], fields[5], fields[6], fields[7],
      fields[9]}
  else
    gone[#gone + 1] = id
  end
end
for _, batch in ipairs(found) do
  local key = ARGV[4] .. batch[1]
  if #found == 1 then
    batch[6] = redis.call('HINCRBY', key, 'attempts', 1)
    redis.call('HSET', key, 'claimed_at', ARGV[5])
  else
    redis.call('HSET', key, 'claimed_at', ARGV[5], 'grouped', 1)
  end
end
if redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2]) > 0 and redis.call('LLEN', KEYS[3]) == 0 then
  redis.call('LPUSH', KEYS[3], 1)
end
return {found, gone}
