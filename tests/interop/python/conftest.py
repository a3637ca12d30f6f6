"""The running instance, and who its clients are. scripts/interop makes both."""

import json
import os
import subprocess
import time

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import get_well_known_url
from joserfc.jwk import ECKey, OKPKey, RSAKey

# The issuer is http://localhost:PORT.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

KINDS = {"EC": (ECKey, "ES256"), "RSA": (RSAKey, "RS256"), "OKP": (OKPKey, "EdDSA")}


class Instance:
    def __init__(self, fixture):
        self.fixture = fixture
        self.issuer = fixture["issuer"]
        self.resource = fixture["resource"]
        self.clients = fixture["clients"]
        self.metadata = self.get(get_well_known_url(self.issuer, external=True))

    @staticmethod
    def get(url):
        response = requests.get(url, timeout=10)
        response.raise_for_status()
        return response.json()

    def keys(self):
        return self.get(self.metadata["jwks_uri"])

    def session(self, name, method="client_secret_basic", **options):
        """An authlib client, for one request. `alg`, `audience` and `life` are those of its assertion."""
        client = self.clients[name]
        if "secret" in client:
            return OAuth2Session(client["clientId"], client["secret"], token_endpoint_auth_method=method)
        kind, alg = KINDS[client["key"]["kty"]]
        session = OAuth2Session(
            client["clientId"],
            kind.import_key(client["key"]),
            token_endpoint_auth_method="private_key_jwt",
            revocation_endpoint_auth_method="private_key_jwt",
        )
        session.register_client_auth_method(
            PrivateKeyJWT(
                options.get("audience", self.issuer),
                # By default it lives an hour.
                claims={"exp": int(time.time()) + options.get("life", 60)},
                headers={"kid": client["kid"]},
                alg=options.get("alg", alg),
            )
        )
        return session

    def token(self, name, method="client_secret_basic", **parameters):
        session = self.session(name, method)
        return session.fetch_token(
            self.metadata["token_endpoint"], grant_type="client_credentials", **parameters
        )

    def introspect(self, name, token):
        response = self.session(name).introspect_token(
            self.metadata["introspection_endpoint"], token=token
        )
        response.raise_for_status()
        return response.json()

    def revoke(self, name, token):
        return self.session(name).revoke_token(self.metadata["revocation_endpoint"], token=token)

    def agentidp(self, *words):
        command = [self.fixture["binary"], "--home", self.fixture["home"], "--json", "--quiet", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


def eventually(what, check, seconds=15):
    """Waits until `check` gives something true: processes notice each other's changes by and by."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def instance():
    path = os.environ.get("AGENTIDP_INTEROP")
    assert path, "AGENTIDP_INTEROP names no fixture: run scripts/interop BINARY"
    with open(path, encoding="utf-8") as file:
        return Instance(json.load(file))
