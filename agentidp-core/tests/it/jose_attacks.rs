//! Attacks on the form, the header and the signature of a token. The numbers are the rows of the
//! attack table that the verifier was built against.

use agentidp_core::base::limits::JSON_DEPTH_MAX;
use agentidp_core::crypto::{Alg, hmac_sha256};
use agentidp_core::jose::{Jwks, VerifyError};
use serde_json::{Value, json};

use crate::common::{CLIENT, Issuer, claims, decode, encode, verifier};

/// Header members are added to a valid header, and the token is signed properly.
fn refuses_header(issuer: &Issuer, name: &str, value: Value) {
    let mut header = issuer.header();
    header[name] = value;
    let error = issuer.verify(&issuer.sign_header(&header)).unwrap_err();
    assert!(matches!(error, VerifyError::Header(_)), "{header}: {error}");
}

#[test]
fn a_valid_token_is_accepted_by_every_provider_and_algorithm() {
    for issuer in Issuer::all() {
        let claims = issuer.verify(&issuer.valid_token()).unwrap();
        assert_eq!(claims.client_id, CLIENT);
        assert_eq!(claims.scopes().collect::<Vec<_>>(), ["tools:read", "tools:write"]);
    }
}

/// Row 1.
#[test]
fn alg_none_is_refused_in_every_spelling_with_and_without_a_signature() {
    for issuer in Issuer::all() {
        let signature = issuer.valid_token().rsplit_once('.').unwrap().1.to_owned();
        for alg in ["none", "None", "NONE", "nOnE", "", "null"] {
            let header = json!({"alg": alg, "kid": issuer.kid(), "typ": "at+jwt"}).to_string();
            let input = format!("{}.{}", encode(header), encode(claims().to_string()));
            assert_eq!(issuer.verify(&input).unwrap_err(), VerifyError::Form);
            assert_eq!(issuer.verify(&format!("{input}.")).unwrap_err(), VerifyError::Form);
            let signed = format!("{input}.{signature}");
            assert_eq!(issuer.verify(&signed).unwrap_err(), VerifyError::Algorithm);
        }
    }
}

/// Row 2.
#[test]
fn a_public_key_is_never_a_secret_for_hmac() {
    for issuer in Issuer::all() {
        let jwk = issuer.jwk();
        let raw = jwk.get("x").or(jwk.get("n")).unwrap().as_str().unwrap();
        let mut secrets =
            vec![jwk.to_string().into_bytes(), decode(raw), raw.as_bytes().to_vec(), vec![]];
        secrets.extend(subject_public_key_info(&jwk));
        for secret in secrets {
            for alg in ["HS256", issuer.alg().as_str()] {
                let header = json!({"alg": alg, "kid": issuer.kid(), "typ": "at+jwt"}).to_string();
                let input = format!("{}.{}", encode(header), encode(claims().to_string()));
                let tag = hmac_sha256(&secret, &[input.as_bytes()]);
                assert!(issuer.verify(&format!("{input}.{}", encode(tag))).is_err());
            }
        }
    }
}

