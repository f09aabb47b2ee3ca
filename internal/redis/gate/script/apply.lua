-- Carries out what the database has decided, in the order of the outbox, each change once.
-- KEYS: head, customers, list of holders. ARGV: epoch, 1 for a sale or 0 for a general partition, then six of each change:
-- position, 'm', SKU, available, customer, allowance; or position, 't', limit, open, and two empty ones.
-- Returns 0; -1 without the partition; -2 in another epoch.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'position')
if not head[1] then return -1 end
if head[1] ~= ARGV[1] then return -2 end
local reached = tonumber(head[2])
local before = reached
for i = 3, #ARGV, 6 do
  local position = tonumber(ARGV[i])
  if position > reached then
    reached = position
    if ARGV[i + 1] == 't' then
      redis.call('HSET', KEYS[1], 'limit', ARGV[i + 2], 'open', ARGV[i + 3])
    else
      redis.call('HINCRBY', KEYS[1], 's' .. ARGV[i + 2], ARGV[i + 3])
      local allowance = tonumber(ARGV[i + 5])
      if ARGV[2] == '1' and allowance ~= 0 then
        local who, used, count = ARGV[i + 4], 0, 0
        local was = redis.call('HGET', KEYS[2], who)
        if was then
          local u, c = string.match(was, '^(%S+) (%S+)$')
          used, count = tonumber(u), tonumber(c)
        else
          redis.call('RPUSH', KEYS[3], who)
        end
        redis.call('HSET', KEYS[2], who, string.format('%.0f %.0f', used + allowance, count))
      end
    end
  end
end
if reached > before then
  redis.call('HSET', KEYS[1], 'position', string.format('%.0f', reached))
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return 0
