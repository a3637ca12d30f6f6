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


# Whoever changes these would go on as nobody, suspended or with a limit of its own making: the fuzzer's
# agent and its organization.
OWN = (CLIENT["clientId"], CLIENT["organizationId"])


def kind(case):
    """Which proof a case takes."""
    if case.operation.path.startswith("/oauth2/"):
        return "client"
    ids = (case.path_parameters or {}).values()
    if case.method.upper() != "GET" and any(own == each for own in OWN for each in ids):
        return "nobody"
    return "openid" if case.operation.path.startswith("/agent-info") else "token"


@schemathesis.auth(refresh_interval=300, cache_by_key=lambda case, context: kind(case))
class Proof:
    def get(self, case, context):
        match kind(case):
            case "client":
                return requests.auth._basic_auth_str(*BASIC)
            case "openid":
                return f"Bearer {token('openid')}"
            case "token":
                return f"Bearer {token(CLIENT['scope'])}"
            case _:
                return "Bearer nobody"

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = data
