"""Tokens over HTTP: `agentidp serve` on SQLite beside npm `oidc-provider` in memory, in turn, in one run.

    bench.py BINARY [SIGNER ARGUMENT..]

Called by scripts/bench-http, which has the tools installed. SIGNER is a program that listens at the address in
its last argument and signs tokens without any state, on the same HTTP stack: what ours could reach at most.
"""

import base64
import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
API = "https://api.example.com"
FORM = "application/x-www-form-urlencoded"
ORGANIZATIONS = 10


def number(name, default):
    return int(os.environ.get(name, default))


CLIENTS = number("BENCH_CLIENTS", 10_000)
CONNECTIONS = number("BENCH_CONNECTIONS", 64)
SECONDS = number("BENCH_SECONDS", 10)
ROUNDS = number("BENCH_ROUNDS", 3)
TOKENS = number("BENCH_TOKENS", 1_000_000)
STARTS = 7


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


class Server:
    """A process that gives tokens."""

    def __init__(self, name, command, port, path, log, environment=None):
        self.name, self.command, self.port, self.path, self.log = name, command, port, path, log
        self.environment = {**os.environ, **(environment or {})}
        self.samples = []
        self.process = None

    def start(self):
        """Starts it, and gives the milliseconds to its first answer."""
        begun = time.perf_counter()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/.well-known/openid-configuration", timeout=5)
            except urllib.error.HTTPError:
                pass
            except OSError:
                if self.process.poll() is not None:
                    sys.exit(f"{self.name} ended: {self.log.read_text(encoding='utf-8')}")
                if time.perf_counter() - begun > 60:
                    sys.exit(f"{self.name} does not answer")
                time.sleep(0.001)
                continue
            return (time.perf_counter() - begun) * 1000

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def memory_mb(self, row):
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(row)) / 1024

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def drive(self, seconds, headers):
        # One thread is enough for all, and takes the least from the server.
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["-s", str(HERE / "token.lua"), f"http://127.0.0.1:{self.port}"]
        environment = {**os.environ, "CLIENTS": str(headers), "TOKEN_PATH": self.path}
        before = self.processor_seconds()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        spent = self.processor_seconds() - before
        line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        sample = json.loads(line.removeprefix("RESULT "))
        if sample["refused"] or sample["broken"]:
            sys.exit(f"{self.name}: {sample['refused']} answers other than 2xx, {sample['broken']} broken connections")
        sample["rate"] = sample["requests"] / sample["seconds"]
        # Says something on a busy machine, too.
        sample["cpu_us"] = spent / sample["requests"] * 1e6
        return sample

    def median(self, what):
        return statistics.median(sample[what] for sample in self.samples)


def basic(client):
    return "Basic " + base64.b64encode(f"{client['clientId']}:{client['secret']}".encode()).decode()


def write_clients(work, clients):
    """The same ids and secrets for both sides."""
    (work / "clients.json").write_text(json.dumps(clients), encoding="utf-8")
    headers = work / "headers.txt"
    headers.write_text("".join(f"{basic(client)}\n" for client in clients), encoding="utf-8")
    return headers


def make_home(binary, home, port, count):
    """An instance whose organizations have so many clients without a secret, with limits that a measurement does not
    reach. Each organization has one that may issue the secrets of the others, given beside them."""

    def run(*words, text=None):
        command = [binary, "--home", str(home), "--json", "--quiet", *words]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"agentidp {' '.join(words)}: {done.stderr or done.stdout}")

    issuer = f"http://localhost:{port}"
    run("init", "--issuer", issuer)
    teams = []
    limits = ("--max-agents", "1000000", "--max-tokens-per-month", "1000000000", "--rate-limit-per-minute", "1000000000")
    for org in range(ORGANIZATIONS):
        run("org", "create", "--slug", f"org-{org}", "--plan", "enterprise", *limits)
        clients = [str(uuid.uuid4()) for _ in range(org, count, ORGANIZATIONS)]
        manager = {"clientId": str(uuid.uuid4()), "secret": secrets.token_urlsafe(32)}
        lines = [
            {"agentId": client, "name": f"agent {at}", "scopes": ["tools:read"], "audiences": [API]}
            for at, client in enumerate(clients)
        ]
        digest = hashlib.sha256(manager["secret"].encode()).hexdigest()
        lines.append(
            {
                "agentId": manager["clientId"],
                "name": "manager",
                "scopes": ["credentials:write", "tools:read"],
                "audiences": [issuer],
                "credentials": [{"scheme": "sha256", "digest": digest}],
            }
        )
        run("agent", "import", "--org", f"org-{org}", "-", text="\n".join(map(json.dumps, lines)))
        teams.append((manager, clients))
    return teams


def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def post(connection, path, authorization, content_type, body):
    """What the server answers to a request that it grants."""
    connection.request("POST", path, body, {"Authorization": authorization, "Content-Type": content_type})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (200, 201):
        sys.exit(f"{path}: {answer.status} {text.decode()}")
    return json.loads(text or "null")


