//! What is as long as it may be works like the rest.

use std::sync::Arc;

use agentidp_core::base::limits;
use agentidp_core::jose::parse_compact;
use agentidp_core::{
    Alg, Config, ErrorCode, Idp, IntrospectionRequest, KekSource, NewAgent, NewCredential, NewOrg,
    Timestamp, TokenExchange, TokenRequest,
};
use agentidp_testkit::{API, ISSUER, TestClock};
use serde_json::{Value, json};

use super::key_holder::{KeyHolder, TOKEN_URL};

/// Most bytes of a token for names of ordinary length, whatever else it says: half of what we read
/// ourselves, since others take no more for a line of a head.
const ORDINARY_TOKEN_BYTES_MAX: usize = limits::TOKEN_BYTES_MAX / 2;

/// As many scopes as there may be, the first of which is `openid`.
fn scopes() -> Vec<String> {
    let length = limits::SCOPE_CHARS_MAX - 1;
    let room = limits::SCOPE_SET_CHARS_MAX - "openid".len();
    let full = (0..room / (length + 1)).map(|n| format!("{n:0length$}"));
    let rest = "r".repeat(room % (length + 1) - 1);
    ["openid".to_owned()].into_iter().chain(full).chain([rest]).collect()
}

/// A path that fills a URL which begins with `begin`.
fn filled(begin: &str) -> String {
    format!("{begin}{}", "x".repeat(limits::URL_BYTES_MAX - begin.len()))
}

#[test]
fn the_longest_tokens_are_read_by_our_own_verifier() {
    let home = tempfile::tempdir().unwrap();
    for alg in crate::common::providers()[0].algs() {
        let config = Config::memory().kek(KekSource::file(home.path().join("kek.key")));
        let issuer = filled("https://idp.example.com/");
        let idp = Idp::open(config.issuer(&issuer).token_alg(*alg)).unwrap();
        let org = idp.create_org(NewOrg::new("x".repeat(limits::SLUG_CHARS_MAX))).unwrap();
        let org = idp.org(&org.id);
        let audience = filled("https://api.example.com/");
        let mut agent =
            NewAgent::new("\u{1f916}".repeat(limits::NAME_CHARS_MAX)).audience(&audience);
        for scope in scopes() {
            agent = agent.scope(scope);
        }
        let agent = org.register_agent(agent).unwrap();
        assert_eq!(agent.scopes.to_string().len(), limits::SCOPE_SET_CHARS_MAX);
        let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
        let request = TokenRequest::client_credentials(&agent.id, credential.secret());
        let token = idp.token(&request.scope(scopes().join(" "))).unwrap();
        let claims = idp.verifier().verify_access_token(&token.access_token, &audience).unwrap();
        assert_eq!(claims.scope.unwrap().len(), limits::SCOPE_SET_CHARS_MAX, "{alg}");
        let id_token = token.id_token.unwrap();
        idp.verifier().verify_id_token(&id_token, agent.id.as_str()).unwrap();
        // Room is left for a chain of actors and a bound key, which come below.
        let longest = token.access_token.len().max(id_token.len());
        assert!(longest < limits::TOKEN_BYTES_MAX - 1024, "{alg}: {longest}");
        assert!(org.verify_audit().unwrap().valid);
    }
}

#[test]
fn the_fullest_token_of_the_longest_names_is_no_longer_than_what_is_read() {
    // A port is what makes the DID of an agent longest.
    let (issuer, audience) =
        (filled("http://localhost:65535/"), filled("https://api.example.com/"));
    for alg in crate::common::providers()[0].algs() {
        let token = fullest(&issuer, &audience, *alg);
        assert!(token.len() <= limits::TOKEN_BYTES_MAX, "{alg}: {}", token.len());
        // It is the longest there is, or this test says nothing.
        assert!(token.len() > limits::TOKEN_BYTES_MAX * 7 / 8, "{alg}: {}", token.len());
    }
}

#[test]
fn the_fullest_token_of_ordinary_names_is_half_as_long() {
    for alg in crate::common::providers()[0].algs() {
        let token = fullest(ISSUER, API, *alg);
        assert!(token.len() <= ORDINARY_TOKEN_BYTES_MAX, "{alg}: {}", token.len());
    }
}

/// A token for `audience` with all the scopes there may be, bound to a key, by which as many agents act
/// as may and one more may.
fn fullest(issuer: &str, audience: &str, alg: Alg) -> String {
    let home = tempfile::tempdir().unwrap();
    let now = Timestamp::from_seconds(1_795_316_400);
    let config = Config::memory().kek(KekSource::file(home.path().join("kek.key")));
    let config = config.issuer(issuer).token_alg(alg).clock(Arc::new(TestClock::at(now)));
    let idp = Idp::open(config).unwrap();
    let org = idp.org(&idp.create_org(NewOrg::new("acme")).unwrap().id);
    let member = |at| {
        let agent = NewAgent::new(format!("bot-{at}")).audience(audience);
        let agent = scopes().into_iter().fold(agent, |agent, scope| agent.scope(scope));
        let id = org.register_agent(agent).unwrap().id;
        let credential = org.issue_credential(&id, NewCredential::default()).unwrap();
        (id, credential.secret().to_owned())
    };
    let members: Vec<_> = (0..=limits::ACTORS_MAX).map(member).collect();
    let asked_by = |at: usize| {
        let (id, secret) = &members[at];
        let (next, _) = &members[(at + 1) % members.len()];
        let request = TokenRequest::client_credentials(id, secret.as_str());
        request.scope(scopes().join(" ")).may_act(next)
    };
    let mut token = idp.token(&asked_by(0).resource(issuer)).unwrap().access_token;
    for at in 1..limits::ACTORS_MAX {
        let request = asked_by(at).exchange(TokenExchange::new(token)).resource(issuer);
        token = idp.token(&request).unwrap().access_token;
    }
    let claims = json!({ "jti": "one", "htm": "POST", "htu": TOKEN_URL, "iat": now.as_seconds() });
    let request = asked_by(limits::ACTORS_MAX).exchange(TokenExchange::new(token));
    let request = request.resource(audience).dpop(KeyHolder::new(Alg::Es256).proof_of(&claims));
    let token = idp.token(&request).unwrap().access_token;
    assert!(idp.introspect(&IntrospectionRequest::new(token.as_str())).unwrap().active);
    assert_says_all(&token);
    token
}

/// That a token holds every claim that makes it longer.
fn assert_says_all(token: &str) {
    let claims: Value = serde_json::from_slice(parse_compact(token).unwrap().payload()).unwrap();
    let actors = std::iter::successors(claims.get("act"), |act| act.get("act")).count();
    assert_eq!(actors, limits::ACTORS_MAX);
    assert_eq!(claims["scope"].as_str().unwrap().len(), limits::SCOPE_SET_CHARS_MAX);
    assert!(claims["may_act"]["sub"].is_string() && claims["cnf"]["jkt"].is_string());
}

#[test]
fn scopes_that_no_token_could_hold_are_refused_at_registration() {
    let home = tempfile::tempdir().unwrap();
    let config = Config::memory().kek(KekSource::file(home.path().join("kek.key")));
    let idp = Idp::open(config.issuer("https://idp.example.com").token_alg(Alg::Es256)).unwrap();
    let org = idp.org(&idp.create_org(NewOrg::new("acme")).unwrap().id);
    let agent = scopes().into_iter().chain(["y".to_owned()]);
    let agent = agent.fold(NewAgent::new("bot"), |agent, scope| agent.scope(scope));
    let refused = org.register_agent(agent).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidScope);
}
