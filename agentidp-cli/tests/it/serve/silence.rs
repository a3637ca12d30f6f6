//! What the log never says: whatever way secrets come, and whatever becomes of the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agentidp_core::crypto::{CryptoProvider, Signer, sha256};
use agentidp_core::jose::Jwk;
use agentidp_core::{Alg, Clock as _, SystemClock, SystemRng};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::sandbox::{Agent, ISSUER, Sandbox};

use super::limits::organization;
use super::server::{Server, basic, bearer, form_request, get};

/// In all that is no secret of anybody, and could be one.
const CANARY: &str = "canary";

const CLOSE: &str = "Connection: close\r\n";
const GRANT: &str = "grant_type=client_credentials";
const ASSERTED: &str = "grant_type=client_credentials\
    &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
    &client_assertion=";
const EXCHANGED: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
    &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token=";

/// A request, and the status of its answer where all is well.
type Case = (String, u16);

/// A key that an agent holds.
struct Key(Arc<dyn Signer>);

impl Key {
    fn new() -> Key {
        let provider = CryptoProvider::default_provider();
        let key = provider.generate(Alg::Es256, &SystemRng).unwrap();
        Key(provider.signer(&key).unwrap())
    }

    fn jwk(&self) -> Value {
        let mut jwk = Jwk::new(self.0.public_key().clone()).to_value();
        let members = jwk.as_object_mut().unwrap();
        for told in ["kid", "use", "alg"] {
            members.remove(told);
        }
        jwk
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = self.0.sign(input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A statement by which the agent proves itself (RFC 7523 section 2.2).
    fn assertion(&self, id: &str) -> String {
        let now = SystemClock.now().as_seconds();
        let claims = json!({
            "iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti()
        });
        self.sign(&json!({ "alg": "ES256", "typ": "JWT" }), &claims)
    }

    /// The field with a proof for one request (RFC 9449 section 4.2), with a token where there is one.
    fn proof(&self, method: &str, path: &str, token: Option<&str>) -> String {
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk() });
        let now = SystemClock.now().as_seconds();
        let htu = format!("{ISSUER}{path}");
        let mut claims = json!({ "htm": method, "htu": htu, "iat": now, "jti": jti() });
        if let Some(token) = token {
            claims["ath"] = URL_SAFE_NO_PAD.encode(sha256(&[token.as_bytes()])).into();
        }
        format!("DPoP: {}\r\n", self.sign(&header, &claims))
    }
}

fn jti() -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("jti-{}", USED.fetch_add(1, Ordering::Relaxed))
}

/// An instance with an agent that has a secret, and one that has a key.
struct Cast {
    sandbox: Sandbox,
    agent: Agent,
    keyed: String,
    key: Key,
}

impl Cast {
    fn new() -> Cast {
        let sandbox = Sandbox::with_instance();
        let agent = organization(&sandbox, "acme", "60000");
        let key = Key::new();
        std::fs::write(sandbox.path().join("key.jwk"), key.jwk().to_string()).unwrap();
        let register = ["--json", "agent", "register", "--org", "acme", "--name", "keyed"];
        let keyed = sandbox.run(&[&register[..], &["--scope", "a"]].concat()).text("agentId");
        let issue = ["credential", "issue", "--org", "acme", "--agent", &keyed];
        let issued = sandbox.run(&[&issue[..], &["--public-key", "key.jwk"]].concat());
        assert_eq!(issued.exit, 0, "{issued:?}");
        Cast { sandbox, agent, keyed, key }
    }

    fn basic(&self) -> String {
        basic(&self.agent.id, &self.agent.secret)
    }

    /// The parameters of `client_secret_post`.
    fn posted(&self) -> String {
        format!("client_id={}&client_secret={}", self.agent.id, self.agent.secret)
    }

