"""What the time of an answer tells: clients that are not there beside wrong proofs of clients that are, and tokens that
are no tokens beside those of others.

    timing.py BINARY

Called by scripts/bench-http, with the packages of tests/interop/python. Each part asks in random order over one
connection, for each of its kinds equally often, and compares the medians. The bound is a share of the least of them:
what somebody on the same machine, with nothing else running, may at most tell apart by SAMPLES answers of each kind.
`BENCH_SAMPLES` sets how many.
"""

import base64
import itertools
import json
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
from joserfc import jwt
from joserfc.jwk import ECKey

SAMPLES = bench.number("BENCH_SAMPLES", 10_000)
SHARE = 0.08
# Where a client asks about a token of its own, of which it may know everything: one reading more.
OWN_SHARE = 0.25
RESAMPLES = 1_000
# Answers that do not count, until everything was done once.
WARM_UP = 2_000
CLIENTS = 1_000
# Tokens of each kind, which are asked about in turn.
TOKENS = 50

REFUSED = (b"HTTP/1.1 401 ", b'"invalid_client"')
NOT_ACTIVE = (b"HTTP/1.1 200 ", b'{"active":false}')


class Asker:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def seconds(self, request, expected):
        """How long the answer takes, which is the same to every kind."""
        begun = time.perf_counter_ns()
        self.socket.sendall(request)
        answer = self.socket.recv(65536)
        taken = time.perf_counter_ns() - begun
        status, body = expected
        if not answer.startswith(status) or body not in answer:
            sys.exit(f"another answer than {expected}: {answer[:300]!r}")
        return taken / 1e9


def request_of(path, body, authorization=None):
    proof = f"Authorization: {authorization}\r\n" if authorization else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{proof}"
        f"Content-Type: {bench.FORM}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def by_secret(client_id):
    """A request for a token with a secret that nobody has."""
    client = {"clientId": client_id, "secret": secrets.token_urlsafe(32)}
    return request_of("/oauth2/token", "grant_type=client_credentials", bench.basic(client))


def by_key(issuer, client_id, key, kid):
    """A request for a token with an assertion that `key` signed, under the name `kid`."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": issuer, "iat": now, "exp": now + 240, "jti": str(uuid.uuid4())}
    assertion = jwt.encode({"alg": "ES256", "typ": "JWT", "kid": kid}, claims, key)
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    body = f"grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}"
    return request_of("/oauth2/token", body)


def secrets_part(clients):
    """Whether there is such a client, for who has no secret of it."""
    known = itertools.cycle(client["clientId"] for client in clients)
    return {
        "no such client": lambda: by_secret(str(uuid.uuid4())),
        "wrong secret": lambda: by_secret(next(known)),
    }


def keys_part(issuer, kids):
    """Whether there is such a client, for who has no key of it: by the name of its key, or by another."""
    known = itertools.cycle(kids.items())
    own = ECKey.generate_key("P-256")
    own_kid = own.thumbprint()

    def of_its_name():
        client, kid = next(known)
        return by_key(issuer, client, own, kid)

    return {
        "no such client": lambda: by_key(issuer, str(uuid.uuid4()), own, own_kid),
        "wrong key": of_its_name,
        "key that is not the client's": lambda: by_key(issuer, next(known)[0], own, own_kid),
    }


class Tokens:
    """What a client that proves itself learns of tokens: whether they are any, whose, and whether they live."""

    def __init__(self, port, asker, other):
        self.connection, self.asker, self.other = bench.connect(port), asker, other

    def of(self, client, end=False):
        form = "grant_type=client_credentials&scope=tools:read"
        tokens = [self.post("/oauth2/token", client, form)["access_token"] for _ in range(TOKENS)]
        for token in tokens if end else ():
            self.post("/oauth2/revoke", client, f"token={token}")
        return tokens

    def post(self, path, client, form):
        return bench.post(self.connection, path, bench.basic(client), bench.FORM, form)

    def forged(self):
        """Tokens that say to be the other's, and that nobody signed."""
        signature = base64.urlsafe_b64encode(secrets.token_bytes(64)).rstrip(b"=").decode()
        return [f"{token.rpartition('.')[0]}.{signature}" for token in self.of(self.other)]

    def ask(self, tokens):
        turn = itertools.cycle(tokens)
        return lambda: request_of("/oauth2/introspect", f"token={next(turn)}", bench.basic(self.asker))

    def of_others(self):
        return {
            "not ours": self.ask(self.forged()),
            "another client's": self.ask(self.of(self.other)),
            "another client's, revoked": self.ask(self.of(self.other, end=True)),
        }

    def of_its_own(self):
        return {
            "not ours": self.ask(self.forged()),
            "its own, revoked": self.ask(self.of(self.asker, end=True)),
        }


