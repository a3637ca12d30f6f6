//! What agents may do where a policy decides in the table's stead.

use agentidp_core::{
    AgentError, Config, Database, Denied, ErrorCode, Idp, IntrospectionRequest, KekSource,
    NewAgent, NewCredential, OrgError, OrgId, PageRequest, RegoPolicy, RevocationRequest,
    TokenRequest,
};
use agentidp_testkit::{Tenant, TestIdp};

use super::Engine;

super::on_every_engine!(
    the_built_in_policy_changes_nothing,
    a_stricter_policy_denies_and_the_trail_tells,
    a_wider_policy_opens_no_wall,
    a_policy_that_fails_denies_and_the_trail_tells,
    a_policy_is_asked_who_may_introspect_and_end_tokens,
    a_policy_that_fails_lets_nobody_introspect_or_end_tokens,
);

/// Allows everything inside an agent's own organization, but for what `rules` say.
const WIDE: &str = "package agentidp.authz
default allow := false
allow if {
    is_string(input.organization)
    input.organization == input.agent.organization
    not kept
}
";

fn load(rules: &str) -> RegoPolicy {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("authz.rego"), format!("{WIDE}{rules}")).unwrap();
    RegoPolicy::from_dir(dir.path()).unwrap()
}

/// The instance as a process that was opened with `policy` has it.
fn under(test: &TestIdp, policy: RegoPolicy) -> Idp {
    let config = Config::new(Database::Opened(test.store.clone()))
        .kek(KekSource::file(test.kek_path()))
        .clock(test.clock.clone())
        .policy(policy);
    Idp::open_existing(config).unwrap()
}

/// The handle of `idp` of a new agent of `organization` with `scopes`.
fn bearer(idp: &Idp, organization: &OrgId, scopes: &[&str]) -> Idp {
    let org = idp.org(organization);
    let agent = scopes.iter().fold(NewAgent::new("manager"), |agent, scope| agent.scope(*scope));
    let agent = org.register_agent(agent).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    let token = idp.token(&request).unwrap();
    idp.on_behalf_of(&token.access_token).unwrap()
}

/// The last entry of the organization's trail.
fn last_told(test: &TestIdp, organization: &OrgId) -> serde_json::Value {
    let page = PageRequest::first().limit(500);
    let page = test.idp.org(organization).audit(&page).unwrap();
    serde_json::to_value(page.items.last().unwrap()).unwrap()
}

fn the_built_in_policy_changes_nothing(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let idp = under(&test, RegoPolicy::built_in().unwrap());
    let reader = bearer(&idp, &acme.org.id, &["agents:read", "agents:write"]);
    let org = reader.org(&acme.org.id);
    assert_eq!(org.agent(&acme.agent.id).unwrap().id, acme.agent.id);
    org.register_agent(NewAgent::new("made")).unwrap();
    let missing = org.issue_credential(&acme.agent.id, NewCredential::default()).unwrap_err();
    assert_eq!(missing.code(), ErrorCode::InsufficientScope);
    let foreign = reader.org(&globex.org.id);
    assert!(matches!(foreign.agent(&globex.agent.id), Err(AgentError::NotFound)));
    let system = bearer(&idp, &OrgId::system(), &["admin:orgs"]);
    assert_eq!(system.org(&globex.org.id).get().unwrap().id, globex.org.id);
    test.finish();
}

fn a_stricter_policy_denies_and_the_trail_tells(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let idp = under(&test, load("kept if input.action == \"agents.change\""));
    let before = test.trail(&globex.org.id);
    let writer = bearer(&idp, &acme.org.id, &["agents:read", "agents:write"]);
    let org = writer.org(&acme.org.id);
    assert_eq!(org.agent(&acme.agent.id).unwrap().id, acme.agent.id);
    let denied = org.register_agent(NewAgent::new("made")).unwrap_err();
    assert!(matches!(denied, AgentError::Denied(Denied::Policy)), "{denied:?}");
    assert_eq!(denied.code(), ErrorCode::Forbidden);
    let told = last_told(&test, &acme.org.id);
    assert_eq!(told["type"], "access.denied", "{told}");
    assert_eq!(told["outcome"], "refused", "{told}");
    assert_eq!(told["data"]["action"], "agents.change", "{told}");
    assert_eq!(told["data"]["policy"], "denied", "{told}");
    assert_eq!(test.trail(&globex.org.id), before);
    // The operator is not asked about, and neither is who goes through a process without the policy.
    idp.org(&acme.org.id).register_agent(NewAgent::new("made")).unwrap();
    bearer(&test.idp, &acme.org.id, &["agents:write"])
        .org(&acme.org.id)
        .register_agent(NewAgent::new("made"))
        .unwrap();
    test.finish();
}

