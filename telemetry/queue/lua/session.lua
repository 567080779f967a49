#!lua flags=allow-oom
-- Note that the session of a bridge is open at the broker, and whether the broker had kept it. One that
-- was open before and was not kept is lost, with all that waited in it; 1 says so.
-- KEYS: open sessions, broker     ARGV: client id, kept ('1' or '0'), now in seconds
local lost = 0
if ARGV[2] == '0' and redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
  lost = 1
  redis.call('HINCRBY', KEYS[2], 'lost_sessions', 1)
  redis.call('HSET', KEYS[2], 'lost_sessions_at', ARGV[3])
end
redis.call('SADD', KEYS[1], ARGV[1])
return lost
