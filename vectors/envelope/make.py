#!/usr/bin/env python3
"""Writes envelopes.json from the description in README.md, sharing no code with the Rust crate.

Needs the package `cryptography`. Keys and nonces are fixed: the output is always the same.
"""
import hashlib
import hmac
import json
import pathlib
import struct
import uuid

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

ORG = "0193a5f0-0000-7000-8000-000000000003"
DEK_ID = "0193a5f0-0000-7000-8000-0000000000dd"
DEK = bytes(range(32))


def hkdf(key, salt, info, length):
    """RFC 5869."""
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([n]), hashlib.sha256).digest()
        out, n = out + block, n + 1
    return out[:length]


def hchacha20(key, nonce16):
    """draft-irtf-cfrg-xchacha-03 section 2.2."""
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce16))
    mask = 0xFFFFFFFF

    def rotate(v, n):
        return ((v << n) | (v >> (32 - n))) & mask

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & mask
            s[z] = rotate(s[z] ^ s[x], n)

    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(a, b, c, d)
    return struct.pack("<8I", *(s[:4] + s[12:]))


def seal(plaintext, nonce, place, key=DEK, key_id=DEK_ID):
    head = b"\x01\x01" + uuid.UUID(key_id).bytes
    derived = hkdf(key, nonce, b"agentidp/seal/v1", 64)
    fields = [head] + [part.encode() for part in place]
    aad = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    subkey = hchacha20(derived[:32], nonce[:16])
    ciphertext = ChaCha20Poly1305(subkey).encrypt(b"\0" * 4 + nonce[16:], plaintext, aad)
    return head + nonce + derived[32:] + ciphertext


def main():
    home = (ORG, "webhooks", "secret", "0193a5f0-0000-7000-8000-000000000009")
    cases = []

    def case(name, envelope, plaintext, place=home, key=DEK, key_id=DEK_ID):
        cases.append({
            "name": name, "dataKeyId": key_id, "dataKey": key.hex(), "organizationId": place[0],
            "table": place[1], "column": place[2], "row": place[3], "envelope": envelope.hex(),
            "plaintext": None if plaintext is None else plaintext.hex(),
        })

    for at, text in enumerate([b"", b"x", b"whsec_example", bytes(range(256)) * 3]):
        case(f"{len(text)} bytes", seal(text, bytes([at + 1]) * 24, home), text)
    other = (ORG, "webhooks", "secret", "z\u00fcrich")
    case("a row key that is not ASCII", seal(b"x", b"\x09" * 24, other), b"x", other)
    good = seal(b"whsec_example", b"\x07" * 24, home)
    for name, at in [("version", 0), ("suite", 1), ("data key id", 2), ("nonce", 18),
                     ("commitment", 42), ("ciphertext", 74), ("tag", len(good) - 1)]:
        bad = bytearray(good)
        bad[at] ^= 1
        case(f"a bit flipped: {name}", bytes(bad), None)
    for at, name in enumerate(["organization", "table", "column", "row"]):
        moved = list(home)
        moved[at] = "0193a5f0-0000-7000-8000-000000000004" if at == 0 else "elsewhere"
        case(f"moved: {name}", good, None, tuple(moved))
    case("borders moved", good, None, (ORG, "webhookssecret", "", home[3]))
    case("another key of the same id", good, None, key=bytes(32))
    case("another key's commitment", good[:42] + seal(b"", b"\x07" * 24, home, bytes(32))[42:74] + good[74:], None)
    case("cut", good[:-1], None)
    case("longer", good + b"\0", None)
    case("a plaintext", b"whsec_example", None)
    case("empty", b"", None)
    target = pathlib.Path(__file__).with_name("envelopes.json")
    target.write_text(json.dumps({"version": 1, "cases": cases}, indent=1) + "\n")


main()