fn a_wider_policy_opens_no_wall(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let idp = under(&test, load("kept if false"));
    let plain = bearer(&idp, &acme.org.id, &["tools:write"]);
    let org = plain.org(&acme.org.id);
    // It replaces the table: no scope is needed.
    let made = org.register_agent(NewAgent::new("made").scope("tools:write")).unwrap();
    assert_eq!(org.agent(&made.id).unwrap().id, made.id);
    let wider = org.register_agent(NewAgent::new("wider").scope("tools:read"));
    assert!(matches!(wider, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    let before = test.trail(&globex.org.id);
    let foreign = plain.org(&globex.org.id);
    assert!(matches!(foreign.get(), Err(OrgError::NotFound)));
    assert!(matches!(foreign.agent(&globex.agent.id), Err(AgentError::NotFound)));
    assert!(matches!(foreign.register_agent(NewAgent::new("x")), Err(AgentError::NotFound)));
    assert!(matches!(org.agent(&globex.agent.id), Err(AgentError::NotFound)));
    let keys = plain.keys();
    assert_eq!(keys.unwrap_err().code(), ErrorCode::InsufficientScope);
    assert!(plain.create_org(agentidp_core::NewOrg::new("third")).is_err());
    assert_eq!(test.trail(&globex.org.id), before);
    test.idp.org(&acme.org.id).suspend().unwrap();
    assert!(matches!(org.get(), Err(OrgError::Denied(Denied::NotActive))));
    test.finish();
}

fn a_policy_that_fails_denies_and_the_trail_tells(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let rules = "kept if { \"tools:bad\" in input.agent.scopes; to_number(\"x\") == 1 }";
    let idp = under(&test, load(rules));
    bearer(&idp, &acme.org.id, &["agents:read"]).org(&acme.org.id).agent(&acme.agent.id).unwrap();
    let bad = bearer(&idp, &acme.org.id, &["agents:read", "tools:bad"]);
    let denied = bad.org(&acme.org.id).agent(&acme.agent.id).unwrap_err();
    assert!(matches!(denied, AgentError::Denied(Denied::PolicyFailed)), "{denied:?}");
    assert_eq!(denied.code(), ErrorCode::Forbidden);
    let told = last_told(&test, &acme.org.id);
    assert_eq!(told["data"]["policy"], "failed", "{told}");
    test.finish();
}

fn a_policy_is_asked_who_may_introspect_and_end_tokens(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let asking = |scopes: &[&str]| {
        let agent = scopes.iter().fold(NewAgent::new("asker"), |agent, scope| agent.scope(*scope));
        let agent = org.register_agent(agent).unwrap();
        let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
        (agent, credential)
    };
    let (scoped, its) = asking(&["tokens:introspect", "tokens:revoke"]);
    let (member, members) = asking(&[]);
    org.add_member(&member.id, agentidp_core::Role::Admin).unwrap();
    let token = test.idp.token(&acme.request()).unwrap().access_token;
    let knows = |idp: &Idp, agent: &agentidp_core::Agent, secret: &str| {
        let request = IntrospectionRequest::new(token.as_str()).client(&agent.id, secret);
        idp.introspect(&request).unwrap().active
    };
    // By the table it is the scope that counts, and by this policy the role.
    let by_role = under(&test, load("kept if not input.agent.role == \"admin\""));
    assert!(knows(&test.idp, &scoped, its.secret()));
    assert!(!knows(&test.idp, &member, members.secret()));
    assert!(!knows(&by_role, &scoped, its.secret()));
    assert!(knows(&by_role, &member, members.secret()));
    assert!(knows(&by_role, &acme.agent, acme.credential.secret()), "its own token");
    let built_in = under(&test, RegoPolicy::built_in().unwrap());
    assert!(knows(&built_in, &scoped, its.secret()));
    assert!(!knows(&built_in, &member, members.secret()));
    let ends = |agent: &agentidp_core::Agent, secret: &str| {
        by_role.revoke(&RevocationRequest::new(token.as_str()).client(&agent.id, secret))
    };
    let refused = ends(&scoped, its.secret()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::UnauthorizedClient);
    assert!(knows(&by_role, &member, members.secret()));
    // By access tokens it is the same.
    let bearing = |agent: &agentidp_core::Agent, secret: &str| {
        let token = by_role.token(&TokenRequest::client_credentials(&agent.id, secret)).unwrap();
        let bearer = by_role.on_behalf_of(&token.access_token).unwrap();
        bearer.introspect(&IntrospectionRequest::new(acme_token(&test, &acme)))
    };
    assert!(bearing(&scoped, its.secret()).is_err(), "this policy lets it see nothing at all");
    assert!(bearing(&member, members.secret()).unwrap().active);
    assert!(ends(&member, members.secret()).unwrap());
    assert!(!knows(&by_role, &member, members.secret()));
    test.finish();
}

/// What cannot decide allows nothing, here too.
fn a_policy_that_fails_lets_nobody_introspect_or_end_tokens(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let rules = "kept if { \"tools:bad\" in input.agent.scopes; to_number(\"x\") == 1 }";
    let idp = under(&test, load(rules));
    let org = test.idp.org(&acme.org.id);
    let token = acme_token(&test, &acme);
    let asking = |further: &str| {
        let scopes = ["tokens:introspect", "tokens:revoke", further];
        let agent = scopes.into_iter().fold(NewAgent::new("asker"), NewAgent::scope);
        let agent = org.register_agent(agent).unwrap().id;
        let credential = org.issue_credential(&agent, NewCredential::default()).unwrap();
        let secret = credential.secret();
        let question = IntrospectionRequest::new(token.as_str()).client(&agent, secret);
        let end = RevocationRequest::new(token.as_str()).client(&agent, secret);
        let knows = idp.introspect(&question).unwrap().active;
        (knows, idp.revoke(&end).map_err(|error| error.code()))
    };
    assert_eq!(asking("tools:bad"), (false, Err(ErrorCode::UnauthorizedClient)));
    assert_eq!(asking("tools:good"), (true, Ok(true)), "the token was alive until now");
    test.finish();
}

fn acme_token(test: &TestIdp, tenant: &Tenant) -> String {
    test.idp.token(&tenant.request()).unwrap().access_token.as_str().to_owned()
}
