//! Tokens that are not valid, of every kind: exit code 3, one code, and no word of the token.

use std::sync::Arc;

use agentidp_core::crypto::{Signer, hmac_sha256};
use agentidp_core::jose::{Jwk, Jwks};
use agentidp_core::{Alg, Clock as _, CryptoProvider, SystemClock, SystemRng};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::sandbox::{AUDIENCE, Answer, ISSUER, Sandbox};

const OFFLINE: [&str; 10] = [
    "--json",
    "token",
    "verify",
    "--jwks",
    "jwks.json",
    "--issuer",
    ISSUER,
    "--audience",
    AUDIENCE,
    "-",
];

/// An issuer whose key set is in the sandbox, and a pen for forging its tokens.
struct Forge {
    sandbox: Sandbox,
    signer: Arc<dyn Signer>,
}

impl Forge {
    fn new() -> Forge {
        let provider = CryptoProvider::default_provider();
        let signer = |alg| {
            let key = provider.generate(alg, &SystemRng).unwrap();
            provider.signer(&key).unwrap()
        };
        let (signer, other) = (signer(Alg::Es256), signer(Alg::EdDsa));
        let keys = [signer.public_key().clone(), other.public_key().clone()];
        let sandbox = Sandbox::new();
        let jwks = Jwks::from_keys(keys).unwrap().to_json();
        std::fs::write(sandbox.path().join("jwks.json"), jwks).unwrap();
        Forge { sandbox, signer }
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "kid": self.signer.public_key().thumbprint(), "typ": "at+jwt"})
    }

    fn claims() -> Value {
        let now = SystemClock.now().as_seconds();
        let id = "0193a5f0-0000-7000-8000-000000000001";
        json!({
            "iss": ISSUER, "sub": id, "aud": AUDIENCE, "client_id": id, "exp": now + 3600,
            "iat": now, "jti": id, "scope": "tools:read", "organization_id": id,
        })
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(payload));
        let signature = self.signer.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.sign(&header.to_string(), &Self::claims().to_string())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = Self::claims();
        claims[name] = value;
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = Self::claims();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    fn valid(&self) -> String {
        self.sign(&self.header().to_string(), &Self::claims().to_string())
    }

    fn verify(&self, token: &[u8]) -> Answer {
        self.sandbox.run_with_input(&OFFLINE, token)
    }

    #[track_caller]
    fn refuses(&self, token: impl AsRef<[u8]>) {
        let answer = self.verify(token.as_ref());
        let shown = String::from_utf8_lossy(token.as_ref());
        let shown: String = shown.chars().take(400).collect();
        assert_eq!(answer.exit, 3, "{shown}: {answer:?}");
        assert_eq!(answer.refusal(), "invalid_token");
        assert_eq!(answer.json()["valid"], false);
        assert!(answer.stdout.len() < 1000 && answer.stderr.len() < 1000, "{answer:?}");
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_valid_token_is_valid_from_stdin_and_as_an_argument() {
    let forge = Forge::new();
    let token = forge.valid();
    for input in [token.clone(), format!("{token}\n"), format!("{token}\r\n")] {
        let answer = forge.verify(input.as_bytes());
        assert_eq!((answer.exit, &answer.json()["valid"]), (0, &json!(true)), "{answer:?}");
    }
    let mut arguments = OFFLINE.to_vec();
    arguments.pop();
    arguments.push(&token);
    let answer = forge.sandbox.run(&arguments);
    assert_eq!(answer.json()["claims"]["scope"], "tools:read");
}

#[test]
fn what_has_no_form_is_refused() {
    let forge = Forge::new();
    let token = forge.valid();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    forge.refuses("");
    forge.refuses("\n");
    forge.refuses("..");
    forge.refuses("x");
    forge.refuses("{\"payload\":\"x\",\"signatures\":[]}");
    forge.refuses(format!("{header}.{payload}"));
    forge.refuses(format!("{header}.{payload}."));
    forge.refuses(format!("{header}..{signature}"));
    forge.refuses(format!(".{payload}.{signature}"));
    forge.refuses(format!("{token}.{signature}"));
    forge.refuses(format!("{token}.a.b"));
    forge.refuses(format!("{token}="));
    forge.refuses(format!(" {token}"));
    forge.refuses(format!("{token} "));
    forge.refuses(format!("{header}.\n{payload}.{signature}"));
    forge.refuses(format!("Bearer {token}"));
    forge.refuses(format!("{token}\0"));
    forge.refuses([token.as_bytes(), &[0xff, 0xfe]].concat());
    forge.refuses(token.replace('.', "\u{2024}"));
    forge.refuses(token.repeat(2));
    forge.refuses("a".repeat(1 << 20));
    forge.refuses(format!("{token}{}", "A".repeat(16 * 1024)));
}

#[test]
fn what_is_too_long_to_read_is_a_failure_and_no_verdict() {
    let answer = Forge::new().verify(&vec![b'a'; 5 << 20]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "file_failed"));
}

