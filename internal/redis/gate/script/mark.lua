-- Notes how far the outbox has been carried out in every partition, by whoever went on from what was noted before.
-- KEYS: mark. ARGV: epoch, 'position' or 'placed', from, to.
-- Returns 1; 0 where a part between is missing or the mark is there already; -1 without the mark; -2 in another epoch.
local mark = redis.call('HMGET', KEYS[1], 'epoch', ARGV[2])
if not mark[1] then return -1 end
if mark[1] ~= ARGV[1] then return -2 end
local reached = tonumber(mark[2])
if tonumber(ARGV[3]) > reached or tonumber(ARGV[4]) <= reached then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[4])
return 1
