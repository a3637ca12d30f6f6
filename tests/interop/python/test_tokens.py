"""Tokens by the client credentials grant: authlib gets them; joserfc, PyJWT and authlib verify them."""

import base64
import hashlib
from urllib.parse import quote_plus

import jwt as pyjwt
import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.oauth2.rfc6750.errors import InsufficientScopeError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from conftest import eventually
from joserfc import jwt
from joserfc.jwk import KeySet

ALGS = ["ES256", "EdDSA", "RS256"]


def by_joserfc(instance, token, audience, typ):
    decoded = jwt.decode(token, KeySet.import_key_set(instance.keys()), algorithms=ALGS)
    assert decoded.header["typ"] == typ
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": instance.issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    ).validate(decoded.claims)
    return decoded


def by_pyjwt(instance, token, audience):
    key = pyjwt.PyJWKClient(instance.metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    return pyjwt.decode(token, key, algorithms=ALGS, issuer=instance.issuer, audience=audience)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_gives_a_token_that_both_verify(instance, method):
    answer = instance.token("secret", method, scope="tools:read")
    assert answer["token_type"] == "Bearer"
    assert answer["scope"] == "tools:read"
    claims = by_joserfc(instance, answer["access_token"], instance.resource, "at+jwt").claims
    assert claims == by_pyjwt(instance, answer["access_token"], instance.resource)
    assert claims["sub"] == claims["client_id"] == instance.clients["secret"]["clientId"]


@pytest.mark.parametrize("name", ["es256", "rs256", "eddsa"])
def test_a_key_gives_a_token_by_private_key_jwt(instance, name):
    claims = by_pyjwt(instance, instance.token(name)["access_token"], instance.resource)
    assert claims["client_id"] == instance.clients[name]["clientId"]


def test_an_assertion_for_the_token_endpoint_is_refused(instance):
    # authlib's default. draft-ietf-oauth-rfc7523bis has the issuer as the only audience, since an endpoint
    # of another server can be made to look like ours (CVE-2025-27370).
    session = instance.session("es256", audience=instance.metadata["token_endpoint"])
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(instance.metadata["token_endpoint"], grant_type="client_credentials")


def test_an_assertion_that_lives_for_an_hour_is_refused(instance):
    # authlib's default, too. RFC 7523 section 3 lets a server refuse an end that is far away, which bounds
    # what has to be remembered of used ones.
    session = instance.session("es256", life=3600)
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(instance.metadata["token_endpoint"], grant_type="client_credentials")


def test_a_secret_of_special_characters_works_by_post(instance):
    for name in ("special", "unicode"):
        token = instance.token(name, "client_secret_post")["access_token"]
        assert by_pyjwt(instance, token, instance.resource)["sub"] == instance.clients[name]["clientId"]


def test_a_secret_of_special_characters_works_by_basic_when_encoded(instance):
    # Neither authlib nor requests encodes before base64, as RFC 6749 section 2.3.1 asks.
    client = instance.clients["special"]
    answer = requests.post(
        instance.metadata["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=(quote_plus(client["clientId"]), quote_plus(client["secret"])),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def test_a_wrong_secret_is_an_invalid_client(instance):
    session = instance.session("secret")
    session.client_secret = instance.clients["stranger"]["secret"]
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(instance.metadata["token_endpoint"], grant_type="client_credentials")


def test_authlib_protects_a_resource_by_rfc_9068(instance):
    class Validator(JWTBearerTokenValidator):
        def get_jwks(self):
            return instance.keys()

    token = instance.token("secret", scope="tools:read")["access_token"]
    validator = Validator(instance.issuer, instance.resource)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, ["tools:read"], None)
    with pytest.raises(InsufficientScopeError):
        validator.validate_token(claims, ["tools:write"], None)


def test_the_id_token_verifies_and_hashes_its_access_token(instance):
    answer = instance.token("secret", scope="openid")
    client = instance.clients["secret"]
    decoded = by_joserfc(instance, answer["id_token"], client["clientId"], "JWT")
    by_pyjwt(instance, answer["id_token"], client["clientId"])
    # OpenID Connect Core section 3.1.3.6.
    digest = {"EdDSA": hashlib.sha512}.get(decoded.header["alg"], hashlib.sha256)
    half = digest(answer["access_token"].encode()).digest()
    half = half[: len(half) // 2]
    assert decoded.claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert decoded.claims["agent_did"] == client["did"]
    info = requests.get(
        f"{instance.issuer}/agent-info",
        headers={"Authorization": f"Bearer {answer['access_token']}"},
        timeout=10,
    )
    assert info.json()["sub"] == decoded.claims["sub"]


def test_introspection_and_revocation(instance):
    for name in ("secret", "es256"):
        token = instance.token(name)["access_token"]
        told = instance.introspect(name, token)
        assert told["active"] is True
        assert told["client_id"] == instance.clients[name]["clientId"]
        assert instance.introspect("stranger", token) == {"active": False}
        assert instance.revoke(name, token).status_code == 200
        assert instance.introspect(name, token) == {"active": False}
        assert instance.revoke(name, token).status_code == 200


def test_tokens_verify_across_a_rotation(instance):
    # By default it waits half a minute before it asks again for a key that it does not know.
    client = pyjwt.PyJWKClient(instance.metadata["jwks_uri"], cooldown_duration=0)

    def verify(token):
        key = client.get_signing_key_from_jwt(token)
        pyjwt.decode(token, key, algorithms=ALGS, issuer=instance.issuer, audience=instance.resource)
        return pyjwt.get_unverified_header(token)["kid"]

    old = instance.token("secret")["access_token"]
    verify(old)
    instance.agentidp("key", "rotate", "--alg", "ES256")
    kid = instance.agentidp("key", "rotate", "--now", "--alg", "ES256")["kid"]
    eventually("the new key signs", lambda: verify(instance.token("secret")["access_token"]) == kid)
    assert verify(old) != kid
    pyjwt.PyJWKClient(instance.metadata["jwks_uri"]).get_signing_key_from_jwt(old)