#[test]
fn headers_choose_nothing() {
    let forge = Forge::new();
    for alg in ["none", "None", "HS256", "RS256", "EdDSA", "ES384", "es256", "", " ES256"] {
        forge.refuses(forge.with_header("alg", json!(alg)));
    }
    for typ in ["JWT", "jwt", "at", "", "dpop+jwt"] {
        forge.refuses(forge.with_header("typ", json!(typ)));
    }
    forge.refuses(forge.with_header("alg", Value::Null));
    forge.refuses(forge.with_header("kid", json!("unknown")));
    forge.refuses(forge.with_header("kid", json!("../../etc/passwd")));
    forge.refuses(forge.with_header("kid", json!(1)));
    forge.refuses(forge.with_header("crit", json!(["exp"])));
    forge.refuses(forge.with_header("b64", json!(false)));
    let mut nameless = forge.header();
    nameless.as_object_mut().unwrap().remove("kid");
    forge.refuses(forge.sign(&nameless.to_string(), &Forge::claims().to_string()));
    let twice = forge.header().to_string().replacen('{', "{\"alg\":\"none\",", 1);
    forge.refuses(forge.sign(&twice, &Forge::claims().to_string()));
    for header in ["[]", "null", "{", "{}", "\"x\"", "\u{feff}{}"] {
        forge.refuses(forge.sign(header, &Forge::claims().to_string()));
    }
}

#[test]
fn a_public_key_is_no_secret_and_a_foreign_key_is_no_key() {
    let forge = Forge::new();
    let jwk = Jwk::new(forge.signer.public_key().clone()).to_value().to_string();
    for alg in ["HS256", "ES256"] {
        let mut header = forge.header();
        header["alg"] = json!(alg);
        let input =
            format!("{}.{}", encode(header.to_string()), encode(Forge::claims().to_string()));
        let tag = hmac_sha256(jwk.as_bytes(), &[input.as_bytes()]);
        forge.refuses(format!("{input}.{}", encode(tag)));
    }
    let stranger = Forge::new();
    forge.refuses(stranger.valid());
    // Under our key's name, and bringing its own key along.
    let mut header = forge.header();
    header["jwk"] = Jwk::new(stranger.signer.public_key().clone()).to_value();
    forge.refuses(stranger.sign(&header.to_string(), &Forge::claims().to_string()));
}

