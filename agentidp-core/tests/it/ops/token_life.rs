//! How long tokens live, and what ends them before: bounds of the agent and of its organization.

use std::time::Duration;

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{
    AccessError, AgentError, Denied, ErrorCode, Jti, OrgId, PageRequest, Timestamp,
};
use agentidp_testkit::{API, ISSUER, Tenant, TestIdp};

use super::Engine;

super::on_every_engine!(
    a_life_is_the_least_of_what_the_organization_and_the_agent_ask_for,
    ending_an_agents_tokens_ends_those_that_there_are,
    ending_an_organizations_tokens_ends_those_of_all_its_agents,
    names_of_tokens_tell_when_they_were_issued,
    tokens_say_what_they_must_and_nothing_more,
);

/// Changes rows as the verbs that are tested elsewhere do, and counts it as they do.
pub(super) fn change(
    test: &TestIdp,
    organization: &OrgId,
    sql: &'static str,
    params: &[Value<'_>],
) {
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(organization.clone());
    let changed = store.write::<_, StoreError>("change", &scope, |tx| tx.execute(sql, params));
    assert_eq!(changed, Ok(1), "{sql}");
}

pub(super) const SET_AGENT_STATUS: &str = "UPDATE agents SET status = ?3, version = version + 1
    WHERE organization_id = ?1 AND agent_id = ?2";
pub(super) const SET_ORG_STATUS: &str =
    "UPDATE organizations SET status = ?2, version = version + 1
    WHERE organization_id = ?1";
pub(super) const END_AGENTS_TOKENS: &str = "UPDATE agents
    SET tokens_not_before = ?3, version = version + 1
    WHERE organization_id = ?1 AND agent_id = ?2";
const END_ORGS_TOKENS: &str = "UPDATE organizations
    SET tokens_not_before = ?2, version = version + 1 WHERE organization_id = ?1";
const LIMIT_AGENT: &str = "UPDATE agents SET token_life_seconds_max = ?3, version = version + 1
    WHERE organization_id = ?1 AND agent_id = ?2";
const LIMIT_ORG: &str =
    "UPDATE organizations SET token_life_seconds_max = ?2, version = version + 1
    WHERE organization_id = ?1";

/// From when tokens live that are issued after all were ended now.
pub(super) fn margin(test: &TestIdp) -> Timestamp {
    use agentidp_core::Clock as _;
    test.clock.now().plus(agentidp_core::base::limits::TOKENS_END_MARGIN)
}

fn a_life_is_the_least_of_what_the_organization_and_the_agent_ask_for(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let life = |tenant: &Tenant| {
        let token = test.idp.token(&tenant.request().scope("openid")).unwrap();
        let verifier = test.idp.verifier();
        let claims = verifier.verify_access_token(&token.access_token, API).unwrap();
        let id_token = token.id_token.unwrap();
        let id_claims = verifier.verify_id_token(&id_token, tenant.agent.id.as_str()).unwrap();
        assert_eq!((id_claims.iat, id_claims.exp), (claims.iat, claims.exp));
        assert_eq!(token.expires_in, claims.exp - claims.iat);
        token.expires_in
    };
    assert_eq!(life(&acme), 3600);
    change(&test, &acme.org.id, LIMIT_ORG, &[Value::Int(600)]);
    assert_eq!((life(&acme), life(&globex)), (600, 3600), "its own organization's alone");
    let agent = Value::Text(acme.agent.id.as_str());
    change(&test, &acme.org.id, LIMIT_AGENT, &[agent, Value::Int(60)]);
    assert_eq!(life(&acme), 60);
    change(&test, &acme.org.id, LIMIT_AGENT, &[agent, Value::Int(900)]);
    assert_eq!(life(&acme), 600);
    test.finish();
}

fn ending_an_agents_tokens_ends_those_that_there_are(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let token = |tenant: &Tenant| test.idp.token(&tenant.request().resource(ISSUER)).unwrap();
    let (old, foreign) = (token(&acme).access_token, token(&globex).access_token);
    let bound = test.idp.on_behalf_of(&old).unwrap();
    let until = margin(&test);
    let params = [Value::Text(acme.agent.id.as_str()), Value::Int(until.as_micros())];
    change(&test, &acme.org.id, END_AGENTS_TOKENS, &params);

    let refused = test.idp.on_behalf_of(&old).unwrap_err();
    assert!(matches!(refused, AccessError::NotActive));
    assert_eq!(refused.code(), ErrorCode::InvalidToken);
    // Who was admitted before is not any more.
    let denied = bound.org(&acme.org.id).agent(&acme.agent.id).unwrap_err();
    assert!(matches!(denied, AgentError::Denied(Denied::NotActive)), "{denied:?}");
    test.idp.on_behalf_of(&foreign).unwrap();
    // What is issued right afterwards lives, though the clock has not come to the bound yet.
    let new = token(&acme).access_token;
    test.idp.on_behalf_of(&new).unwrap().org(&acme.org.id).get().unwrap();
    let claims = test.idp.verifier().verify_access_token(&new, ISSUER).unwrap();
    let issued = Jti::parse(&claims.jti).unwrap().time().unwrap();
    assert_eq!(issued.as_micros(), until.as_micros() + 1);
    assert!(claims.iat < until.as_seconds());
    test.clock.step(Duration::from_secs(60));
    assert!(test.idp.on_behalf_of(&old).is_err());
    test.idp.on_behalf_of(&new).unwrap();
    test.finish();
}

fn ending_an_organizations_tokens_ends_those_of_all_its_agents(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let token = |tenant: &Tenant| test.idp.token(&tenant.request().resource(ISSUER)).unwrap();
    let (old, foreign) = (token(&acme).access_token, token(&globex).access_token);
    let until = Value::Int(margin(&test).as_micros());
    change(&test, &acme.org.id, END_ORGS_TOKENS, &[until]);
    assert!(matches!(test.idp.on_behalf_of(&old), Err(AccessError::NotActive)));
    test.idp.on_behalf_of(&foreign).unwrap();
    test.idp.on_behalf_of(&token(&acme).access_token).unwrap();
    // The later of the two bounds counts.
    let earlier = [Value::Text(acme.agent.id.as_str()), Value::Int(1)];
    change(&test, &acme.org.id, END_AGENTS_TOKENS, &earlier);
    assert!(test.idp.on_behalf_of(&old).is_err());
    test.idp.on_behalf_of(&token(&acme).access_token).unwrap();
    test.finish();
}

fn names_of_tokens_tell_when_they_were_issued(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    let page = test.idp.org(&acme.org.id).audit(&PageRequest::first()).unwrap();
    let issued = page.items.iter().find(|entry| entry.event_type == "token.issued").unwrap();
    let jti = Jti::parse(issued.target.as_deref().unwrap()).unwrap();
    assert_eq!(jti.time().unwrap().as_seconds(), issued.time.as_seconds());
    test.finish();
}

fn tokens_say_what_they_must_and_nothing_more(engine: Engine) {
    use crate::common::decode;
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.clock.set(Timestamp::from_micros(1_795_316_400_999_000));
    let parts = |token: &str| {
        let mut parts = token.split('.').map(|part| {
            serde_json::from_slice::<serde_json::Value>(&decode(part)).unwrap_or_default()
        });
        (parts.next().unwrap(), parts.next().unwrap())
    };
    let names = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let both = test.idp.token(&acme.request().scope("tools:read openid tools:read")).unwrap();
    let (header, claims) = parts(&both.access_token);
    assert_eq!((&header["typ"], names(&header).as_str()), (&"at+jwt".into(), "alg kid typ"));
    let all = "agent_did aud client_id exp iat iss jti organization_id scope sub";
    assert_eq!(names(&claims), all);
    assert_eq!((&claims["iat"], &claims["exp"]), (&1_795_316_400.into(), &1_795_320_000.into()));
    assert_eq!((&claims["aud"], &claims["scope"]), (&API.into(), &"tools:read openid".into()));
    assert!(both.access_token.len() < 4096, "{}", both.access_token.len());
    let (header, claims) = parts(both.id_token.as_deref().unwrap());
    assert_eq!(header["typ"], "JWT");
    // No nonce, auth_time or amr: nobody was asked, and nobody logged in.
    let all = "agent_did agent_name at_hash aud exp iat iss organization_id sub";
    assert_eq!(names(&claims), all);
    assert_eq!(claims["aud"], acme.agent.id.as_str());
    // A token that allows nothing has no scope, not an empty one; nor has its answer.
    let none = test.idp.token(&acme.request().scope("")).unwrap();
    assert_eq!(parts(&none.access_token).1.get("scope"), None);
    let answer = serde_json::to_value(&none).unwrap();
    assert_eq!(names(&answer), "access_token expires_in token_type");
    test.finish();
}

/// Row versions are compared by a statement that sees what was committed when it began, and locks
/// nothing: a suspension that commits after that does not stop the token. The bound on its name does.
#[cfg(feature = "postgres")]
#[test]
fn a_token_that_overtakes_a_suspension_is_void() {
    use std::sync::{Arc, Mutex};

    let (inner, file, guard) = Engine::Postgres.open();
    let hook: overtaking::Hook = Arc::new(Mutex::new(None));
    let store = overtaking::Overtaken { inner: inner.clone(), hook: hook.clone() };
    let test = TestIdp::over(Arc::new(store), file, guard);
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();

    // Suspends the agent while the transaction that issues has run its statement and not committed.
    let (organization, agent) = (acme.org.id.clone(), acme.agent.id.clone());
    let until = margin(&test).as_micros();
    let suspend = move |status: &'static str| {
        let scope = Scope::Org(organization.clone());
        let agent = Value::Text(agent.as_str());
        let done = inner.write::<_, StoreError>("suspend", &scope, |tx| {
            tx.execute(END_AGENTS_TOKENS, &[agent, Value::Int(until)])?;
            tx.execute(SET_AGENT_STATUS, &[agent, Value::Text(status)])
        });
        assert_eq!(done, Ok(1));
    };
    let reactivate = suspend.clone();
    *hook.lock().unwrap() = Some(Box::new(move || suspend("suspended")));
    let overtook = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    assert!(hook.lock().unwrap().is_none(), "the suspension committed in between");
    assert!(test.idp.token(&acme.request()).is_err());
    assert!(matches!(test.idp.on_behalf_of(&overtook), Err(AccessError::NotActive)));

    // Nor does it come back to life with the agent.
    reactivate("active");
    assert!(matches!(test.idp.on_behalf_of(&overtook), Err(AccessError::NotActive)));
    let new = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    test.idp.on_behalf_of(&new).unwrap();
    test.finish();
}

#[cfg(feature = "postgres")]
mod overtaking {
    use std::sync::{Arc, Mutex};

    use agentidp_core::store::{Body, Scope, Store, StoreError};

    pub(super) type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

    /// A store that does something else between the statements of an issuance and its commit.
    pub(super) struct Overtaken {
        pub(super) inner: Arc<dyn Store>,
        pub(super) hook: Hook,
    }

    impl Store for Overtaken {
        fn write_tx(
            &self,
            name: &'static str,
            scope: &Scope,
            body: &mut Body<'_>,
        ) -> Result<(), StoreError> {
            self.inner.write_tx(name, scope, &mut |tx| {
                let verdict = body(tx);
                let hook =
                    (name == "issue token").then(|| self.hook.lock().unwrap().take()).flatten();
                if let Some(hook) = hook {
                    hook();
                }
                verdict
            })
        }

        fn read_tx(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError> {
            self.inner.read_tx(scope, body)
        }

        fn is_hot_row_cheap(&self) -> bool {
            self.inner.is_hot_row_cheap()
        }

        fn settle(&self) -> Result<(), StoreError> {
            self.inner.settle()
        }
    }
}
