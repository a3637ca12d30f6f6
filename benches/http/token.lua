-- wrk: asks for tokens, going round among all clients. CLIENTS is a file with a Basic header on each line.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  headers = {}
  for line in io.lines(os.getenv("CLIENTS")) do
    headers[#headers + 1] = line
  end
  -- Threads begin far from each other.
  at = math.floor(number * #headers / 2)
  path = os.getenv("TOKEN_PATH")
  body = "grant_type=client_credentials&scope=tools:read"
end

function request()
  at = at % #headers + 1
  return wrk.format("POST", path, {
    ["Authorization"] = headers[at],
    ["Content-Type"] = "application/x-www-form-urlencoded",
  }, body)
end

function done(summary, latency)
  local wrong = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    wrong.status, wrong.connect + wrong.read + wrong.write + wrong.timeout))
end
