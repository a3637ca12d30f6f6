//! Every verb of an organization's handle, tried by one organization on what is another's: the answer
//! is that of what is not there, and the other notices nothing.

use std::time::Duration;

use agentidp_core::{
    AgentChanges, AgentFilter, AgentId, CredentialId, ImportOptions, IntrospectionRequest, Jti,
    NewAgent, NewCredential, OrgChanges, OrgHandle, PageRequest, RevokeTokens, Role, SystemClock,
    SystemRng,
};
use agentidp_testkit::{API, Tenant, TestIdp};

use super::{Engine, public_api, public_keys};

super::on_every_engine!(every_verb_answers_for_what_is_anothers_as_for_what_is_not_there);

/// What a verb is tried on.
struct Aim {
    agent: AgentId,
    credential: CredentialId,
    jti: Jti,
    token: String,
    kid: String,
}

/// A verb, tried through a handle; the answer as its caller sees it.
type Try = fn(&OrgHandle, &Aim) -> String;

fn told<T: std::fmt::Debug, E: std::fmt::Display>(answer: Result<T, E>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("error: {error}"),
    }
}

const LIFE: Duration = Duration::from_secs(60);

/// Those that are told whom or what they are about: each must be a failure, or say that it is none.
const ON_SOMETHING: &[(&str, Try)] = &[
    ("agent", |org, aim| told(org.agent(&aim.agent))),
    ("update_agent", |org, aim| told(org.update_agent(&aim.agent, &AgentChanges::new().name("x")))),
    ("suspend_agent", |org, aim| told(org.suspend_agent(&aim.agent))),
    ("reactivate_agent", |org, aim| told(org.reactivate_agent(&aim.agent))),
    ("decommission_agent", |org, aim| told(org.decommission_agent(&aim.agent))),
    ("rotate_agent_keys", |org, aim| told(org.rotate_agent_keys(&aim.agent, LIFE))),
    ("add_agent_key", |org, aim| told(org.add_agent_key(&aim.agent, public_keys::PEM))),
    ("revoke_agent_key", |org, aim| told(org.revoke_agent_key(&aim.agent, &aim.kid))),
    ("agent_keys", |org, aim| told(org.agent_keys(&aim.agent))),
    ("issue_credential", |org, aim| {
        told(org.issue_credential(&aim.agent, NewCredential::default()))
    }),
    ("add_public_key", |org, aim| {
        told(org.add_public_key(&aim.agent, NewCredential::public_key(public_keys::PEM)))
    }),
    ("list_credentials", |org, aim| told(org.list_credentials(&aim.agent, &PageRequest::first()))),
    ("credential", |org, aim| told(org.credential(&aim.credential))),
    ("check_credential", |org, aim| told(org.check_credential(&aim.agent, &aim.credential))),
    ("rotate_credential", |org, aim| told(org.rotate_credential(&aim.credential, LIFE))),
    ("revoke_credential", |org, aim| {
        told(org.revoke_credential(&aim.credential, RevokeTokens::Yes))
    }),
    ("add_member", |org, aim| told(org.add_member(&aim.agent, Role::Owner))),
    ("set_member_role", |org, aim| told(org.set_member_role(&aim.agent, Role::Owner))),
    ("remove_member", |org, aim| told(org.remove_member(&aim.agent))),
    ("revoke_token", |org, aim| told(org.revoke_token(&aim.token))),
];

/// Those whose answer says nothing of the thing: a name of a token may be ended before it is known.
const BLIND: &[(&str, Try)] = &[("revoke_jti", |org, aim| told(org.revoke_jti(&aim.jti)))];