def keys_of(port, teams):
    """A public key for each client, whose private half nobody keeps: the names of the keys."""

    def body(_):
        return json.dumps({"publicKey": json.dumps(ECKey.generate_key("P-256").as_dict(private=False))})

    return {client: answer["kid"] for client, answer in bench.issue(port, teams, body)}


def taken_by(port, kinds, expected):
    # Made before, so that what is measured is the same for all.
    asked = [(kind, make()) for kind, make in kinds.items() for _ in range(SAMPLES)]
    random.shuffle(asked)
    asker = Asker(port)
    for _, request in asked[:WARM_UP]:
        asker.seconds(request, expected)
    taken = {kind: [] for kind in kinds}
    for kind, request in asked:
        taken[kind].append(asker.seconds(request, expected))
    return taken


def median_between(samples):
    """The 95 % interval of the median, by resampling."""
    medians = sorted(statistics.median(random.choices(samples, k=len(samples))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def report(title, taken, bound):
    """Tells how far apart they are, and whether that is too far."""
    medians = [statistics.median(samples) for samples in taken.values()]
    print(f"\n| {title}: {SAMPLES} each, over one connection | median us | 95 % of medians, us |\n|---|---|---|")
    for (kind, samples), median in zip(taken.items(), medians, strict=True):
        low, high = median_between(samples)
        print(f"| {kind} | {median * 1e6:.1f} | {low * 1e6:.1f} to {high * 1e6:.1f} |")
    share = (max(medians) - min(medians)) / min(medians)
    print(f"\napart by {share * 100:.1f} % of the median; the bound is {bound * 100:.0f} %", flush=True)
    return share > bound


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        port = bench.free_port()
        teams = bench.make_home(binary, work / "home", port, CLIENTS)
        command = [binary, "--home", str(work / "home"), "serve", "--listen", f"127.0.0.1:{port}", *bench.SERVE_FLAGS]
        server = bench.Server("agentidp serve, SQLite", command, port, "/oauth2/token", work / "log")
        server.start()
        try:
            # Clients are alike in each part: one has a secret or a key, and none has both.
            clients = bench.issue_secrets(port, [(manager, ids[::2]) for manager, ids in teams])
            kids = keys_of(port, [(manager, ids[1::2]) for manager, ids in teams])
            # The first and the last are of two organizations.
            tokens = Tokens(port, clients[0], clients[-1])
            parts = [
                ("client_secret", lambda: secrets_part(clients), REFUSED, SHARE),
                ("private_key_jwt", lambda: keys_part(f"http://localhost:{port}", kids), REFUSED, SHARE),
                ("introspection, tokens of others", tokens.of_others, NOT_ACTIVE, SHARE),
                ("introspection, tokens of its own", tokens.of_its_own, NOT_ACTIVE, OWN_SHARE),
            ]
            apart = [
                title
                for title, kinds, expected, bound in parts
                if report(title, taken_by(port, kinds(), expected), bound)
            ]
        finally:
            server.stop()
    if apart:
        sys.exit(f"the time of an answer tells more than its text: {', '.join(apart)}")


if __name__ == "__main__":
    main()
