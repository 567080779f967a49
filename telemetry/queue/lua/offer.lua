#!lua flags=allow-oom
-- Let workers have unfinished batches that wait in no list and that no owner holds; how many these are.
-- KEYS: list, wake, owners, ready, retry     ARGV: prefix of claims keys, prefix of batch keys, ids
local listed = {}
local function note(key)
  for _, id in ipairs(redis.call('LRANGE', key, 0, -1)) do
    listed[id] = true
  end
end
note(KEYS[4])
note(KEYS[5])
for _, owner in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  note(ARGV[1] .. owner)
end
local count = 0
for n = 3, #ARGV do
  if not listed[ARGV[n]] and redis.call('EXISTS', ARGV[2] .. ARGV[n]) == 1 then
    redis.call('LPUSH', KEYS[1], ARGV[n])
    count = count + 1
  end
end
if count > 0 and redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('LPUSH', KEYS[2], 1)
end
return count
