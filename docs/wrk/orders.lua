-- Orders for wrk, each of another customer: TOKENS is a file that `tidegate token` wrote, SKU what is asked for.
local started = 0
function setup(thread)
  thread:set("first", started)
  started = started + 1
end

function init()
  tokens, n = {}, 0
  for line in io.lines(os.getenv("TOKENS")) do
    tokens[#tokens + 1] = line
  end
  body = '{"lines":[{"sku_id":"' .. os.getenv("SKU") .. '","quantity":1}]}'
end

function request()
  local i = (first * 50000 + n) % #tokens + 1
  n = n + 1
  return wrk.format("POST", nil, {
    ["Authorization"] = "Bearer " .. tokens[i],
    ["Idempotency-Key"] = "wrk-" .. first .. "-" .. n,
    ["Content-Type"] = "application/json",
  }, body)
end
