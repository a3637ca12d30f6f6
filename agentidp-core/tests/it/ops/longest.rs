//! What is as long as it may be works like the rest.

use agentidp_core::base::limits;
use agentidp_core::{
    Alg, Config, ErrorCode, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest,
};

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
        // Room is left for a chain of actors and a bound key.
        let longest = token.access_token.len().max(id_token.len());
        assert!(longest < limits::TOKEN_BYTES_MAX - 1024, "{alg}: {longest}");
        assert!(org.verify_audit().unwrap().valid);
    }
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