def issue_secrets(port, teams):
    """The clients with secrets that the server made, which is how all of them get one that were not imported."""
    issued = issue(port, teams, lambda _: "{}")
    return [{"clientId": client, "secret": answer["clientSecret"]} for client, answer in issued]


def issue(port, teams, body_of):
    """A credential for each client, by the request that `body_of` gives it: the client's id, and the answer."""
    connection = connect(port)
    for manager, ids in teams:
        form = "grant_type=client_credentials&scope=credentials:write+tools:read"
        token = post(connection, "/oauth2/token", basic(manager), FORM, form)["access_token"]
        for client in ids:
            path = f"/agents/{client}/credentials"
            yield client, post(connection, path, f"Bearer {token}", "application/json", body_of(client))


def check(server, headers, alg):
    """What each side gives is what is compared: an access token of RFC 9068, signed by ES256."""
    with open(headers, encoding="utf-8") as file:
        basic = file.readline().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{server.path}",
        data=b"grant_type=client_credentials&scope=tools:read",
        headers={"Authorization": basic, "Content-Type": FORM},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        token = json.load(response)["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    if (header.get("alg"), header.get("typ")) != (alg, "at+jwt"):
        sys.exit(f"{server.name}: gives tokens of {header}")


def table(servers):
    theirs = servers[1].median("rate")
    print("\n| | tokens/s | beside oidc-provider | p50 ms | p99 ms | CPU us | peak memory MB | start ms |")
    print("|---|---|---|---|---|---|---|---|")
    for server in servers:
        print(
            f"| {server.name} | {server.median('rate'):.0f} | {server.median('rate') / theirs:.1f} x "
            f"| {server.median('p50_ms'):.2f} | {server.median('p99_ms'):.2f} "
            f"| {server.median('cpu_us'):.0f} | {server.peak_mb:.0f} | {server.start_ms:.0f} |"
        )
    if len(servers) > 2:
        share = servers[0].median("rate") / servers[2].median("rate")
        print(f"\nof the stateless signer on the same HTTP stack: {100 * share:.0f} %")


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        home = work / "home"
        ours, theirs = free_port(), free_port()
        begun = time.perf_counter()
        teams = make_home(binary, home, ours, CLIENTS)
        serve = [binary, "--home", str(home), "serve", "--listen", f"127.0.0.1:{ours}", *SERVE_FLAGS]
        peer = ["node", str(HERE / "peer.mjs"), f"http://localhost:{theirs}", str(work / "clients.json")]
        servers = [
            Server("agentidp serve, SQLite", serve, ours, "/oauth2/token", work / "ours.log"),
            Server("oidc-provider, in memory", peer, theirs, "/token", work / "peer.log", {"NODE_ENV": "production"}),
        ]
        if len(sys.argv) > 2:
            port = free_port()
            signer = [*sys.argv[2:], f"127.0.0.1:{port}"]
            servers.append(Server("stateless signer", signer, port, "/oauth2/token", work / "signer.log"))
        servers[0].start()
        headers = write_clients(work, issue_secrets(ours, teams))
        servers[0].stop()
        print(f"{CLIENTS} clients in {ORGANIZATIONS} organizations made in {time.perf_counter() - begun:.0f} s")
        measure(servers, headers)
        table(servers)
        soak(servers[0], headers)
        servers[0].stop()


def measure(servers, headers):
    for server in servers:
        starts = []
        for _ in range(STARTS):
            if server.process is not None:
                server.stop()
            starts.append(server.start())
        server.start_ms = statistics.median(starts)
        check(server, headers, "ES256")
        # Once round all clients before anything counts.
        server.drive(4, headers)
    for turn in range(ROUNDS):
        for server in servers:
            sample = server.drive(SECONDS, headers)
            server.samples.append(sample)
            print(f"round {turn + 1}: {server.name}: {sample['rate']:.0f} tokens/s, p99 {sample['p99_ms']:.2f} ms")
    for server in servers:
        server.peak_mb = server.memory_mb("VmHWM")
    for server in servers[1:]:
        server.stop()


def soak(server, headers):
    """Memory while many tokens are given."""
    seen, given = [server.memory_mb("VmRSS")], 0
    while given < TOKENS:
        given += server.drive(SECONDS, headers)["requests"]
        seen.append(server.memory_mb("VmRSS"))
    print(
        f"\nmemory: {seen[0]:.0f} MB before, {seen[len(seen) // 2]:.0f} MB half way, {seen[-1]:.0f} MB after "
        f"{given} tokens more; peak {server.memory_mb('VmHWM'):.0f} MB"
    )


# A measurement comes from one address, and the others log nothing either.
SERVE_FLAGS = os.environ.get("BENCH_SERVE_FLAGS", "--rate-limit-per-address 0 --log-requests failed").split()

if __name__ == "__main__":
    main()