/// The encodings of a curve's key that a careless verifier has at hand: SubjectPublicKeyInfo as DER
/// and as PEM, with and without its last newline (RFC 8410, RFC 5480). None for RSA.
fn subject_public_key_info(jwk: &Value) -> Vec<Vec<u8>> {
    let member = |name: &str| jwk.get(name).map(|text| decode(text.as_str().unwrap()));
    let (prefix, key): (&[u8], Vec<u8>) = match (member("x"), member("y")) {
        (Some(x), Some(y)) => (
            b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04",
            [x, y].concat(),
        ),
        (Some(x), None) => (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", x),
        _ => return Vec::new(),
    };
    let der = [prefix, &key].concat();
    let encoded = agentidp_core::crypto::base64_standard(&der);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    assert!(agentidp_core::crypto::PublicKey::from_pem(&pem).is_ok(), "it is the key");
    vec![der, format!("{pem}\n").into_bytes(), pem.into_bytes()]
}

/// Rows 3, 20, 28 and 42: the key decides the algorithm, also where its JWK does not name it.
#[test]
fn the_header_cannot_choose_the_algorithm() {
    const NAMES: [&str; 14] = [
        "HS256",
        "HS512",
        "RS512",
        "PS256",
        "PS512",
        "RS384",
        "ES384",
        "ES512",
        "ES256K",
        "Ed448",
        "PBES2-HS256+A128KW",
        "dir",
        "A256GCM",
        "ES521",
    ];
    for issuer in Issuer::all() {
        let mut jwk = issuer.jwk();
        jwk.as_object_mut().unwrap().remove("alg");
        let jwks = Jwks::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
        let verifier = verifier(&issuer.provider, &jwks);
        let other = Alg::ALL.iter().filter(|alg| **alg != issuer.alg()).map(|alg| alg.as_str());
        for alg in NAMES.into_iter().chain(other) {
            let mut header = issuer.header();
            header["alg"] = json!(alg);
            let token = issuer.sign_header(&header);
            let error = verifier.verify_access_token(&token, crate::common::AUDIENCE).unwrap_err();
            assert_eq!(error, VerifyError::Algorithm, "{alg}");
        }
    }
}

/// RFC 9864 gives `EdDSA` with an Ed25519 key the name `Ed25519`; no other key may use it.
#[test]
fn the_name_ed25519_counts_for_ed25519_keys_only() {
    for issuer in Issuer::all() {
        let mut header = issuer.header();
        header["alg"] = json!("Ed25519");
        let accepted = issuer.verify(&issuer.sign_header(&header)).is_ok();
        assert_eq!(accepted, issuer.alg() == Alg::EdDsa);
    }
}

/// Row 5.
#[test]
fn whitespace_and_case_in_alg_are_not_forgiven() {
    for issuer in Issuer::all() {
        let name = issuer.alg().as_str();
        for alg in
            [format!(" {name}"), format!("{name} "), format!("\u{a0}{name}"), name.to_lowercase()]
        {
            let mut header = issuer.header();
            header["alg"] = json!(alg);
            let error = issuer.verify(&issuer.sign_header(&header)).unwrap_err();
            assert_eq!(error, VerifyError::Algorithm, "{alg:?}");
        }
        refuses_header(&issuer, "alg", json!(256));
        refuses_header(&issuer, "alg", json!([name]));
        refuses_header(&issuer, "alg", Value::Null);
    }
}

/// A valid token with another signature.
fn with_signature(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').unwrap().0, encode(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    decode(token.rsplit_once('.').unwrap().1)
}

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Row 6: `r` and `s` of 0, 1, n-1, n and 2^256-1, with each other and with a good half.
#[test]
fn psychic_ecdsa_signatures_are_refused() {
    let mut below = P256_ORDER;
    below[31] -= 1;
    let mut one = [0; 32];
    one[31] = 1;
    for issuer in Issuer::all().into_iter().filter(|issuer| issuer.alg() == Alg::Es256) {
        let token = issuer.valid_token();
        let good = signature_of(&token);
        let values =
            [[0; 32].to_vec(), one.to_vec(), below.to_vec(), P256_ORDER.to_vec(), vec![0xff; 32]];
        let mut pairs = Vec::new();
        for value in &values {
            pairs.extend(values.iter().map(|other| [value.as_slice(), other].concat()));
            pairs.push([value, &good[32..]].concat());
            pairs.push([&good[..32], value].concat());
        }
        for pair in pairs {
            let error = issuer.verify(&with_signature(&token, &pair)).unwrap_err();
            assert_eq!(error, VerifyError::Signature, "{pair:02x?}");
        }
    }
}

/// Row 7.
#[test]
fn signatures_of_another_form_or_length_are_refused() {
    for issuer in Issuer::all() {
        let token = issuer.valid_token();
        let good = signature_of(&token);
        let mut variants = vec![
            good[..good.len() - 1].to_vec(),
            good[1..].to_vec(),
            [good.as_slice(), &[0]].concat(),
            [&[0], good.as_slice()].concat(),
            [good.as_slice(), &good].concat(),
            vec![0; good.len()],
            vec![0xff; good.len()],
        ];
        if issuer.alg() == Alg::Es256 {
            variants.push(der(&good));
            variants.push([&[0], &good[..32], &[0], &good[32..]].concat());
        }
        for signature in variants {
            let error = issuer.verify(&with_signature(&token, &signature)).unwrap_err();
            assert_eq!(error, VerifyError::Signature);
        }
    }
}

/// An ECDSA-Sig-Value of the same numbers.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut bytes: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        [&[0x02, u8::try_from(bytes.len()).unwrap()], bytes.as_slice()].concat()
    };
    let content = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}

