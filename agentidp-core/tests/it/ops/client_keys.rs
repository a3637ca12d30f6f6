//! Clients that prove themselves by a key of their own (`private_key_jwt`).

use agentidp_core::crypto::Alg;
use agentidp_core::{
    ClientAuth, Custody, DpopProof, ErrorCode, IntrospectionRequest, NewAgent, NewCredential,
    TokenExchange, TokenRequest,
};
use agentidp_testkit::{ISSUER, TestIdp};
use serde_json::{Value, json};

use super::Engine;
use super::faults::{successes_in, sweep};
use super::key_holder::{KeyHolder, TOKEN_URL, seconds};
use super::revocation::count;

super::on_every_engine!(
    a_key_that_was_issued_or_registered_proves_its_client,
    an_assertion_is_used_once_by_whichever_process,
    a_used_proof_is_told_as_such_and_uses_up_the_assertion_with_it,
    an_assertion_is_used_up_whatever_it_came_with,
    what_a_stranger_signed_uses_up_no_name,
    what_is_not_a_recent_assertion_for_us_alone_proves_nothing,
    a_key_that_is_held_here_or_is_another_agents_proves_nothing,
    a_revoked_or_expired_key_proves_nothing,
    a_live_key_of_a_suspended_agent_proves_nothing,
    an_assertion_is_good_at_introspection_and_revocation_once,
    issuing_by_an_assertion_is_all_or_nothing,
    used_assertions_are_forgotten_when_nobody_accepts_them,
);

/// An agent of acme that holds a key, which was issued as a credential.
fn keyed(test: &TestIdp) -> (super::introspection::Member, KeyHolder) {
    let acme = test.tenant("acme");
    let new = NewAgent::new("keyed").scope("tools:read").scope("openid");
    let member = super::introspection::Member::new(test, &acme.org.id, new);
    let holder = KeyHolder::new(Alg::Es256);
    let key = NewCredential::public_key(&holder.jwk().to_string());
    test.idp.org(&acme.org.id).add_public_key(&member.id, key).unwrap();
    (member, holder)
}

fn code(test: &TestIdp, auth: ClientAuth) -> Option<ErrorCode> {
    test.idp.token(&TokenRequest::new(auth)).err().map(|error| error.code())
}

fn a_key_that_was_issued_or_registered_proves_its_client(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for alg in [Alg::Es256, Alg::EdDsa] {
        let holder = KeyHolder::new(alg);
        let jwk = holder.jwk().to_string();
        let issued = org.register_agent(NewAgent::new("issued").scope("tools:read")).unwrap();
        let credential = org.add_public_key(&issued.id, NewCredential::public_key(&jwk)).unwrap();
        let registered = NewAgent::new("registered").scope("tools:read").public_key(&jwk);
        let registered = org.register_agent(registered).unwrap();
        for (agent, name, value) in [
            (&issued.id, "credentialId", credential.id.to_string()),
            (&registered.id, "agentKid", holder.kid()),
        ] {
            let auth = holder.assertion(&test, agent, "one");
            let token = test.idp.token(&TokenRequest::new(auth)).unwrap();
            let claims = test.idp.verifier().verify_access_token(&token.access_token, ISSUER);
            assert_eq!(claims.unwrap().sub, agent.as_str());
            let page = agentidp_core::PageRequest::first().limit(500);
            let entry = org.audit(&page).unwrap().items.pop().unwrap();
            assert_eq!(entry.data[name], json!(value));
        }
    }
    test.finish();
}

