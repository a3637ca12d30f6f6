//! The examples of the RFCs, over every provider.

use agentidp_core::SecretBytes;
use agentidp_core::crypto::{Alg, PrivateKey};
use agentidp_core::jose::{Jwk, parse_compact};

use crate::common::{decode, providers};

/// RFC 7638 section 3.1.
#[test]
fn rfc_7638_thumbprint() {
    let jwk = Jwk::parse(br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#).unwrap();
    assert_eq!(jwk.key().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(jwk.kid(), Some("2011-04-29"));
}

/// RFC 8037 appendices A.1, A.4 and A.5: Ed25519 is deterministic, so the signature must be the same.
#[test]
fn rfc_8037_ed25519_signature() {
    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let seed = || SecretBytes::new(decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
    for provider in providers() {
        let key = PrivateKey::from_bytes(Alg::EdDsa, seed()).unwrap();
        let signer = provider.signer(&key).unwrap();
        let x = &signer.public_key().to_jwk()["x"];
        assert_eq!(x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let (input, signature) = TOKEN.rsplit_once('.').unwrap();
        assert_eq!(signer.sign(input.as_bytes()).unwrap(), decode(signature));
        let verifier = provider.verifier(signer.public_key()).unwrap();
        parse_compact(TOKEN).unwrap().verify(verifier.as_ref()).unwrap();
    }
}

/// RFC 7515 appendix A.3.
#[test]
fn rfc_7515_es256_signature() {
    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let jwk = Jwk::parse(br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#).unwrap();
    for provider in providers() {
        let verifier = provider.verifier(jwk.key()).unwrap();
        let token = parse_compact(TOKEN).unwrap();
        token.verify(verifier.as_ref()).unwrap();
        assert!(token.payload().starts_with(b"{\"iss\":\"joe\""));
    }
}

/// RFC 7515 appendix A.2.
#[test]
#[cfg(feature = "aws-lc")]
fn rfc_7515_rs256_signature() {
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let jwk = Jwk::parse(br#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#).unwrap();
    let provider = agentidp_core::crypto::CryptoProvider::aws_lc();
    let verifier = provider.verifier(jwk.key()).unwrap();
    parse_compact(TOKEN).unwrap().verify(verifier.as_ref()).unwrap();
}
