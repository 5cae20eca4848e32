-- wrk: the longest answer in microseconds, and how many failed.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format("result %d %d\n", latency.max,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
