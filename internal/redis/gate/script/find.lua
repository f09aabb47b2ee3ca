-- Looks a key up in one partition.
-- KEYS: head, customers, reservations. ARGV: epoch, customer, key, body.
-- Returns as reserve.lua: a verdict, its order and the deadline of its reservation: -1 where it has none, 0 where it is not a
-- reservation any more; {0} where the key is not known.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return -1 end
if epoch ~= ARGV[1] then return -2 end
local known = redis.call('HGET', KEYS[2], ARGV[2] .. ':' .. ARGV[3])
if not known then return {0} end
local verdict = 2
if string.sub(known, 1, 16) ~= ARGV[4] then verdict = 3 end
local order = string.sub(known, 17)
local record = redis.call('HGET', KEYS[3], order)
local deadline = record and string.match(record, '^(%d+) ') or '0'
if deadline == '0' and record and record ~= 'confirmed' then deadline = '-1' end
return {verdict, order, deadline}
