-- Reserves the lines of one claim in one room, all or nothing, and notes its key.
-- KEYS: head, customers, reservations, list of holders.
-- ARGV: epoch, order, customer, key, body (both 16 bytes), deadline, orders a customer may place (0: a general room),
--       then SKU and units of each line.
-- Returns 1 where the units are the claim's; -1 without the room; -2 in another epoch; else a verdict as in inventory.Verdict
-- and what belongs to it.
local lines = (#ARGV - 7) / 2
local fields = {'epoch', 'open', 'limit', 'version'}
for i = 1, lines do fields[4 + i] = 's' .. ARGV[6 + 2 * i] end
local head = redis.call('HMGET', KEYS[1], unpack(fields))
if not head[1] then return -1 end
if head[1] ~= ARGV[1] then return -2 end

-- The key comes before every refusal.
local who, mine = ARGV[3], ARGV[3] .. ':' .. ARGV[4]
local known = redis.call('HMGET', KEYS[2], who, mine)
if known[2] then
  local order = string.sub(known[2], 17)
  if order == ARGV[2] then return 1 end -- asked again, because the first answer was lost
  if string.sub(known[2], 1, 16) ~= ARGV[5] then return {3, order} end
  return {2, order}
end

if head[2] ~= '1' then return {6} end
local units, left = 0, {}
for i = 1, lines do
  local sku, want, have = ARGV[6 + 2 * i], tonumber(ARGV[7 + 2 * i]), head[4 + i]
  if not have then return {0, sku} end
  if tonumber(have) < want then
    return {4, sku, have, head[4], redis.call('LLEN', KEYS[4])}
  end
  units = units + want
  left[2 * i - 1], left[2 * i] = 's' .. sku, string.format('%.0f', tonumber(have) - want)
end

local ordersMax = tonumber(ARGV[7])
local note = {mine, ARGV[5] .. ARGV[2]}
if ordersMax > 0 then
  local used, count = 0, 0
  if known[1] then
    local u, c = string.match(known[1], '^(%S+) (%S+)$')
    used, count = tonumber(u), tonumber(c)
  end
  local limit = tonumber(head[3])
  if (limit > 0 and used + units > limit) or count >= ordersMax then return {5} end
  note[3], note[4] = who, string.format('%.0f %.0f', used + units, count + 1)
  if not known[1] then redis.call('RPUSH', KEYS[4], who) end
end

left[#left + 1], left[#left + 2] = 'version', string.format('%.0f', tonumber(head[4]) + 1)
redis.call('HSET', KEYS[1], unpack(left))
redis.call('HSET', KEYS[2], unpack(note))
local record = {ARGV[6], ' ', who, ' '}
for i = 1, lines do
  record[#record + 1] = ARGV[6 + 2 * i] .. ':' .. ARGV[7 + 2 * i] .. ','
end
record[#record + 1] = ' ' .. ARGV[4]
redis.call('HSET', KEYS[3], ARGV[2], table.concat(record))
return 1
