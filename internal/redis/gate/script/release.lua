-- Gives reservations back by their ids, each once: what is not reserved, or decided already, is passed over.
-- KEYS: head, customers, reservations. ARGV: epoch, 1 for a sale or 0 for a general partition, then ids of orders.
-- Returns how many were given back; -1 without the partition; -2 in another epoch.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return -1 end
if epoch ~= ARGV[1] then return -2 end
local done = 0
for i = 3, #ARGV do
  local record = redis.call('HGET', KEYS[3], ARGV[i])
  if record and record ~= 'confirmed' then
    local who, lines = string.match(record, '^%d+ (%d+) ([%d:,]+) ')
    local units = 0
    for sku, n in string.gmatch(lines, '(%d+):(%d+),') do
      local have = redis.call('HGET', KEYS[1], 's' .. sku)
      if have then redis.call('HSET', KEYS[1], 's' .. sku, string.format('%.0f', tonumber(have) + tonumber(n))) end
      units = units + tonumber(n)
    end
    local mine = who .. ':' .. string.sub(record, -16)
    local known = redis.call('HGET', KEYS[2], mine)
    if known and string.sub(known, 17) == ARGV[i] then redis.call('HDEL', KEYS[2], mine) end
    if ARGV[2] == '1' then
      local u, c = string.match(redis.call('HGET', KEYS[2], who), '^(%S+) (%S+)$')
      redis.call('HSET', KEYS[2], who, string.format('%.0f %.0f', tonumber(u) - units, tonumber(c) - 1))
    end
    redis.call('HDEL', KEYS[3], ARGV[i])
    done = done + 1
  end
end
if done > 0 then redis.call('HINCRBY', KEYS[1], 'version', 1) end
return done
