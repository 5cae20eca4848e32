-- wrk's requests: every head is new (path tail, query, cookie), and the twenty
-- rules are met equally often. With "close" each connection has one request; with
-- "session" cookies of stickiness come back, the last ones of each group in turn.
-- Every answer must be a 200.
local random, format = math.random, string.format
local KEPT = 64
local heads = {}
local last = ""
local sessions = { a = {}, b = {} }
local answered = 0

local function remember(status, headers, body)
   local value = (headers["Set-Cookie"] or ""):match("^AWSALB%u*=([^;]+)")
   if value then
      answered = answered + 1
      sessions[body:match("^group (%a)")][answered % KEPT + 1] =
         format("AWSALB=%s; AWSALBCORS=%s; ", value, value)
   end
end

function init(args)
   math.randomseed(tonumber(args[1]) or 1)
   last = args[2] == "close" and "Connection: close\r\n" or ""
   response = args[2] == "session" and remember or nil
   for i = 0, 9 do
      heads[i + 1] = { "GET /", "h" .. i .. ".example.com", sessions.a }
      heads[i + 11] = { "GET /p" .. i .. "/", "www.example.com", sessions.b }
   end
end

local head = "%s%08x?q=%08x HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench/1\r\n"
   .. "Accept: */*\r\n%sCookie: %ssession=%08x%08x\r\n\r\n"

function request()
   local rule = heads[random(20)]
   return format(head, rule[1], random(0, 0x7fffffff), random(0, 0x7fffffff),
      rule[2], last, rule[3][random(KEPT)] or "", random(0, 0x7fffffff), random(0, 0x7fffffff))
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(format(
      'result {"requests": %d, "duration_s": %.6f, "bytes": %d, "failed": %d, "p50_us": %d, "p99_us": %d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
