//! What the bearer of a token may do with it: by its scopes, in its organization, while it is active.

use agentidp_core::{
    AccessError, AgentError, CredentialError, Denied, ErrorCode, Idp, NewAgent, NewCredential,
    NewOrg, OrgError, OrgId, PageRequest, TokenRequest,
};
use agentidp_testkit::{API, ISSUER, Tenant, TestIdp};

use super::Engine;

super::on_every_engine!(
    a_token_allows_what_its_scopes_say,
    a_token_reaches_its_own_organization_alone,
    nobody_grants_more_than_it_holds,
    organizations_are_made_by_agents_of_the_system_alone,
    a_token_for_another_resource_or_of_another_kind_is_not_admitted,
    what_an_agent_does_is_told_with_its_name,
);

/// The handle of a new agent of `organization` with `scopes`, for which it gets a token.
pub(super) fn bearer(test: &TestIdp, organization: &OrgId, scopes: &[&str]) -> Idp {
    let org = test.idp.org(organization);
    let mut agent = NewAgent::new("manager");
    for scope in scopes {
        agent = agent.scope(*scope);
    }
    let agent = org.register_agent(agent).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    let token = test.idp.token(&request).unwrap();
    test.idp.on_behalf_of(&token.access_token).unwrap()
}

fn a_token_allows_what_its_scopes_say(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let idp = bearer(&test, &acme.org.id, &["agents:read", "audit:read"]);
    let org = idp.org(&acme.org.id);
    assert_eq!(org.get().unwrap().id, acme.org.id);
    assert_eq!(org.agent(&acme.agent.id).unwrap().id, acme.agent.id);
    assert!(org.verify_audit().unwrap().valid);
    let registered = org.register_agent(NewAgent::new("x")).unwrap_err();
    assert!(matches!(registered, AgentError::Denied(Denied::ScopeMissing("agents:write"))));
    assert_eq!(registered.code(), ErrorCode::InsufficientScope);
    let issued = org.issue_credential(&acme.agent.id, NewCredential::default()).unwrap_err();
    assert!(matches!(issued, CredentialError::Denied(Denied::ScopeMissing("credentials:write"))));
    let trail = test.trail(&acme.org.id);
    assert_eq!(trail.iter().filter(|entry| *entry == "access.denied Refused").count(), 2);
    test.finish();
}

fn a_token_reaches_its_own_organization_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let scopes = ["agents:read", "agents:write", "credentials:write", "audit:read", "tools:read"];
    let idp = bearer(&test, &acme.org.id, &scopes);
    let before = test.trail(&globex.org.id);
    let foreign = idp.org(&globex.org.id);
    assert!(matches!(foreign.get(), Err(OrgError::NotFound)));
    assert!(matches!(idp.find_org("globex"), Err(OrgError::NotFound)));
    assert!(matches!(foreign.agent(&globex.agent.id), Err(AgentError::NotFound)));
    assert!(matches!(foreign.register_agent(NewAgent::new("x")), Err(AgentError::NotFound)));
    let issued = foreign.issue_credential(&globex.agent.id, NewCredential::default());
    assert!(matches!(issued, Err(CredentialError::NotFound)));
    assert!(foreign.audit(&PageRequest::first()).is_err());
    assert!(foreign.verify_audit().is_err());
    assert_eq!(test.trail(&globex.org.id), before, "it is told in the caller's own trail");
    test.finish();
}

fn nobody_grants_more_than_it_holds(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let idp = bearer(&test, &acme.org.id, &["agents:write", "credentials:write", "tools:write"]);
    let org = idp.org(&acme.org.id);
    org.register_agent(NewAgent::new("fine").scope("tools:write")).unwrap();
    let wider = org.register_agent(NewAgent::new("wider").scope("tools:read"));
    assert!(matches!(wider, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    // A secret of an agent is as good as its scopes, and `acme`'s bot has others.
    let secret = org.issue_credential(&acme.agent.id, NewCredential::default());
    assert!(matches!(secret, Err(CredentialError::Denied(Denied::ScopesNotHeld))));
    test.finish();
}

fn organizations_are_made_by_agents_of_the_system_alone(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let system = bearer(&test, &OrgId::system(), &["admin:orgs"]);
    let made = system.create_org(NewOrg::new("globex")).unwrap();
    assert_eq!(system.org(&made.id).get().unwrap(), made);
    // It manages organizations; what is inside them is theirs.
    let registered = system.org(&made.id).register_agent(NewAgent::new("x"));
    assert!(matches!(registered, Err(AgentError::NotFound)));
    let own = bearer(&test, &acme.org.id, &["agents:write"]);
    assert!(matches!(own.create_org(NewOrg::new("third")), Err(OrgError::Denied(_))));
    assert!(test.idp.find_org("third").is_err());
    test.finish();
}

fn a_token_for_another_resource_or_of_another_kind_is_not_admitted(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let token = test.idp.token(&acme.request().scope("openid tools:read")).unwrap();
    for (text, what) in [
        (token.access_token.as_str(), "a token for the resource"),
        (token.id_token.as_deref().unwrap(), "an ID token"),
        ("", "nothing"),
    ] {
        let refused = test.idp.on_behalf_of(text).unwrap_err();
        assert!(matches!(refused, AccessError::Token(_)), "{what}");
        assert_eq!(refused.code(), ErrorCode::InvalidToken);
    }
    let for_us = test.idp.token(&acme.request().resource(ISSUER)).unwrap();
    test.idp.on_behalf_of(&for_us.access_token).unwrap();
    assert_ne!(API, ISSUER);
    test.finish();
}

fn what_an_agent_does_is_told_with_its_name(engine: Engine) {
    let test = engine.idp();
    let Tenant { org, .. } = test.tenant("acme");
    let idp = bearer(&test, &org.id, &["agents:write"]);
    let made = idp.org(&org.id).register_agent(NewAgent::new("made")).unwrap();
    let page = test.idp.org(&org.id).audit(&PageRequest::first()).unwrap();
    let last = serde_json::to_value(page.items.last().unwrap()).unwrap();
    assert_eq!(last["target"], made.id.as_str());
    let text = last.to_string();
    assert!(last["actor"].is_string() && last["actor"] != made.id.as_str(), "{text}");
    test.finish();
}
