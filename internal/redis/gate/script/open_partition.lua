-- Puts a partition that was built beside the old one in its place, unless a newer one stands there.
-- KEYS: head, head that was built, then the other keys of the partition that was built. ARGV: epoch.
-- Returns 1, or 0 where the epoch is not newer.
local there = redis.call('HGET', KEYS[1], 'epoch')
if there and tonumber(there) >= tonumber(ARGV[1]) then return 0 end
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('PERSIST', KEYS[1])
for i = 3, #KEYS do redis.call('PERSIST', KEYS[i]) end
return 1
