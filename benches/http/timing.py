"""What the time of an answer tells: clients that are not there beside wrong secrets of clients that are.

    timing.py BINARY

Called by scripts/bench-http. Asks in random order over one connection and compares the medians of the two. The bound is
SHARE of the median: what a stranger on the same machine, with nothing else running, may at most tell apart by SAMPLES
answers of each kind. `BENCH_SAMPLES` sets how many.
"""

import base64
import itertools
import random
import secrets
import socket
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import bench

SAMPLES = bench.number("BENCH_SAMPLES", 10_000)
SHARE = 0.08
RESAMPLES = 1_000


class Asker:
    """One connection that asks for tokens."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def seconds(self, request):
        """How long the refusal takes."""
        begun = time.perf_counter_ns()
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        taken = time.perf_counter_ns() - begun
        if not answer.startswith(b"HTTP/1.1 401 ") or b'"invalid_client"' not in answer:
            sys.exit(f"another answer than a refusal: {answer[:200]!r}")
        return taken / 1e9


def request_of(client_id):
    basic = base64.b64encode(f"{client_id}:{secrets.token_urlsafe(32)}".encode()).decode()
    body = "grant_type=client_credentials"
    return (
        f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def median_between(samples):
    """The 95 % interval of the median, by resampling."""
    medians = sorted(statistics.median(random.choices(samples, k=len(samples))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        port = bench.free_port()
        teams = bench.make_home(binary, work / "home", port, 1_000)
        command = [binary, "--home", str(work / "home"), "serve", "--listen", f"127.0.0.1:{port}", *bench.SERVE_FLAGS]
        server = bench.Server("agentidp serve, SQLite", command, port, "/oauth2/token", work / "log")
        server.start()
        try:
            clients = bench.issue_secrets(port, teams)
            asker = Asker(port)
            # Made before, so that what is measured is the same for both.
            asked = [("no such client", request_of(uuid.uuid4())) for _ in range(SAMPLES)]
            known = itertools.cycle(client["clientId"] for client in clients)
            asked += [("wrong secret", request_of(next(known))) for _ in range(SAMPLES)]
            random.shuffle(asked)
            for _, request in asked[:2_000]:
                asker.seconds(request)
            taken = {}
            for kind, request in asked:
                taken.setdefault(kind, []).append(asker.seconds(request))
        finally:
            server.stop()
    report(taken)


def report(taken):
    medians = {kind: statistics.median(samples) for kind, samples in taken.items()}
    print(f"\n| {SAMPLES} refusals each, over one connection | median us | 95 % of medians, us |\n|---|---|---|")
    for kind, samples in taken.items():
        low, high = median_between(samples)
        print(f"| {kind} | {medians[kind] * 1e6:.1f} | {low * 1e6:.1f} to {high * 1e6:.1f} |")
    one, other = medians.values()
    share = abs(one - other) / min(one, other)
    print(f"\napart by {share * 100:.1f} % of the median; the bound is {SHARE * 100:.0f} %")
    if share > SHARE:
        sys.exit("the time of an answer tells whether there is such a client")


if __name__ == "__main__":
    main()
