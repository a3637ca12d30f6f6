//! Organization, agent, credential, token, verification, trail.

use std::sync::Arc;

use agentidp_core::verify::{CryptoProvider, Jwks, Verifier};
use agentidp_core::{AgentStatus, NewAgent, NewCredential, PageRequest, TokenRequest};
use agentidp_testkit::{API, ISSUER};

use super::Engine;

super::on_every_engine!(
    a_token_is_issued_recorded_and_verified_offline,
    an_id_token_comes_with_openid,
    a_second_handle_sees_the_same_instance,
    a_credential_expires,
    a_new_credential_works_beside_the_old_one_at_once,
    callers_at_the_same_time_each_get_a_recorded_token,
);

fn a_token_is_issued_recorded_and_verified_offline(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    assert_eq!(acme.agent.status, AgentStatus::Active);
    assert_eq!(acme.agent.did, format!("did:web:idp.example.com:agents:{}", acme.agent.id));
    let token = test.idp.token(&acme.request().scope("tools:read")).unwrap();
    assert_eq!((token.token_type, token.expires_in), ("Bearer", 3600));
    assert_eq!(token.scope.as_deref(), Some("tools:read"));
    assert_eq!(token.id_token, None);

    // Offline: nothing but the key set's text, the issuer and the audience.
    let jwks = Jwks::parse(test.idp.jwks().to_json().as_bytes()).unwrap();
    let verifier = Verifier::new(ISSUER, &jwks, &CryptoProvider::default_provider()).unwrap();
    let verifier = verifier.clock(Arc::clone(&test.clock) as Arc<_>);
    let claims = verifier.verify_access_token(&token.access_token, API).unwrap();
    assert_eq!(claims.sub, acme.agent.id.as_str());
    assert_eq!(claims.client_id, acme.agent.id.as_str());
    assert_eq!(claims.organization_id, acme.org.id.as_str());
    assert_eq!(claims.agent_did.as_deref(), Some(acme.agent.did.as_str()));
    assert_eq!(claims.exp - claims.iat, 3600);
    assert!(verifier.verify_access_token(&token.access_token, ISSUER).is_err());
    test.clock.step(std::time::Duration::from_secs(3661));
    assert!(verifier.verify_access_token(&token.access_token, API).is_err());

    let expected = ["org.created", "agent.created", "credential.generated", "token.issued"]
        .map(|event| format!("{event} Success"));
    assert_eq!(test.trail(&acme.org.id), expected);
    let page = test.idp.org(&acme.org.id).audit(&PageRequest::first()).unwrap();
    let issued = page.items.iter().find(|entry| entry.event_type == "token.issued").unwrap();
    assert_eq!(issued.target.as_deref(), Some(claims.jti.as_str()));
    assert_eq!(issued.actor.as_ref(), Some(&acme.agent.id));
    test.finish();
}

fn an_id_token_comes_with_openid(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let token = test.idp.token(&acme.request().scope("openid tools:read")).unwrap();
    let id_token = token.id_token.unwrap();
    let claims = test.idp.verifier().verify_id_token(&id_token, acme.agent.id.as_str()).unwrap();
    assert_eq!(claims.agent_name, "bot");
    assert_eq!(claims.agent_did, acme.agent.did);
    let at_hash = agentidp_core::oidc::at_hash(agentidp_core::Alg::Es256, &token.access_token);
    assert_eq!(claims.at_hash, Some(at_hash));
    // Each kind of token is refused where the other belongs.
    assert!(test.idp.verifier().verify_access_token(&id_token, acme.agent.id.as_str()).is_err());
    assert!(test.idp.verifier().verify_id_token(&token.access_token, API).is_err());
    test.finish();
}

fn a_second_handle_sees_the_same_instance(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let other = test.reopen();
    assert_eq!(other.status().instance_id, test.idp.status().instance_id);
    assert_eq!(other.find_org("acme").unwrap(), acme.org);
    assert_eq!(other.org(&acme.org.id).agent(&acme.agent.id).unwrap().did, acme.agent.did);
    let token = other.token(&acme.request()).unwrap();
    test.idp.verifier().verify_access_token(&token.access_token, API).unwrap();
    assert_eq!(other.audit_key().unwrap(), test.idp.audit_key().unwrap());
    test.finish();
}

fn a_credential_expires(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let hour = std::time::Duration::from_secs(3600);
    let org = test.idp.org(&acme.org.id);
    let short = NewCredential::default().expires_in(hour);
    let short = org.issue_credential(&acme.agent.id, short).unwrap();
    let request = TokenRequest::client_credentials(&acme.agent.id, short.secret());
    test.idp.token(&request).unwrap();
    test.clock.step(hour);
    for (idp, client) in [(&test.idp, "a warm client"), (&test.reopen(), "a cold one")] {
        assert!(idp.token(&request).is_err(), "with {client}");
        // The asker is told what it is told of a wrong one; whoever answers for it learns why.
        let told = org.audit(&PageRequest::first()).unwrap().items.pop().unwrap();
        let reason = told.data.get("reason").and_then(|reason| reason.as_str());
        assert_eq!(reason, Some("expired_secret"), "with {client}");
    }
    test.idp.token(&acme.request()).unwrap();
    test.finish();
}

fn a_new_credential_works_beside_the_old_one_at_once(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    // Issued through another handle, so that this one's client is stale.
    let org = test.reopen().org(&acme.org.id);
    let second = org.issue_credential(&acme.agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&acme.agent.id, second.secret());
    test.idp.token(&request).unwrap();
    test.idp.token(&acme.request()).unwrap();
    test.finish();
}

fn callers_at_the_same_time_each_get_a_recorded_token(engine: Engine) {
    const CALLERS: usize = 16;
    const EACH: usize = 10;
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (tenant, idp) = (if caller % 2 == 0 { &acme } else { &globex }, &test.idp);
            scope.spawn(move || {
                for _ in 0..EACH {
                    idp.token(&tenant.request()).unwrap();
                }
            });
        }
        scope.spawn(|| {
            let org = test.idp.org(&acme.org.id);
            for n in 0..10 {
                org.register_agent(NewAgent::new(format!("beside {n}"))).unwrap();
            }
        });
    });
    for tenant in [&acme, &globex] {
        let trail = test.trail(&tenant.org.id);
        let issued = trail.iter().filter(|entry| *entry == "token.issued Success").count();
        assert_eq!(issued, CALLERS / 2 * EACH);
    }
    test.finish();
}
