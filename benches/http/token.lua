-- wrk: asks for tokens, going round among all clients. CLIENTS is a file with a Basic header on each line.

-- The requests are made beforehand: what a client spends is taken from the two cores that it shares with the server.

function init()
  local path = os.getenv("TOKEN_PATH")
  local body = "grant_type=client_credentials&scope=tools:read"
  requests = {}
  for line in io.lines(os.getenv("CLIENTS")) do
    requests[#requests + 1] = wrk.format("POST", path, {
      ["Authorization"] = line,
      ["Content-Type"] = "application/x-www-form-urlencoded",
    }, body)
  end
  at = 0
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    wrong.status, wrong.connect + wrong.read + wrong.write + wrong.timeout))
end
