"""Makes an instance with two organizations and the agents that the suites are clients as.

    fixture.py BINARY HOME ISSUER OUT

Everything goes through the command line, as an operator would do it. OUT (a JSON file, mode 0600) tells
the suites who is there. Keys whose private halves the agents hold are made here and stay in OUT.
"""

import hashlib
import json
import os
import subprocess
import sys
import uuid

from joserfc.jwk import ECKey, OKPKey, RSAKey

API = "https://api.example.com"
# Where the suites run a small MCP server and another authorization server.
MCP = f"http://localhost:{os.environ.get('AGENTIDP_INTEROP_MCP_PORT', '18481')}/mcp"
PEER = f"http://localhost:{os.environ.get('AGENTIDP_INTEROP_PEER_PORT', '18482')}"
MANAGEMENT = "admin:orgs agents:read agents:write credentials:read credentials:write audit:read"
# What stands before the characters makes a secret as strong as an import must be.
STRONG = hashlib.sha256(os.urandom(32)).hexdigest()
# Each kind of character that RFC 6749 section 2.3.1 has a client encode before base64.
SPECIAL_SECRET = STRONG + "%41+: /?#[]@!$&'()*,;=~\\\""
# Appendix A.2 has none of these in a secret; section 2.3.1 encodes them all the same.
UNICODE_SECRET = STRONG + "ü€😀"

KEYS = {
    "es256": lambda: ECKey.generate_key("P-256"),
    "eddsa": lambda: OKPKey.generate_key("Ed25519"),
    "rs256": lambda: RSAKey.generate_key(2048),
}


class Instance:
    def __init__(self, binary, home):
        self.command = [binary, "--home", home, "--json", "--quiet"]
        self.home = home

    def run(self, *arguments):
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            # The secrets are not in the arguments, so they may be told.
            sys.exit(f"agentidp {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}{done.stdout}")
        return json.loads(done.stdout)

    def agent(self, org, name, scopes, audiences=(), url=None, secret=True, alg=None):
        flags = [word for scope in scopes.split() for word in ("--scope", scope)]
        flags += [word for audience in audiences for word in ("--audience", audience)]
        flags += ["--url", url] if url else []
        flags += ["--token-alg", alg] if alg else []
        agent = self.run("agent", "register", "--org", org, "--name", name, *flags)
        client = {
            "org": org,
            "organizationId": agent["organizationId"],
            "clientId": agent["clientId"],
            "did": agent["did"],
            "name": name,
        }
        if secret:
            issued = self.run("credential", "issue", "--org", org, "--agent", agent["agentId"])
            client["secret"] = issued["clientSecret"]
            client["credentialId"] = issued["credentialId"]
        return client

    def key_agent(self, org, name, key, audiences=(API,)):
        client = self.agent(org, name, "tools:read openid", audiences, secret=False)
        path = os.path.join(self.home, f"{name}.jwk")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(key.as_dict(private=False), file)
        issued = self.run(
            "credential", "issue", "--org", org, "--agent", client["clientId"], "--public-key", path
        )
        client["kid"] = issued["kid"]
        client["key"] = key.as_dict(private=True)
        return client

    def imported(self, org, name, secret):
        line = {
            "agentId": str(uuid.uuid4()),
            "name": name,
            "scopes": ["tools:read"],
            "audiences": [API],
            "credentials": [
                {"scheme": "sha256", "digest": hashlib.sha256(secret.encode()).hexdigest()}
            ],
        }
        path = os.path.join(self.home, f"{name}.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.run("agent", "import", "--org", org, path)
        return {"org": org, "clientId": line["agentId"], "name": name, "secret": secret}


def make(binary, home, issuer):
    instance = Instance(binary, home)
    instance.run("init", "--issuer", issuer)
    # OpenID Connect Discovery section 3 has RS256 among the algorithms of every provider. A new instance has
    # no such key; whoever serves clients that insist adds one.
    instance.run("key", "rotate", "--now", "--alg", "RS256")
    for slug in ("acme", "globex"):
        # The suites come in bursts, from one address and one organization.
        limits = ("--plan", "enterprise", "--rate-limit-per-minute", "1000000")
        instance.run("org", "create", "--slug", slug, *limits)
    instance.run("org", "update", "system", "--rate-limit-per-minute", "1000000")
    clients = {
        "secret": instance.agent("acme", "secret", "tools:read tools:write openid", [API]),
        "special": instance.imported("acme", "special", SPECIAL_SECRET),
        "unicode": instance.imported("acme", "unicode", UNICODE_SECRET),
        # Without an audience, so that its tokens are for the issuer.
        "plain": instance.agent("acme", "plain", "tools:read openid agents:read"),
        "two_resources": instance.agent(
            "acme", "two_resources", "tools:read", [API, "https://other.example.com"]
        ),
        # Where the API itself is called: what makes it a member of the audience.
        "service": instance.agent("acme", "service", "tools:read", url=API),
        "introspector": instance.agent("acme", "introspector", "tokens:introspect"),
        "mcp_secret": instance.agent("acme", "mcp_secret", "tools:read", [MCP]),
        "mcp_key": instance.key_agent("acme", "mcp_key", KEYS["es256"](), [MCP]),
        "orchestrator": instance.agent("acme", "orchestrator", "tools:read tools:write", [API]),
        "delegate": instance.agent("acme", "delegate", "tools:read tools:write", [API]),
        "suspended": instance.agent("acme", "suspended", "tools:read", [API]),
        "stranger": instance.agent(
            "globex", "stranger", "tools:read tokens:introspect tokens:revoke openid", [API]
        ),
        # Who makes things up: an agent of the instance, whose organization nobody else is in.
        "fuzzer": instance.agent("system", "fuzzer", f"{MANAGEMENT} openid"),
    }
    # Somebody beside the fuzzer, to be changed and ended.
    instance.agent("system", "spare", "agents:read")
    for alg in ("ES256", "EdDSA", "RS256"):
        name = f"signed_{alg.lower()}"
        clients[name] = instance.agent("acme", name, "tools:read openid", [API], alg=alg)
    for name, generate in KEYS.items():
        clients[name] = instance.key_agent("acme", name, generate())
    clients["globex_key"] = instance.key_agent("globex", "globex_key", KEYS["es256"]())
    clients["fuzzer"]["scope"] = MANAGEMENT
    instance.run("agent", "suspend", clients["suspended"]["clientId"], "--org", "acme")
    return {
        "issuer": issuer,
        "binary": os.path.abspath(binary),
        "home": home,
        "resource": API,
        "mcp": MCP,
        "peer": PEER,
        "clients": clients,
    }


def main():
    binary, home, issuer, out = sys.argv[1:]
    fixture = make(binary, home, issuer)
    with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(fixture, file, indent=1)


main()
