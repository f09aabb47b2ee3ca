-- Notes that a reservation has become an order: it can no longer be given back. The note stays until placed.lua has seen the
-- order. A general partition forgets the key.
-- KEYS: head, customers, reservations. ARGV: epoch, 1 for a sale or 0 for a general partition, order.
-- Returns 1 where it was reserved, else 0; -1 without the partition; -2 in another epoch.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return -1 end
if epoch ~= ARGV[1] then return -2 end
local record = redis.call('HGET', KEYS[3], ARGV[3])
if not record or record == 'confirmed' then return 0 end
redis.call('HSET', KEYS[3], ARGV[3], 'confirmed')
if ARGV[2] == '0' then
  local who = string.match(record, '^%d+ (%d+) ')
  redis.call('HDEL', KEYS[2], who .. ':' .. string.sub(record, -16))
end
return 1
