//! The instance's keys turn by the background work of the running server, and nobody who keeps a copy of
//! the key set is surprised.

use std::time::Duration;

use agentidp_core::base::limits::{JWKS_AGE_MAX, KEY_LEAD, KEY_RETENTION, KEY_ROTATION};
use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
use agentidp_core::{Alg, OrgId};
use agentidp_testkit::{API, ISSUER, Tenant, TestIdp};
use serde_json::Value;

use crate::forms::{basic, parts};
use crate::running::Running;

/// Longer than anybody may keep a copy of the key set, and as long as a token lives.
const HOUR: Duration = Duration::from_secs(3600);

/// What there is to see of the keys in one hour.
struct Seen {
    key_set: String,
    token: String,
}

impl Seen {
    fn at(server: &Running, tenant: &Tenant) -> Seen {
        let key_set = server.get("/.well-known/jwks.json");
        let client = tenant.agent.client_id.as_str();
        let authorization = basic(client, tenant.credential.secret());
        let form = "grant_type=client_credentials";
        let answer = server.post("/oauth2/token", &authorization, form);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        Seen { key_set, token: answer["access_token"].as_str().expect("a token").to_owned() }
    }

    /// Keys of the algorithm that signs here; those of others turn by themselves.
    fn published(&self) -> Vec<String> {
        let keys = Jwks::parse(self.key_set.as_bytes()).expect("a key set");
        let signing = keys.keys().iter().filter(|key| key.key().alg() == Alg::Es256);
        signing.filter_map(|key| key.kid().map(str::to_owned)).collect()
    }

    fn signer(&self) -> String {
        parts(&self.token).0["kid"].as_str().expect("a name").to_owned()
    }

    /// Whether whoever has this key set accepts the token now.
    fn accepts(&self, token: &str, test: &TestIdp) -> bool {
        let keys = Jwks::parse(self.key_set.as_bytes()).expect("a key set");
        let provider = CryptoProvider::default_provider();
        let verifier = Verifier::new(ISSUER, &keys, &provider).expect("a verifier");
        verifier.clock(test.clock.clone()).verify_access_token(token, API).is_ok()
    }
}

#[test]
fn keys_turn_while_it_serves_and_are_published_long_before_they_sign() {
    assert!(HOUR > JWKS_AGE_MAX);
    let test = TestIdp::in_memory();
    let acme = test.tenant("acme");
    let server = Running::start(test.idp.clone());
    let first = Seen::at(&server, &acme).signer();
    test.clock.step(KEY_ROTATION - KEY_LEAD - 2 * HOUR);
    server.works();
    let mut before = Seen::at(&server, &acme);
    assert_eq!((before.published(), before.signer()), (vec![first.clone()], first.clone()));
    // The hours in which the second key was published, signed first, and the first one was gone.
    let (mut published, mut signed, mut gone) = (None::<u64>, None::<u64>, None::<u64>);
    for hour in 1..=hours(KEY_LEAD + KEY_RETENTION) + 6 {
        test.clock.step(HOUR);
        server.works();
        let now = Seen::at(&server, &acme);
        let (names, signer) = (now.published(), now.signer());
        assert!(before.accepts(&now.token, &test), "by the keys of an hour ago, hour {hour}");
        assert!(names.contains(&before.signer()), "its tokens may live, hour {hour}");
        assert!(names.len() <= 2 && signed.is_none_or(|_| signer != first), "hour {hour}");
        if names.len() == 2 {
            published.get_or_insert(hour);
        }
        if signer != first {
            signed.get_or_insert(hour);
        }
        if !names.contains(&first) {
            gone.get_or_insert(hour);
        }
        before = now;
    }
    let (published, signed) = (published.expect("a second key"), signed.expect("its signature"));
    assert!((2..=3).contains(&published), "{published}");
    assert!(signed - published >= hours(KEY_LEAD), "{published} {signed}");
    assert!(gone.expect("its end") - signed >= hours(KEY_RETENTION), "{gone:?} {signed}");
    assert_eq!(before.published(), [before.signer()]);
    server.end();
    let trail = test.trail(&OrgId::system());
    for event in ["key.created", "key.rotated", "key.retired", "key.removed"] {
        assert!(trail.contains(&format!("{event} Success")), "{event}: {trail:?}");
    }
    test.finish();
}

/// Whole ones.
fn hours(time: Duration) -> u64 {
    time.as_secs() / HOUR.as_secs()
}
