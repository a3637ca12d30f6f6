//! Agents whose tokens are signed with an algorithm of their own.

use agentidp_core::jose::parse_compact;
use agentidp_core::{AgentChanges, Alg, ErrorCode, KeyRotation, NewAgent};
use agentidp_testkit::{API, TestIdp};
use std::time::Duration;

use super::Engine;
use super::introspection::Member;

super::on_every_engine!(
    tokens_are_signed_with_the_algorithm_of_their_agent,
    an_algorithm_needs_a_key_of_the_instance,
);

/// The algorithm that a token of `member` names, which verifies.
fn alg_of(test: &TestIdp, member: &Member) -> String {
    let response = test.idp.token(&member.request().scope("openid")).unwrap();
    test.idp.verifier().verify_access_token(&response.access_token, API).unwrap();
    let id_token = response.id_token.unwrap();
    test.idp.verifier().verify_id_token(&id_token, member.id.as_str()).unwrap();
    let alg = |token: &str| parse_compact(token).unwrap().header().alg().to_owned();
    assert_eq!(alg(&response.access_token), alg(&id_token));
    alg(&id_token)
}

fn new(name: &str) -> NewAgent {
    NewAgent::new(name).scope("openid").audience(API)
}

fn tokens_are_signed_with_the_algorithm_of_their_agent(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let org = test.idp.org(&acme);
    let usual = Member::new(&test, &acme, new("usual"));
    let own = Member::new(&test, &acme, new("own").token_alg(Alg::EdDsa));
    assert_eq!(org.agent(&own.id).unwrap().token_alg, Some(Alg::EdDsa));
    let both = || (alg_of(&test, &usual), alg_of(&test, &own));
    assert_eq!(both(), ("ES256".to_owned(), "EdDSA".to_owned()));
    // Each key signs under a lease of its own, for as long as tokens are asked for.
    for _ in 0..3 {
        test.clock.step(Duration::from_secs(3 * 24 * 3600));
        test.idp.tick().unwrap();
        assert_eq!(both(), ("ES256".to_owned(), "EdDSA".to_owned()));
    }
    org.update_agent(&own.id, &AgentChanges::new().without_token_alg()).unwrap();
    org.update_agent(&usual.id, &AgentChanges::new().token_alg(Alg::EdDsa)).unwrap();
    assert_eq!(both(), ("EdDSA".to_owned(), "ES256".to_owned()));
    // Where the key is revoked in an emergency, its successor signs.
    let key = test
        .idp
        .keys()
        .unwrap()
        .into_iter()
        .find(|key| key.alg == Alg::EdDsa && key.purpose == agentidp_core::KeyPurpose::Token);
    test.idp.revoke_key(&key.unwrap().kid).unwrap();
    assert_eq!(alg_of(&test, &usual), "EdDSA");
    test.finish();
}

fn an_algorithm_needs_a_key_of_the_instance(engine: Engine) {
    if cfg!(not(feature = "aws-lc")) {
        return;
    }
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let refused = org.register_agent(new("rsa").token_alg(Alg::Rs256)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidInput);
    // The newest of all, so that EdDSA's would sign, if it were the oldest key that stood in.
    test.idp.rotate_key(KeyRotation::tokens(Alg::Es256).now()).unwrap();
    let rs256 = AgentChanges::new().token_alg(Alg::Rs256);
    assert!(org.update_agent(&acme.agent.id, &rs256).is_err());
    test.idp.rotate_key(KeyRotation::tokens(Alg::Rs256)).unwrap();
    org.update_agent(&acme.agent.id, &rs256).unwrap();
    // Until the key has been published for long enough another signs.
    let alg = |secret: &agentidp_testkit::Tenant| {
        let token = test.idp.token(&secret.request()).unwrap().access_token;
        parse_compact(&token).unwrap().header().alg().to_owned()
    };
    assert_eq!(alg(&acme), "ES256");
    test.clock.step(Duration::from_secs(24 * 3600));
    test.idp.tick().unwrap();
    assert_eq!((alg(&acme).as_str(), alg(&globex).as_str()), ("RS256", "ES256"));
    test.finish();
}