/// `a - b`, big-endian.
fn minus(a: &[u8; 32], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference = vec![0; 32];
    for at in (0..32).rev() {
        let digit = i16::from(a[at]) - i16::from(b[at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = u8::try_from(digit + 256 * borrow).unwrap();
    }
    difference
}

/// Row 8: (r, n-s) verifies as well, and ECDSA allows it. Hence a token's bytes never identify it:
/// what must be used once is known by `iss` and `jti`, which both tokens share.
#[test]
fn the_other_ecdsa_signature_gives_the_same_token_by_its_claims() {
    for issuer in Issuer::all().into_iter().filter(|issuer| issuer.alg() == Alg::Es256) {
        let token = issuer.valid_token();
        let good = signature_of(&token);
        let flipped = [&good[..32], &minus(&P256_ORDER, &good[32..])].concat();
        let twin = with_signature(&token, &flipped);
        assert_ne!(twin, token);
        assert_eq!(issuer.verify(&twin).unwrap().jti, issuer.verify(&token).unwrap().jti);
    }
}

/// Row 9: S+L, and every single bit of the signature.
#[test]
fn ed25519_signatures_with_a_large_s_or_a_flipped_bit_are_refused() {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    for issuer in Issuer::all().into_iter().filter(|issuer| issuer.alg() == Alg::EdDsa) {
        let token = issuer.valid_token();
        let good = signature_of(&token);
        let mut large = good.clone();
        let mut carry = 0;
        for (byte, order) in large[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert!(issuer.verify(&with_signature(&token, &large)).is_err());
        for bit in 0..512 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = issuer.verify(&with_signature(&token, &flipped)).unwrap_err();
            assert_eq!(error, VerifyError::Signature, "bit {bit}");
        }
    }
}

/// Row 21.
#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let issuer = Issuer::one();
    for kid in [
        "../../../../dev/null",
        "' OR 1=1 --",
        "\0",
        "key|cmd",
        "file:///etc/passwd",
        "",
        &issuer.kid().to_lowercase(),
        &format!("{}\0", issuer.kid()),
        &"k".repeat(256),
    ] {
        let mut header = issuer.header();
        header["kid"] = json!(kid);
        let error = issuer.verify(&issuer.sign_header(&header)).unwrap_err();
        assert_eq!(error, VerifyError::UnknownKey, "{kid:?}");
    }
    for kid in [json!(1), json!([issuer.kid()]), json!({}), Value::Null, json!("k".repeat(257))] {
        refuses_header(&issuer, "kid", kid);
    }
}

/// Row 22.
#[test]
fn a_token_without_kid_is_accepted_only_if_the_set_has_one_key() {
    let issuer = Issuer::one();
    let mut header = issuer.header();
    header.as_object_mut().unwrap().remove("kid");
    let token = issuer.sign_header(&header);
    assert!(issuer.verify(&token).is_ok());

    let p384 = json!({"kty": "EC", "crv": "P-384", "kid": "other", "x": "AA", "y": "AA"});
    for other in [Issuer::one().jwk(), p384] {
        let set = json!({"keys": [issuer.jwk(), other]}).to_string();
        let verifier = verifier(&issuer.provider, &Jwks::parse(set.as_bytes()).unwrap());
        let error = verifier.verify_access_token(&token, crate::common::AUDIENCE).unwrap_err();
        assert_eq!(error, VerifyError::UnknownKey);
        assert!(
            verifier.verify_access_token(&issuer.valid_token(), crate::common::AUDIENCE).is_ok()
        );
    }
}

/// Rows 15, 29, 30 and 31: an attacker's key in the header signs nothing; with our own signature the
/// members are ignored, and nothing is ever fetched.
#[test]
fn keys_and_addresses_in_the_header_are_ignored() {
    for issuer in Issuer::all() {
        let attacker = Issuer::new(issuer.provider, issuer.alg());
        for (name, value) in [
            ("jwk", attacker.jwk()),
            ("jku", json!("https://evil.example/jwks")),
            ("x5u", json!("https://evil.example/x5u")),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("AAAA")),
        ] {
            for kid in [issuer.kid(), attacker.kid()] {
                let mut header = issuer.header();
                header[name] = value.clone();
                header["kid"] = json!(kid);
                assert!(issuer.verify(&attacker.sign_header(&header)).is_err(), "{name}");
            }
            let mut header = issuer.header();
            header[name] = value;
            assert!(issuer.verify(&issuer.sign_header(&header)).is_ok(), "{name}");
        }
    }
}

