-- Reserves claims in one partition, one after the other: of each all lines or none, and its key is noted.
-- KEYS: head, customers, reservations, list of holders.
-- ARGV: epoch, orders a customer may place (0: a general partition), then of each claim the customer, the customer and the key as
--       in the customers' hash, body (16 bytes) and order as there, the reservation's record, how many lines, and SKU and
--       units of each.
-- Returns 1 where the units of every claim are its own; -1 without the partition; -2 in another epoch; else the partition's version and
-- the length of its list of holders, both after this, and of each claim 1 or a verdict as in inventory.Verdict and what
-- belongs to it. The version is empty where none of the claims is sold out.
local ordersMax = tonumber(ARGV[2])
local heads, asked, at = {'epoch', 'open', 'limit', 'version'}, {}, 3
local place = {}
while ARGV[at] do
  asked[#asked + 1], asked[#asked + 2] = ARGV[at], ARGV[at + 1]
  local last = at + 4 + 2 * tonumber(ARGV[at + 4])
  for i = at + 5, last, 2 do
    local sku = ARGV[i]
    if not place[sku] then
      heads[#heads + 1] = 's' .. sku
      place[sku] = #heads
    end
  end
  at = last + 1
end
local head = redis.call('HMGET', KEYS[1], unpack(heads))
if not head[1] then return -1 end
if head[1] ~= ARGV[1] then return -2 end
local known = redis.call('HMGET', KEYS[2], unpack(asked))

local open, limit = head[2] == '1', tonumber(head[3])
local have, changed = {}, {}            -- units left by SKU, and the SKUs of which some were taken
local keys, used, counts = {}, {}, {}   -- what this call has noted
local notes, records, holders = {}, {}, {}
local answers, out = {'', 0}, false

-- take reserves one claim, whose arguments begin at a place, and returns its answer.
local function take(at, which)
  -- The key comes before every refusal.
  local who, mine, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local noted = keys[mine] or known[2 * which]
  if noted then
    if noted == value then return 1 end -- asked again, because the first answer was lost
    if string.sub(noted, 1, 16) ~= string.sub(value, 1, 16) then return {3, string.sub(noted, 17)} end
    return {2, string.sub(noted, 17)}
  end
  if not open then return 6 end
  local last, units = at + 4 + 2 * tonumber(ARGV[at + 4]), 0
  for i = at + 5, last, 2 do
    local sku, want = ARGV[i], tonumber(ARGV[i + 1])
    local left = have[sku]
    if not left then
      local said = head[place[sku]]
      if not said then return {0, sku} end
      left = tonumber(said)
      have[sku] = left
    end
    if left < want then
      out = true
      return {4, sku}
    end
    units = units + want
  end
  if ordersMax > 0 then
    local had, count, before = used[who], counts[who], known[2 * which - 1]
    if not had then
      had, count = 0, 0
      if before then
        local u, c = string.match(before, '^(%S+) (%S+)$')
        had, count = tonumber(u), tonumber(c)
      end
    end
    if limit > 0 and had + units > limit then return 5 end
    if count >= ordersMax then return 9 end
    if not used[who] and not before then holders[#holders + 1] = who end
    used[who], counts[who] = had + units, count + 1
    notes[#notes + 1] = who
    notes[#notes + 1] = string.format('%.0f %.0f', had + units, count + 1)
  end
  for i = at + 5, last, 2 do
    local sku = ARGV[i]
    have[sku] = have[sku] - tonumber(ARGV[i + 1])
    changed[sku] = true
  end
  keys[mine] = value
  notes[#notes + 1], notes[#notes + 2] = mine, value
  records[#records + 1], records[#records + 2] = string.sub(value, 17), ARGV[at + 3]
  return 1
end

local all = true
at = 3
for which = 1, #asked / 2 do
  local answer = take(at, which)
  answers[which + 2] = answer
  all = all and answer == 1
  at = at + 5 + 2 * tonumber(ARGV[at + 4])
end

local version = head[4]
if #records > 0 then
  version = string.format('%.0f', tonumber(version) + 1)
  local left = {'version', version}
  for sku in pairs(changed) do
    left[#left + 1], left[#left + 2] = 's' .. sku, string.format('%.0f', have[sku])
  end
  redis.call('HSET', KEYS[1], unpack(left))
  redis.call('HSET', KEYS[2], unpack(notes))
  redis.call('HSET', KEYS[3], unpack(records))
  if #holders > 0 then redis.call('RPUSH', KEYS[4], unpack(holders)) end
end
if all then return 1 end
if out then
  -- What is left, and who holds something, after all of them: a refusal that is remembered is true at this version.
  answers[1], answers[2] = version, redis.call('LLEN', KEYS[4])
  for which = 3, #answers do
    local answer = answers[which]
    if type(answer) == 'table' and answer[1] == 4 then answer[3] = string.format('%.0f', have[answer[2]]) end
  end
end
return answers
