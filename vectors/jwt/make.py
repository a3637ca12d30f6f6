#!/usr/bin/env python3
"""Writes access-tokens.json, sharing no code with the Rust crate.

Needs the package `cryptography`. The keys are new at each run; only the public ones are written.
"""
import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://idp.example.com"
AUDIENCE = "https://api.example.com"
NOW = 1_795_316_400


def b64(data):
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


ED = ed25519.Ed25519PrivateKey.generate()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def sign(alg, data):
    if alg == "EdDSA":
        return ED.sign(data)
    if alg == "ES256":
        r, s = decode_dss_signature(EC.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())


def jwk(alg):
    if alg == "EdDSA":
        key = {"crv": "Ed25519", "kty": "OKP", "x": b64(ED.public_key().public_bytes_raw())}
    elif alg == "ES256":
        n = EC.public_key().public_numbers()
        key = {"crv": "P-256", "kty": "EC", "x": number(n.x, 32), "y": number(n.y, 32)}
    else:
        n = RSA.public_key().public_numbers()
        key = {"e": number(n.e), "kty": "RSA", "n": number(n.n)}
    kid = b64(hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest())
    return {**key, "kid": kid, "use": "sig", "alg": alg}


KEYS = {alg: jwk(alg) for alg in ("EdDSA", "ES256", "RS256")}


def claims(**changes):
    base = {
        "iss": ISSUER, "sub": "agent-1", "aud": AUDIENCE, "client_id": "agent-1", "exp": NOW + 3600, "iat": NOW,
        "jti": "jti-1", "scope": "tools:read", "organization_id": "org-1", "agent_did": "did:web:idp.example.com:a",
    }
    base.update(changes)
    return {name: value for name, value in base.items() if value is not None}


def token(alg="EdDSA", payload=None, header=None, raw_header=None, raw_payload=None):
    head = {"alg": alg, "kid": KEYS[alg]["kid"], "typ": "at+jwt", **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    signed = b64(raw_header or json.dumps(head)) + "." + b64(raw_payload or json.dumps(payload or claims()))
    return signed + "." + b64(sign(alg, signed.encode()))


def main():
    cases = []

    def case(name, text, valid=False, alg="EdDSA"):
        cases.append({"name": name, "keyAlg": alg, "valid": valid, "token": text})

    for alg in KEYS:
        case(f"valid {alg}", token(alg), True, alg)
        case(f"payload changed after signing, {alg}", tampered(token(alg)), alg=alg)
    case("valid: audience in an array", token(payload=claims(aud=["https://x.example", AUDIENCE])), True)
    case("valid: application/at+jwt", token(header={"typ": "application/AT+JWT"}), True)
    case("valid: the name Ed25519 of RFC 9864", token(header={"alg": "Ed25519"}), True)
    case("valid: 59 seconds after the end", token(payload=claims(exp=NOW - 59, iat=NOW - 600)), True)
    case("60 seconds after the end", token(payload=claims(exp=NOW - 60, iat=NOW - 600)))
    case("issued 61 seconds ahead", token(payload=claims(iat=NOW + 61)))
    case("not before tomorrow", token(payload=claims(nbf=NOW + 86400)))
    case("life of more than a day", token(payload=claims(exp=NOW + 86401)))
    case("exp as text", token(payload=claims(exp=str(NOW + 60))))
    case("exp as a fraction", token(payload=claims(exp=NOW + 0.5)))
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id"):
        case(f"without {name}", token(payload=claims(**{name: None})))
    case("issuer in an array", token(payload=claims(iss=[ISSUER])))
    case("issuer with a slash", token(payload=claims(iss=ISSUER + "/")))
    case("audience with a slash", token(payload=claims(aud=AUDIENCE + "/")))
    case("audience with a number", token(payload=claims(aud=[AUDIENCE, 7])))
    twice = json.dumps(claims()).replace("{", '{"\\u0069ss":"https://evil.example",', 1)
    case("issuer twice, once escaped", token(raw_payload=twice))
    head = '{"alg":"EdDSA","alg":"EdDSA","kid":"%s","typ":"at+jwt"}' % KEYS["EdDSA"]["kid"]
    case("alg twice", token(raw_header=head))
    case("type JWT", token(header={"typ": "JWT"}))
    case("no type", token(header={"typ": None}))
    case("type dpop+jwt", token(header={"typ": "dpop+jwt"}))
    case("no kid, and three keys", token(header={"kid": None}))
    case("unknown kid", token(header={"kid": "../../etc/passwd"}))
    case("another key's kid", token(header={"kid": KEYS["ES256"]["kid"]}))
    case("alg none with a signature", token(header={"alg": "none"}))
    case("alg none without a signature", token(header={"alg": "none"}).rsplit(".", 1)[0] + ".")
    case("crit", token(header={"crit": ["exp"]}))
    case("crit empty", token(header={"crit": []}))
    case("b64 false", token(header={"b64": False}))
    case("zip", token(header={"zip": "DEF"}))
    case("nested", token(header={"cty": "JWT"}))
    public = base64.urlsafe_b64decode(KEYS["EdDSA"]["x"] + "=")
    signed = token(header={"alg": "HS256"}).rsplit(".", 1)[0]
    case("HMAC with the public key", signed + "." + b64(hmac.new(public, signed.encode(), "sha256").digest()))
    good = token()
    case("padding", good + "==")
    case("trailing bits", good[:-1] + chr(ord(good[-1]) + 1))
    case("four parts", good + ".x")
    case("newline", good + "\n")
    signed = token("ES256").rsplit(".", 1)[0]
    case("ES256 with r = s = 0", signed + "." + b64(bytes(64)), alg="ES256")
    case("ES256 in DER", signed + "." + b64(EC.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))), alg="ES256")
    document = {
        "version": 1, "issuer": ISSUER, "audience": AUDIENCE, "now": NOW,
        "jwks": {"keys": list(KEYS.values())}, "cases": cases,
    }
    target = pathlib.Path(__file__).with_name("access-tokens.json")
    target.write_text(json.dumps(document, indent=1) + "\n")


def tampered(text):
    head, _, signature = text.split(".")
    return ".".join([head, b64(json.dumps(claims(sub="agent-2"))), signature])


main()
