-- wrk: ranges of LENGTH octets at random places of a file of SIZE octets, the same places for every server; or the whole file where LENGTH is 0.
local size, length = tonumber(os.getenv("SIZE")), tonumber(os.getenv("LENGTH"))

function init()
  math.randomseed(77)
end

function request()
  if length == 0 then return wrk.format("GET", nil, { ["Accept"] = os.getenv("ACCEPT") or "*/*" }) end
  local first = math.random(0, size - length)
  return wrk.format("GET", nil, { ["Range"] = string.format("bytes=%d-%d", first, first + length - 1) })
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.bytes, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