/// Those that are about the organization itself.
const ON_ITSELF: &[(&str, Try)] = &[
    ("get", |org, _| told(org.get())),
    ("usage", |org, _| told(org.usage())),
    ("footprint", |org, _| told(org.footprint())),
    ("audit", |org, _| told(org.audit(&PageRequest::first()))),
    ("audit_key", |org, _| told(org.audit_key())),
    ("verify_audit", |org, _| told(org.verify_audit())),
    ("verify_audit_telling", |org, _| told(org.verify_audit_telling(&mut |_| {}))),
    ("members", |org, _| told(org.members(&PageRequest::first()))),
    ("list_agents", |org, _| told(org.list_agents(&AgentFilter::All, &PageRequest::first()))),
    ("register_agent", |org, _| told(org.register_agent(NewAgent::new("another")))),
    ("import", |org, aim| {
        let line = format!(r#"{{"agentId":"{}","name":"taken"}}"#, aim.agent);
        told(org.import(&mut line.as_bytes(), ImportOptions::new()))
    }),
    ("update", |org, _| told(org.update(OrgChanges::default().name("Globex Ltd")))),
    ("suspend", |org, _| told(org.suspend())),
    ("activate", |org, _| told(org.activate())),
    ("delete", |org, _| told(org.delete())),
];

/// All that an organization can see of itself, and whether its token is alive.
fn view(test: &TestIdp, tenant: &Tenant, aim: &Aim) -> String {
    let org = test.idp.org(&tenant.org.id);
    let page = PageRequest::first().limit(500);
    let active = test.idp.introspect(&IntrospectionRequest::new(aim.token.as_str())).unwrap();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        org.get().unwrap(),
        org.list_agents(&AgentFilter::All, &page).unwrap().items,
        org.list_credentials(&tenant.agent.id, &page).unwrap().items,
        org.agent_keys(&tenant.agent.id).unwrap(),
        org.members(&page).unwrap().items,
        org.usage().unwrap(),
        org.audit(&page).unwrap().items,
        active,
    )
}

fn every_verb_answers_for_what_is_anothers_as_for_what_is_not_there(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    test.idp.org(&acme.org.id).add_member(&acme.agent.id, Role::Owner).unwrap();
    let token = test.idp.token(&acme.request()).unwrap().access_token;
    let claims = test.idp.verifier().verify_access_token(&token, API).unwrap();
    let foreign = Aim {
        agent: acme.agent.id.clone(),
        credential: acme.credential.credential().id.clone(),
        jti: Jti::parse(&claims.jti).unwrap(),
        token,
        kid: test.idp.org(&acme.org.id).agent_keys(&acme.agent.id).unwrap().remove(0).kid,
    };
    let missing = Aim {
        agent: AgentId::generate(&SystemClock, &SystemRng).unwrap(),
        credential: CredentialId::generate(&SystemClock, &SystemRng).unwrap(),
        jti: Jti::generate(&*test.clock, &SystemRng).unwrap(),
        token: "nonsense".to_owned(),
        kid: "nobodys".to_owned(),
    };
    let org = test.idp.org(&globex.org.id);
    let before = view(&test, &acme, &foreign);
    for (verb, ask) in ON_SOMETHING {
        let answer = ask(&org, &foreign);
        assert!(answer.starts_with("error: ") || answer == "false", "{verb}: {answer}");
        assert_eq!(answer, ask(&org, &missing), "{verb}");
    }
    for (verb, ask) in BLIND {
        assert_eq!(ask(&org, &foreign), ask(&org, &missing), "{verb}");
    }
    for (verb, ask) in ON_ITSELF {
        let answer = ask(&org, &foreign);
        let other = [acme.org.id.as_str(), acme.agent.id.as_str(), acme.org.slug.as_str()];
        assert!(!other.iter().any(|other| answer.contains(other)), "{verb}: {answer}");
    }
    assert_eq!(view(&test, &acme, &foreign), before);
    test.finish();
}

/// A verb that is added is added here too: the list is that of the public API.
#[test]
fn no_verb_is_left_out() {
    let mut here: Vec<&str> =
        [ON_SOMETHING, BLIND, ON_ITSELF].into_iter().flatten().map(|(name, _)| *name).collect();
    here.sort_unstable();
    assert_eq!(here, public_api::verbs("OrgHandle"));
}
