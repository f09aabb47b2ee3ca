-- Says which epoch the partitions are of, unless a newer one is said already.
-- KEYS: mark. ARGV: epoch, then fields and their values.
-- Returns 1, or 0 where there is a newer one.
local there = redis.call('HGET', KEYS[1], 'epoch')
if there and tonumber(there) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', unpack(ARGV))
return 1