    fn token(&self, server: &Server, fields: &str) -> String {
        let fields = format!("{}{fields}{CLOSE}", self.basic());
        let reply = server.send(form_request("/oauth2/token", &fields, GRANT));
        reply.json()["access_token"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    /// Ways in which clients prove themselves, right and wrong.
    fn proofs(&self) -> Vec<Case> {
        let (posted, basic) = (self.posted(), self.basic());
        let wrong = format!("client_id={}&client_secret={CANARY}", self.agent.id);
        let assertion = self.key.assertion(&self.keyed);
        let strange = Key::new().assertion(&self.keyed);
        let proof = self.key.proof("POST", "/oauth2/token", None);
        let ask = |fields: &str, form: String| token_with(fields, &form);
        vec![
            (ask("", format!("{GRANT}&{posted}")), 200),
            (ask("", format!("{GRANT}&{wrong}")), 401),
            (ask("", format!("{GRANT}&{posted}&client_secret={CANARY}")), 400),
            (ask(&basic, format!("{GRANT}&{posted}")), 400),
            (ask("", format!("{ASSERTED}{assertion}")), 200),
            (ask("", format!("{ASSERTED}{assertion}")), 401),
            (ask("", format!("{ASSERTED}{strange}")), 401),
            (ask("", format!("{ASSERTED}{CANARY}.{CANARY}.{CANARY}")), 401),
            (ask(&format!("{basic}{proof}"), GRANT.to_owned()), 200),
            (ask(&format!("{basic}{proof}"), GRANT.to_owned()), 400),
            (ask(&format!("{basic}DPoP: {CANARY}\r\n"), GRANT.to_owned()), 400),
            (ask(&format!("Authorization: Basic {CANARY}%\r\n"), GRANT.to_owned()), 401),
            (ask(&format!("Authorization: Digest {CANARY}\r\n"), GRANT.to_owned()), 401),
        ]
    }

    /// Tokens where they are asked about, ended, exchanged, and used.
    fn tokens(&self, token: &str, bound: &str) -> Vec<Case> {
        let (posted, basic) = (self.posted(), self.basic());
        let proof = self.key.proof("GET", "/agents", Some(bound));
        let shown = |fields: String| get("/agents").replace("Host:", &format!("{fields}Host:"));
        let mut cases = vec![
            (shown(bearer(token)), 200),
            (shown(bearer(CANARY)), 401),
            (shown(bearer(&format!("{CANARY} {CANARY}"))), 400),
            (shown(format!("Authorization: DPoP {bound}\r\n{proof}")), 200),
            (shown(format!("Authorization: DPoP {bound}\r\n{proof}")), 401),
            (shown(format!("Authorization: DPoP {bound}\r\nDPoP: {CANARY}\r\n")), 401),
            (shown(bearer(bound)), 401),
            (token_with(&basic, &format!("{EXCHANGED}{token}")), 200),
            (token_with(&basic, &format!("{EXCHANGED}{CANARY}")), 400),
        ];
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            let ask =
                |fields: &str, form: String| form_request(path, &format!("{fields}{CLOSE}"), &form);
            cases.extend([
                (ask(&basic, format!("token={bound}&token_type_hint={CANARY}")), 200),
                (ask("", format!("token={bound}&{posted}")), 200),
                (ask(&basic, format!("token={CANARY}")), 200),
                (ask("", format!("token={token}")), 401),
                (ask(&basic, format!("token={token}&token={CANARY}")), 400),
                (get(&format!("{path}?token={token}")), 405),
            ]);
        }
        cases
    }

    /// Secrets in bodies that are none, and where no secret belongs.
    fn misplaced(&self, token: &str) -> Vec<Case> {
        let secret = &self.agent.secret;
        let fields = format!("{}Idempotency-Key: {CANARY}\r\n", bearer(token));
        let agents = |kind: &str, body: &str| with_body("/agents", &fields, kind, body);
        let in_json = json!({ "client_id": self.agent.id, "client_secret": secret }).to_string();
        let others = ["User-Agent", "Cookie", "Traceparent", "X-Forwarded-For", "X-Request-Id"];
        let others = others.map(|name| format!("{name}: 00-{CANARY}\r\n")).concat();
        let query = format!("client_secret={secret}&token={token}&x={CANARY}");
        vec![
            (with_body("/oauth2/token", "", "application/json", &in_json), 400),
            (token_with("", &format!("{GRANT}&client_secret=%zz{secret}")), 400),
            (token_with("", &format!("{GRANT}&client_secret={}", secret.repeat(2000))), 413),
            (agents("application/json", &format!("{{\"name\":\"{secret}")), 400),
            (agents("application/json", &format!("{{\"{secret}\":\"{CANARY}\"}}")), 400),
            (agents("text/plain", secret), 415),
            (form_request(&format!("/oauth2/token?{query}"), CLOSE, GRANT), 400),
            (get(&format!("/agent-info?access_token={token}")), 401),
            (get(&format!("/agents?access_token={token}")), 401),
            (get(&format!("/oauth2/authorize?{query}")), 400),
            (get(&format!("/{secret}/{CANARY}")), 404),
            (get(&format!("/agents/{secret}")), 401),
            (get("/healthz").replace("Host:", &format!("{others}Host:")), 200),
            (get("/healthz").replace("Host: idp", &format!("Host: {CANARY}")), 200),
            (get("/healthz").replace("GET", "CANARY"), 405),
            (get(&format!("http://{CANARY}:{secret}@idp/nothing")), 404),
            (get(&format!("/{secret}")).replace("HTTP/1.1", "HTTP/9.9"), 400),
        ]
    }
}

fn with_body(path: &str, fields: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: idp\r\n{CLOSE}{fields}Content-Type: {kind}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn token_with(fields: &str, form: &str) -> String {
    form_request("/oauth2/token", &format!("{fields}{CLOSE}"), form)
}

/// What must not be found: the secrets, what stands in their place, and each part of what was signed.
fn secrets(cast: &Cast, tokens: [&str; 2], cases: &[Case]) -> Vec<String> {
    let pair = STANDARD.encode(format!("{}:{}", cast.agent.id, cast.agent.secret));
    let mut secrets = vec![CANARY.to_owned(), cast.agent.secret.clone(), pair];
    let sent = cases.iter().flat_map(|(request, _)| request.split(['=', '&', ' ', '\r', '\n']));
    let signed = sent.chain(tokens).filter(|text| text.matches('.').count() == 2);
    let parts = signed.flat_map(|text| text.split('.')).filter(|part| part.len() > CANARY.len());
    secrets.extend(parts.map(str::to_owned));
    secrets
}

#[test]
fn no_secret_comes_into_the_log_whatever_becomes_of_its_request() {
    let cast = Cast::new();
    for form in ["json", "text"] {
        let arguments = ["--log-format", form, "--log-requests", "all", "--verbose"];
        let server = Server::start_with(&cast.sandbox, &arguments, |command| {
            command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        });
        let token = cast.token(&server, "");
        let bound = cast.token(&server, &cast.key.proof("POST", "/oauth2/token", None));
        let cases = [cast.proofs(), cast.tokens(&token, &bound), cast.misplaced(&token)].concat();
        for (request, status) in &cases {
            let reply = server.send(request);
            assert_eq!(reply.status, *status, "{request}\n{reply:?}");
        }
        // The same again where most of them fail inside, of which the log tells more.
        let change = |sql| Connection::open(cast.sandbox.database()).unwrap().execute(sql, []);
        change("ALTER TABLE organizations RENAME TO elsewhere").unwrap();
        for (request, _) in &cases {
            assert_ne!(server.send(request).status, 0, "{request}");
        }
        change("ALTER TABLE elsewhere RENAME TO organizations").unwrap();
        let said = server.end();
        // All but what is no request of HTTP.
        let lines = said.lines().filter(|line| line.contains("request")).count();
        assert!(lines >= 2 * (cases.len() - 1) && said.contains("cause"), "{said}");
        let lower = said.to_lowercase();
        for secret in secrets(&cast, [&token, &bound], &cases) {
            assert!(!said.contains(&secret) && !lower.contains(&secret), "{secret} in {said}");
        }
    }
}
