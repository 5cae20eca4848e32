-- wrk's requests to one rule: arguments are seed, host and path; "*" in the path is a
-- tail that never repeats, as query and cookie never do. Every answer must be a 200.
local host, before, tail

function init(args)
   math.randomseed(tonumber(args[1]) or 1)
   host = args[2]
   before = args[3]:gsub("%*$", "")
   tail = before ~= args[3]
end

local random, format = math.random, string.format
local head = "GET %s%s?q=%08x HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\n"
   .. "Accept: */*\r\nCookie: session=%08x%08x\r\n\r\n"

function request()
   return format(head, before, tail and format("%08x", random(0, 0x7fffffff)) or "",
      random(0, 0x7fffffff), host, random(0, 0x7fffffff), random(0, 0x7fffffff))
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(format(
      'result {"requests": %d, "duration_s": %.6f, "bytes": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
