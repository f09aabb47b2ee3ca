-- Looks a key up in one room.
-- KEYS: head, customers. ARGV: epoch, customer, key, body.
-- Returns as reserve.lua: a verdict and its order; {0} where the key is not known.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return -1 end
if epoch ~= ARGV[1] then return -2 end
local known = redis.call('HGET', KEYS[2], ARGV[2] .. ':' .. ARGV[3])
if not known then return {0} end
local verdict = 2
if string.sub(known, 1, 16) ~= ARGV[4] then verdict = 3 end
return {verdict, string.sub(known, 17)}
