-- The books of the queue at one instant: counters, and every batch that is pending or put aside, with
-- its messages.
-- KEYS: counters, pending, held or none     ARGV: prefix of batch keys
local counters = redis.call('HMGET', KEYS[1], 'received_messages', 'received_batches', 'pending_messages')
local function list(index)
  local entries = redis.call('ZRANGE', index, 0, -1, 'WITHSCORES')
  local rows = {}
  for i = 1, #entries, 2 do
    local fields = redis.call('HMGET', ARGV[1] .. entries[i], 'messages', 'attempts', 'claimed_at')
    rows[#rows + 1] = {entries[i], entries[i + 1], fields[1], fields[2], fields[3]}
  end
  return rows
end
return {counters, list(KEYS[2]), KEYS[3] and list(KEYS[3]) or {}}