fn an_assertion_is_used_once_by_whichever_process(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let other = test.reopen();
    let request = |jti| TokenRequest::new(holder.assertion(&test, &member.id, jti));
    test.idp.token(&request("a")).unwrap();
    assert_eq!(test.idp.token(&request("a")).unwrap_err().code(), ErrorCode::InvalidClient);
    assert_eq!(other.token(&request("a")).unwrap_err().code(), ErrorCode::InvalidClient);
    other.token(&request("b")).unwrap();
    // Of many at once exactly one is answered.
    let asked: Vec<_> = (0..8).map(|_| request("c")).collect();
    let idps = [&test.idp, &other];
    let answered = std::thread::scope(|scope| {
        let asking: Vec<_> = asked
            .iter()
            .zip(idps.into_iter().cycle())
            .map(|(request, idp)| scope.spawn(move || usize::from(is_answered(idp, request))))
            .collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(answered, 1);
    // One that is refused for what it asks is used up as well.
    assert!(test.idp.token(&request("d").scope("tools:write")).is_err());
    assert_eq!(test.idp.token(&request("d")).unwrap_err().code(), ErrorCode::InvalidClient);
    test.finish();
}

fn a_used_proof_is_told_as_such_and_uses_up_the_assertion_with_it(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let ask = |assertion: &str, proof: &str| {
        let request = TokenRequest::new(holder.assertion(&test, &member.id, assertion));
        test.idp.token(&request.dpop(holder.proof(&test, proof)))
    };
    ask("one", "a").unwrap();
    assert_eq!(ask("two", "a").unwrap_err().code(), ErrorCode::InvalidDpopProof);
    assert_eq!(ask("two", "b").unwrap_err().code(), ErrorCode::InvalidClient);
    assert_eq!(ask("one", "a").unwrap_err().code(), ErrorCode::InvalidClient, "the client first");
    ask("three", "b").unwrap();
    test.finish();
}

fn an_assertion_is_used_up_whatever_it_came_with(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let request = |jti: &str| TokenRequest::new(holder.assertion(&test, &member.id, jti));
    let code = |request: &TokenRequest| test.idp.token(request).unwrap_err().code();
    let no_proof = DpopProof::new("no proof", "POST", TOKEN_URL);
    assert_eq!(code(&request("a").dpop(no_proof)), ErrorCode::InvalidDpopProof);
    assert_eq!(code(&request("a")), ErrorCode::InvalidClient);
    let without_nonce = holder.proof(&test, "b").require_nonce(true);
    assert_eq!(code(&request("b").dpop(without_nonce)), ErrorCode::UseDpopNonce);
    assert_eq!(code(&request("b")), ErrorCode::InvalidClient);
    let no_token = TokenExchange::new("no token");
    assert_eq!(code(&request("c").exchange(no_token)), ErrorCode::ExchangeRefused);
    assert_eq!(code(&request("c")), ErrorCode::InvalidClient);
    test.idp.token(&request("d")).unwrap();
    test.finish();
}

fn is_answered(idp: &agentidp_core::Idp, request: &TokenRequest) -> bool {
    idp.token(request).is_ok()
}

/// Or a stranger could use up the names of others.
fn what_a_stranger_signed_uses_up_no_name(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let claims = KeyHolder::claims(&test, &member.id, "one");
    let signed = |by: &KeyHolder| by.sign(json!({ "kid": holder.kid() }), &claims);
    let (forged, genuine) = (signed(&KeyHolder::new(Alg::Es256)), signed(&holder));
    assert_eq!(code(&test, ClientAuth::assertion(forged)), Some(ErrorCode::InvalidClient));
    assert_eq!(code(&test, ClientAuth::assertion(genuine.as_str())), None);
    assert_eq!(code(&test, ClientAuth::assertion(genuine)), Some(ErrorCode::InvalidClient));
    test.finish();
}

fn what_is_not_a_recent_assertion_for_us_alone_proves_nothing(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let now = seconds(&test);
    let with = |name: &str, value: Value| {
        let mut claims = KeyHolder::claims(&test, &member.id, name);
        claims[name] = value;
        holder.sign(json!({ "kid": holder.kid() }), &claims)
    };
    let without = |name: &str| {
        let mut claims = KeyHolder::claims(&test, &member.id, name);
        claims.as_object_mut().unwrap().remove(name);
        holder.sign(json!({ "kid": holder.kid() }), &claims)
    };
    let good = KeyHolder::claims(&test, &member.id, "header");
    let other = KeyHolder::new(Alg::Es256);
    let wrong = [
        ("nothing", String::new()),
        ("no token", "aidp_secret".to_owned()),
        ("another subject", with("sub", json!("another"))),
        ("another issuer", with("iss", json!(ISSUER))),
        ("no issuer", without("iss")),
        ("no audience", without("aud")),
        ("an endpoint", with("aud", json!(TOKEN_URL))),
        ("several servers", with("aud", json!([ISSUER, "https://other.example"]))),
        ("no end", without("exp")),
        ("ended", with("exp", json!(now - 60))),
        ("an end too far away", with("exp", json!(now + 361))),
        ("an end as text", with("exp", json!("9999999999"))),
        ("an end before the beginning of time", with("exp", json!(-1))),
        ("a fraction", with("exp", json!(now as f64 + 0.5))),
        ("issued in the future", with("iat", json!(now + 61))),
        ("not valid yet", with("nbf", json!(now + 61))),
        ("no name", without("jti")),
        ("a name too long", with("jti", json!("x".repeat(256)))),
        ("an access token", holder.sign(json!({ "kid": holder.kid(), "typ": "at+jwt" }), &good)),
        ("a proof", holder.sign(json!({ "kid": holder.kid(), "typ": "dpop+jwt" }), &good)),
        ("another key's name", holder.sign(json!({ "kid": "another" }), &good)),
        ("none", holder.sign(json!({ "kid": holder.kid(), "alg": "none" }), &good)),
        ("a MAC", holder.sign(json!({ "kid": holder.kid(), "alg": "HS256" }), &good)),
        ("another algorithm", holder.sign(json!({ "kid": holder.kid(), "alg": "EdDSA" }), &good)),
        ("an extension", holder.sign(json!({ "kid": holder.kid(), "crit": ["exp"] }), &good)),
        ("another's signature", other.sign(json!({ "kid": holder.kid() }), &good)),
        (
            "a key that it brings itself",
            other.sign(json!({ "kid": "x", "jwk": other.jwk() }), &good),
        ),
    ];
    for (what, assertion) in wrong {
        let found = code(&test, ClientAuth::assertion(assertion.as_str()));
        assert_eq!(found, Some(ErrorCode::InvalidClient), "{what}");
    }
    // At the edges of the skew.
    for (name, value) in [("exp", now - 59), ("exp", now + 360), ("iat", now + 60)] {
        let mut claims = KeyHolder::claims(&test, &member.id, &format!("{name}{value}"));
        claims[name] = json!(value);
        let assertion = holder.sign(json!({ "typ": "client-authentication+jwt" }), &claims);
        assert_eq!(code(&test, ClientAuth::assertion(assertion)), None, "{name} {value}");
    }
    let longest = holder.assertion(&test, &member.id, &"x".repeat(255));
    assert_eq!(code(&test, longest), None, "the longest name");
    // The client that a request names besides.
    let named = holder.assertion(&test, &member.id, "n").of_client("somebody");
    assert_eq!(code(&test, named), Some(ErrorCode::InvalidClient));
    assert_eq!(code(&test, holder.assertion(&test, &member.id, "n").of_client(&member.id)), None);
    test.finish();
}

fn a_key_that_is_held_here_or_is_another_agents_proves_nothing(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let globex = test.tenant("globex");
    let org = test.idp.org(&globex.org.id);
    // Another agent with that key is another client, and one without it none.
    let other = org.register_agent(NewAgent::new("other").scope("tools:read")).unwrap();
    let stolen = holder.assertion(&test, &other.id, "a");
    assert_eq!(code(&test, stolen), Some(ErrorCode::InvalidClient));
    org.add_public_key(&other.id, NewCredential::public_key(&holder.jwk().to_string())).unwrap();
    // One name is used up by each client by itself.
    assert_eq!(code(&test, holder.assertion(&test, &other.id, "b")), None);
    assert_eq!(code(&test, holder.assertion(&test, &member.id, "b")), None);
    // A key that is held here is in the list of keys, and none to prove oneself by.
    let held = org.agent_keys(&other.id).unwrap();
    assert_eq!(held[0].custody, Custody::Custodial);
    let claims = KeyHolder::claims(&test, &other.id, "c");
    let named = holder.sign(json!({ "kid": held[0].kid }), &claims);
    assert_eq!(code(&test, ClientAuth::assertion(named)), Some(ErrorCode::InvalidClient));
    // A client with a secret alone has no key, and one with a key alone no secret.
    let by_secret = holder.assertion(&test, &globex.agent.id, "d");
    assert_eq!(code(&test, by_secret), Some(ErrorCode::InvalidClient));
    let secret = ClientAuth::secret(&other.id, globex.credential.secret());
    assert_eq!(code(&test, secret), Some(ErrorCode::InvalidClient));
    test.finish();
}

fn a_revoked_or_expired_key_proves_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let holder = KeyHolder::new(Alg::EdDsa);
    let key = NewCredential::public_key(&holder.jwk().to_string());
    let key = key.expires_in(std::time::Duration::from_secs(100));
    let credential = org.add_public_key(&acme.agent.id, key.clone()).unwrap();
    assert_eq!(code(&test, holder.assertion(&test, &acme.agent.id, "a")), None);
    org.revoke_credential(&credential.id, agentidp_core::RevokeTokens::No).unwrap();
    let refused = Some(ErrorCode::InvalidClient);
    assert_eq!(code(&test, holder.assertion(&test, &acme.agent.id, "b")), refused);
    org.add_public_key(&acme.agent.id, key).unwrap();
    assert_eq!(code(&test, holder.assertion(&test, &acme.agent.id, "c")), None);
    test.clock.step(std::time::Duration::from_secs(100));
    assert_eq!(code(&test, holder.assertion(&test, &acme.agent.id, "d")), refused);
    // One that the agent was registered with.
    let registered = KeyHolder::new(Alg::Es256);
    org.add_agent_key(&acme.agent.id, &registered.jwk().to_string()).unwrap();
    assert_eq!(code(&test, registered.assertion(&test, &acme.agent.id, "f")), None);
    org.revoke_agent_key(&acme.agent.id, &registered.kid()).unwrap();
    assert_eq!(code(&test, registered.assertion(&test, &acme.agent.id, "g")), refused);
    test.finish();
}

fn a_live_key_of_a_suspended_agent_proves_nothing(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let org = test.idp.org(&test.idp.find_org("acme").unwrap().id);
    let token = test.idp.token(&TokenRequest::new(holder.assertion(&test, &member.id, "a")));
    let token = token.unwrap().access_token;
    let question = |jti| {
        IntrospectionRequest::new(token.as_str())
            .client_auth(holder.assertion(&test, &member.id, jti))
    };
    org.suspend_agent(&member.id).unwrap();
    let refused = Some(ErrorCode::InvalidClient);
    assert_eq!(code(&test, holder.assertion(&test, &member.id, "b")), refused);
    let asked = test.idp.introspect(&question("c")).err().map(|error| error.code());
    assert_eq!(asked, refused);
    // It is the agent that may not act, and not the key that is over.
    let page = agentidp_core::PageRequest::first();
    let entry = org.audit(&page).unwrap().items.pop().unwrap();
    assert_eq!(entry.data.get("reason"), Some(&json!("agent_not_active")));
    org.reactivate_agent(&member.id).unwrap();
    assert_eq!(code(&test, holder.assertion(&test, &member.id, "d")), None);
    test.finish();
}

fn an_assertion_is_good_at_introspection_and_revocation_once(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let token = test.idp.token(&TokenRequest::new(holder.assertion(&test, &member.id, "a")));
    let token = token.unwrap().access_token;
    let question = |jti| {
        IntrospectionRequest::new(token.as_str())
            .client_auth(holder.assertion(&test, &member.id, jti))
    };
    assert!(test.idp.introspect(&question("b")).unwrap().active);
    for used in ["a", "b"] {
        let refused = test.idp.introspect(&question(used)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidClient, "{used}");
    }
    let revocation = agentidp_core::RevocationRequest::new(token.as_str());
    let revocation = revocation.client_auth(holder.assertion(&test, &member.id, "c"));
    assert!(test.idp.revoke(&revocation).unwrap());
    assert!(!test.idp.introspect(&question("d")).unwrap().active);
    test.finish();
}

fn issuing_by_an_assertion_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let organization = test.idp.find_org("acme").unwrap().id;
    let mut round = 0;
    // What failed is not used up: the same again succeeds.
    let verb = |_| {
        let auth = holder.assertion(&test, &member.id, &format!("{round}"));
        let issued = test.idp.token(&TokenRequest::new(auth));
        round += u32::from(issued.is_ok());
        issued.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&organization), "token.issued"), successes);
    });
    test.finish();
}

fn used_assertions_are_forgotten_when_nobody_accepts_them(engine: Engine) {
    const COUNT: &str = "SELECT COUNT(*) FROM single_uses WHERE organization_id = ?1";
    let test = engine.idp();
    let (member, holder) = keyed(&test);
    let acme = test.idp.find_org("acme").unwrap().id;
    for jti in ["a", "b", "c"] {
        test.idp.token(&TokenRequest::new(holder.assertion(&test, &member.id, jti))).unwrap();
    }
    let count = || count(&test, &acme, COUNT);
    assert_eq!(count(), 3);
    test.clock.step(std::time::Duration::from_secs(119));
    test.idp.tick().unwrap();
    assert_eq!(count(), 3);
    test.clock.step(std::time::Duration::from_secs(1));
    test.idp.tick().unwrap();
    assert_eq!(count(), 0);
    test.finish();
}
