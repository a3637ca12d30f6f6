"""How schemathesis proves itself: by Basic at the OAuth endpoints, by a token everywhere else."""

import json
import os

import requests
import schemathesis

with open(os.environ["AGENTIDP_INTEROP"], encoding="utf-8") as file:
    FIXTURE = json.load(file)
ISSUER = FIXTURE["issuer"]
# Never somebody whom the other suites need: what is made up here may also suspend and revoke.
CLIENT = FIXTURE["clients"]["fuzzer"]
BASIC = (CLIENT["clientId"], CLIENT["secret"])


def token(scope):
    response = requests.post(
        f"{ISSUER}/oauth2/token",
        data={"grant_type": "client_credentials", "scope": scope},
        auth=BASIC,
        timeout=10,
    )
    response.raise_for_status()
    return response.json()["access_token"]


@schemathesis.auth(refresh_interval=300)
class Proof:
    def get(self, case, context):
        if case.operation.path.startswith("/oauth2/"):
            return requests.auth._basic_auth_str(*BASIC)
        if case.operation.path.startswith("/agent-info"):
            return f"Bearer {token('openid')}"
        return f"Bearer {token(CLIENT['scope'])}"

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = data


# Where whoever asks belongs to.
SYSTEM = "00000000-0000-7000-8000-000000000000"


@schemathesis.hook
def filter_case(context, case):
    """Whoever asks must go on asking: it neither ends nor changes itself, its credentials or its limits."""
    ids = list((case.path_parameters or {}).values())
    looks = case.method.upper() in ("GET", "HEAD", "OPTIONS")
    return looks or not (CLIENT["clientId"] in ids or SYSTEM in ids)
