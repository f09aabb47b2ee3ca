-- Carries out that orders were placed, in the order of the outbox, each once: a reservation becomes an order, and an order
-- without one, of the database's guard alone, is taken from what is available.
-- KEYS: head, customers, reservations, list of holders. ARGV: epoch, 1 for a sale or 0 for a general partition, then of each order
-- position, id, customer, key, body, units of the whole order, and its lines in this partition as 'sku:units,sku:units,'. All but the
-- first two may be empty in a sale: they are of no use where the order has a reservation.
-- Returns how many had no reservation; -1 without the partition; -2 in another epoch; -3, and nothing was done, where one without a
-- reservation has them empty.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'placed')
if not head[1] then return -1 end
if head[1] ~= ARGV[1] then return -2 end
local reached, late = tonumber(head[2]), 0
local orders, done = {}, {}
for i = 4, #ARGV, 7 do orders[#orders + 1] = ARGV[i] end
local records = redis.call('HMGET', KEYS[3], unpack(orders))
for i = 3, #ARGV, 7 do
  if ARGV[i + 2] == '' and not records[(i + 4) / 7] and tonumber(ARGV[i]) > reached then return -3 end
end
for i = 3, #ARGV, 7 do
  local position, order, who, key, body = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if position > reached then
    reached = position
    local record, its = records[(i + 4) / 7], false
    if not record or ARGV[2] == '0' then
      local known = redis.call('HGET', KEYS[2], who .. ':' .. key)
      its = known and string.sub(known, 17) == order
    end
    if record then
      done[#done + 1] = order
      if its then redis.call('HDEL', KEYS[2], who .. ':' .. key) end
    elseif not its then
      late = late + 1
      for sku, n in string.gmatch(ARGV[i + 6], '(%d+):(%d+),') do
        redis.call('HINCRBY', KEYS[1], 's' .. sku, '-' .. n)
      end
      if ARGV[2] == '1' then
        local used, count = 0, 0
        local was = redis.call('HGET', KEYS[2], who)
        if was then
          local u, c = string.match(was, '^(%S+) (%S+)$')
          used, count = tonumber(u), tonumber(c)
        else
          redis.call('RPUSH', KEYS[4], who)
        end
        redis.call('HSET', KEYS[2], who, string.format('%.0f %.0f', used + tonumber(ARGV[i + 5]), count + 1), who .. ':' .. key, body .. order)
      end
    end
  end
end
if #done > 0 then redis.call('HDEL', KEYS[3], unpack(done)) end
redis.call('HSET', KEYS[1], 'placed', string.format('%.0f', reached))
if late > 0 then redis.call('HINCRBY', KEYS[1], 'version', 1) end
return late
