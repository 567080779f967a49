#!lua flags=allow-oom
-- End an owner that holds nothing. What one holds that failed is taken over when its lease runs out.
-- KEYS: owners, claims of the owner     ARGV: owner
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1
