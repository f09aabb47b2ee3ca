-- Makes the empty partition of a sale, where there is none.
-- KEYS: head. ARGV: epoch, position after which its changes count, first version.
-- Returns 1; -2 where there is one of another epoch.
local there = redis.call('HGET', KEYS[1], 'epoch')
if there == ARGV[1] then return 1 end
if there then return -2 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'open', '0', 'limit', '0', 'version', ARGV[3], 'position', ARGV[2], 'placed', ARGV[2])
return 1