#[test]
fn a_tampered_token_is_refused_wherever_it_was_touched() {
    let forge = Forge::new();
    let token = forge.valid();
    for at in (0..token.len()).step_by(23).chain([token.len() - 1]) {
        let mut touched = token.clone().into_bytes();
        touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
        forge.refuses(touched);
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let half = encode(&URL_SAFE_NO_PAD.decode(signature).unwrap()[..32]);
    forge.refuses(format!("{signed}.{half}"));
    for bytes in [[0; 64], [0xff; 64]] {
        forge.refuses(format!("{signed}.{}", encode(bytes)));
    }
    let other = forge.with_claim("scope", json!("admin:orgs"));
    let (_, payload) = other.rsplit_once('.').unwrap().0.split_once('.').unwrap();
    let header = token.split('.').next().unwrap();
    forge.refuses(format!("{header}.{payload}.{signature}"));
}

#[test]
fn claims_must_be_there_and_right() {
    let forge = Forge::new();
    let now = SystemClock.now().as_seconds();
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "organization_id"] {
        forge.refuses(forge.without_claim(name));
        forge.refuses(forge.with_claim(name, Value::Null));
        forge.refuses(forge.with_claim(name, json!({})));
    }
    forge.refuses(forge.with_claim("iss", json!("https://idp.example.com/")));
    forge.refuses(forge.with_claim("iss", json!("https://evil.example.com")));
    forge.refuses(forge.with_claim("aud", json!("https://other.example.com")));
    forge.refuses(forge.with_claim("aud", json!([])));
    forge.refuses(forge.with_claim("aud", json!([AUDIENCE, 1])));
    forge.refuses(forge.with_claim("exp", json!(now - 120)));
    forge.refuses(forge.with_claim("exp", json!(now.to_string())));
    forge.refuses(forge.with_claim("exp", json!(now + 400 * 86_400)));
    forge.refuses(forge.with_claim("exp", json!(1e300)));
    forge.refuses(forge.with_claim("exp", json!(-1)));
    forge.refuses(forge.with_claim("iat", json!(now + 600)));
    forge.refuses(forge.with_claim("nbf", json!(now + 600)));
    forge.refuses(forge.with_claim("scope", json!(["tools:read"])));
    let header = forge.header().to_string();
    let twice = Forge::claims().to_string().replacen('{', "{\"exp\":1,", 1);
    forge.refuses(forge.sign(&header, &twice));
    for payload in ["", "[]", "null", "{", "{}x", "{\"a\":NaN}"] {
        forge.refuses(forge.sign(&header, payload));
    }
    forge.refuses(forge.sign(&header, &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))));
}

#[test]
fn an_instance_refuses_id_tokens_and_the_tokens_of_others() {
    let (mine, _) = Sandbox::with_agent();
    let (other, agent) = Sandbox::with_agent();
    let foreign = other.token(&agent).text("access_token");
    let verify = ["--json", "token", "verify", "--audience", AUDIENCE, "-"];
    let answer = other.run_with_input(&verify, foreign.as_bytes());
    assert_eq!(answer.exit, 0, "{answer:?}");
    let answer = mine.run_with_input(&verify, foreign.as_bytes());
    assert_eq!((answer.exit, answer.refusal().as_str()), (3, "invalid_token"));
    // Without --audience, only tokens for the issuer itself.
    let answer = other.run_with_input(&["--json", "token", "verify"], foreign.as_bytes());
    assert_eq!(answer.exit, 3);

    let arguments = "agent register --json --org acme --name b --scope openid --audience https://api.example.com";
    let id = other.run(&arguments.split(' ').collect::<Vec<_>>()).text("agentId");
    let issue = ["--json", "credential", "issue", "--org", "acme", "--agent", &id];
    let secret = other.run(&issue).text("clientSecret");
    let ask = [
        "--json",
        "token",
        "issue",
        "--client-id",
        &id,
        "--client-secret-file",
        "-",
        "--scope",
        "openid",
    ];
    let id_token = other.run_with_input(&ask, secret.as_bytes()).text("id_token");
    let answer = other.run_with_input(&verify, id_token.as_bytes());
    assert_eq!((answer.exit, answer.refusal().as_str()), (3, "invalid_token"));
}

#[test]
fn a_key_set_that_is_none_is_a_failure_and_no_verdict() {
    let forge = Forge::new();
    let token = forge.valid();
    let path = forge.sandbox.path().join("jwks.json");
    for (bytes, code) in [
        ("", "invalid_key"),
        ("{}", "invalid_key_set"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}", "invalid_key_set"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let answer = forge.verify(token.as_bytes());
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, code), "{bytes}");
    }
    std::fs::remove_file(&path).unwrap();
    let answer = forge.verify(token.as_bytes());
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "file_failed"));
    std::fs::write(&path, "{\"keys\":[]}").unwrap();
    assert_eq!(forge.verify(token.as_bytes()).exit, 3);
}
