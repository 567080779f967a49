-- The books of the queue at one instant: counters, and every pending batch with its messages.
-- KEYS: pending, counters     ARGV: prefix of batch keys
local counters = redis.call('HMGET', KEYS[2], 'received_messages', 'received_batches', 'pending_messages')
local pending = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local rows = {}
for i = 1, #pending, 2 do
  local fields = redis.call('HMGET', ARGV[1] .. pending[i], 'messages', 'attempts', 'claimed_at')
  rows[#rows + 1] = {pending[i], pending[i + 1], fields[1], fields[2], fields[3]}
end
return {counters, rows}