/// Row 32.
#[test]
fn crit_is_refused_whatever_it_names() {
    let issuer = Issuer::one();
    for crit in
        [json!(["x"]), json!([]), json!(["alg"]), json!(["exp", "exp"]), json!("x"), Value::Null]
    {
        refuses_header(&issuer, "crit", crit);
    }
}

/// Row 33.
#[test]
fn an_unencoded_payload_is_refused_with_and_without_crit() {
    let issuer = Issuer::one();
    refuses_header(&issuer, "b64", json!(false));
    refuses_header(&issuer, "b64", json!(true));
    let mut header = issuer.header();
    header["crit"] = json!(["b64"]);
    refuses_header(&issuer, "crit", json!(["b64"]));
    header["b64"] = json!(false);
    let payload = claims().to_string();
    let input = format!("{}.{payload}", encode(header.to_string()));
    let signature = encode(issuer.signer.sign(input.as_bytes()).unwrap());
    assert!(issuer.verify(&format!("{input}.{signature}")).is_err());
}

/// Row 34.
#[test]
fn a_header_member_twice_is_refused() {
    let issuer = Issuer::one();
    let kid = issuer.kid();
    for header in [
        format!(r#"{{"alg":"EdDSA","alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt","\u0074yp":"JWT"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"at+jwt","x":{{"y":1,"y":2}}}}"#),
    ] {
        let error = issuer.verify(&issuer.sign(&header, &claims().to_string())).unwrap_err();
        assert!(matches!(error, VerifyError::Header(_)), "{header}");
    }
}

/// Row 37.
#[test]
fn padding_whitespace_and_the_other_alphabet_are_refused() {
    let issuer = Issuer::one();
    let token = issuer.valid_token();
    let parts: Vec<&str> = token.split('.').collect();
    for at in 0..3 {
        for junk in ["=", "==", " ", "\n", "\r\n", "\t", "?", "+", "/", "%", "\u{0}", "\u{e9}"] {
            for text in [format!("{}{junk}", parts[at]), format!("{junk}{}", parts[at])] {
                let mut changed = parts.clone();
                changed[at] = &text;
                assert_eq!(issuer.verify(&changed.join(".")).unwrap_err(), VerifyError::Form);
            }
        }
    }
    assert!(issuer.verify(&format!(" {token}")).is_err());
    assert!(issuer.verify(&format!("{token}\n")).is_err());
}

/// Row 38: 64 bytes leave four bits in the last character, which must be zero.
#[test]
fn trailing_bits_are_refused() {
    let issuer = Issuer::one();
    let token = issuer.valid_token();
    let (rest, last) = token.split_at(token.len() - 1);
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = ALPHABET.find(last).unwrap();
    for bits in 1..16 {
        let other = ALPHABET.chars().nth(value ^ bits).unwrap();
        assert_eq!(issuer.verify(&format!("{rest}{other}")).unwrap_err(), VerifyError::Form);
    }
}

/// Row 39.
#[test]
fn other_numbers_of_parts_are_refused() {
    let issuer = Issuer::one();
    let token = issuer.valid_token();
    let parts: Vec<&str> = token.split('.').collect();
    let json = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        parts[0].to_owned(),
        parts[..2].join("."),
        format!("{token}."),
        format!("{token}.x"),
        format!(".{token}"),
        format!("{token}.x.y"),
        format!(".{}.{}", parts[1], parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        json.to_string(),
        format!("{token},{token}"),
    ] {
        assert_eq!(issuer.verify(&text).unwrap_err(), VerifyError::Form, "{text}");
    }
}

/// Row 40.
#[test]
fn a_token_within_a_token_is_refused() {
    let issuer = Issuer::one();
    for cty in ["JWT", "jwt", "application/jwt", "at+jwt"] {
        refuses_header(&issuer, "cty", json!(cty));
    }
    refuses_header(&issuer, "cty", json!(1));
    refuses_header(&issuer, "enc", json!("A256GCM"));
}

/// Row 41.
#[test]
fn a_compressed_payload_is_refused() {
    let issuer = Issuer::one();
    refuses_header(&issuer, "zip", json!("DEF"));
    refuses_header(&issuer, "zip", Value::Null);
}

/// Row 43: the limit holds before anything is decoded.
#[test]
fn a_huge_token_is_refused_by_its_length() {
    let issuer = Issuer::one();
    let mut claims = claims();
    claims["filler"] = json!("x".repeat(1024 * 1024));
    let error = issuer.verify(&issuer.sign_claims(&claims)).unwrap_err();
    assert!(matches!(error, VerifyError::TooLong { .. }));
    assert!(matches!(issuer.verify(&".".repeat(16 * 1024 + 1)), Err(VerifyError::TooLong { .. })));
    let of_length = |length: usize| ".".repeat(length);
    assert!(matches!(issuer.verify(&of_length(16 * 1024)), Err(VerifyError::Form)));
    assert!(matches!(issuer.verify(&of_length(16 * 1024 + 1)), Err(VerifyError::TooLong { .. })));
    claims["filler"] = json!("x".repeat(11 * 1024));
    assert!(issuer.verify(&issuer.sign_claims(&claims)).is_ok());
}

/// Row 44.
#[test]
fn deep_json_is_refused() {
    let issuer = Issuer::one();
    let verify = |depth: usize| {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let payload = claims().to_string().replacen('{', &format!("{{\"deep\":{deep},"), 1);
        issuer.verify(&issuer.sign(&issuer.header().to_string(), &payload))
    };
    assert_eq!(verify(200), Err(VerifyError::Payload));
    // The object that holds it is a level too.
    assert!(verify(JSON_DEPTH_MAX - 1).is_ok());
    assert_eq!(verify(JSON_DEPTH_MAX), Err(VerifyError::Payload));
}

/// Rows 60 and 61.
#[test]
fn tokens_of_other_types_are_not_access_tokens() {
    let issuer = Issuer::one();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        let mut header = issuer.header();
        header["typ"] = json!(typ);
        assert!(issuer.verify(&issuer.sign_header(&header)).is_ok(), "{typ}");
        assert_eq!(issuer.verify_id(&issuer.sign_header(&header)), Err(VerifyError::Type));
    }
    for typ in [
        "JWT",
        "jwt",
        "",
        "dpop+jwt",
        "logout+jwt",
        "entity-statement+jwt",
        "oauth-id-jag+jwt",
        "client-authentication+jwt",
        "secevent+jwt",
        "at+jwt ",
        " at+jwt",
        "application/",
        "application/application/at+jwt",
        "text/at+jwt",
        // As long as `application/`.
        "image/x-iconat+jwt",
        "multipart/x-at+jwt",
        "at",
        "at+jwt;x=y",
    ] {
        let mut header = issuer.header();
        header["typ"] = json!(typ);
        let error = issuer.verify(&issuer.sign_header(&header)).unwrap_err();
        assert_eq!(error, VerifyError::Type, "{typ}");
    }
    let mut header = issuer.header();
    header.as_object_mut().unwrap().remove("typ");
    assert_eq!(issuer.verify(&issuer.sign_header(&header)), Err(VerifyError::Type));
    refuses_header(&issuer, "typ", json!(["at+jwt"]));
}

/// Row 83: no message repeats what was sent.
#[test]
fn errors_do_not_repeat_the_token() {
    let issuer = Issuer::one();
    let token = issuer.valid_token();
    for at in 0..token.len() {
        let mut broken = token.clone().into_bytes();
        broken[at] ^= 1;
        let broken = String::from_utf8(broken).unwrap();
        if let Err(error) = issuer.verify(&broken) {
            let text = format!("{error} {error:?}");
            assert!(broken.split('.').all(|part| part.is_empty() || !text.contains(part)));
            assert!(!text.contains(CLIENT) && text.len() < 200, "{text}");
        }
    }
}
