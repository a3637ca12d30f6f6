//! What happens between the moment when somebody is asked and the moment when it is written.

use std::sync::{Arc, Mutex};

use agentidp_core::model::ActingAgent;
use agentidp_core::store::{Body, Scope, Store, StoreError};
use agentidp_core::{
    AgentChanges, AgentError, AgentId, AgentStatus, Config, CredentialError, Database, Denied,
    ErrorCode, Idp, KekSource, NewAgent, NewCredential, OrgChanges, OrgError, OrgHandle, Role,
    TokenExchange, TokenRequest,
};
use agentidp_testkit::{ISSUER, Tenant, TestIdp};

use super::introspection::Member;
use super::{Engine, public_keys};

super::on_every_engine!(
    nobody_gets_a_proof_of_scopes_that_were_added_meanwhile,
    who_was_ended_meanwhile_changes_nothing,
    who_lost_its_role_meanwhile_changes_nothing,
    a_token_that_was_ended_meanwhile_is_not_exchanged,
);

type Deed = Box<dyn FnOnce() + Send>;

/// A store in which something is done once, before the next transaction that writes.
struct Between {
    inner: Arc<dyn Store>,
    deed: Mutex<Option<Deed>>,
}

impl Between {
    /// The instance over a store of that kind.
    fn over(test: &TestIdp) -> (Arc<Between>, Idp) {
        let store = Arc::new(Between { inner: test.store.clone(), deed: Mutex::default() });
        let config = Config::new(Database::Opened(store.clone()))
            .kek(KekSource::file(test.kek_path()))
            .clock(test.clock.clone());
        (store, Idp::open_existing(config).unwrap())
    }

    /// Does `deed` before what is written next.
    fn meanwhile(&self, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some(Box::new(deed));
    }

    fn is_done(&self) -> bool {
        self.deed.lock().unwrap().is_none()
    }
}

impl Store for Between {
    fn write_tx(
        &self,
        name: &'static str,
        scope: &Scope,
        body: &mut Body<'_>,
    ) -> Result<(), StoreError> {
        let deed = self.deed.lock().unwrap().take();
        deed.into_iter().for_each(|deed| deed());
        self.inner.write_tx(name, scope, body)
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

/// A bearer with `credentials:write`, `agents:write` and `tools:read`, in a store of that kind.
fn bearer(test: &TestIdp, tenant: &Tenant) -> (Arc<Between>, Idp) {
    let (store, idp) = Between::over(test);
    let org = idp.org(&tenant.org.id);
    let new = ["credentials:write", "agents:write", "tools:read"];
    let new = new.into_iter().fold(NewAgent::new("manager"), NewAgent::scope);
    let agent = org.register_agent(new).unwrap();
    let secret = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&agent.id, secret.secret());
    let token = idp.token(&request).unwrap();
    (store, idp.on_behalf_of(&token.access_token).unwrap())
}

fn nobody_gets_a_proof_of_scopes_that_were_added_meanwhile(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (store, idp) = bearer(&test, &acme);
    let (org, all) = (idp.org(&acme.org.id), test.idp.org(&acme.org.id));
    let target = all.register_agent(NewAgent::new("target").scope("tools:read")).unwrap().id;
    let first = org.issue_credential(&target, NewCredential::default()).unwrap();
    let scopes = |list: &[&str]| AgentChanges::new().scopes(list.iter().copied());
    let meanwhile = || {
        all.update_agent(&target, &scopes(&["tools:read"])).unwrap();
        let (all, target) = (all.clone(), target.clone());
        let wider = scopes(&["tools:read", "tools:delete"]);
        store.meanwhile(move || drop(all.update_agent(&target, &wider).unwrap()));
    };
    let denied = |error: CredentialError| {
        assert!(matches!(error, CredentialError::Denied(Denied::ScopesNotHeld)), "{error}");
        assert!(store.is_done());
    };
    meanwhile();
    denied(org.issue_credential(&target, NewCredential::default()).unwrap_err());
    meanwhile();
    let overlap = std::time::Duration::ZERO;
    denied(org.rotate_credential(&first.credential().id, overlap).unwrap_err());
    meanwhile();
    let key = NewCredential::public_key(public_keys::PEM);
    denied(org.add_public_key(&target, key).unwrap_err());
    meanwhile();
    let added = org.add_agent_key(&target, public_keys::PEM);
    assert!(matches!(added, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.key_added Refused");
    test.finish();
}

type EndOfCaller = fn(&OrgHandle, &ActingAgent);

/// What ends all that an agent does by its token.
const ENDS_OF_CALLERS: [EndOfCaller; 3] = [
    |org, caller| drop(org.suspend_agent(&caller.agent_id).unwrap()),
    |org, caller| drop(org.decommission_agent(&caller.agent_id).unwrap()),
    |org, caller| assert!(org.revoke_jti(&caller.jti).unwrap()),
];

/// A suspension that has answered is one: what was begun before it is not written after it.
fn who_was_ended_meanwhile_changes_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let all = test.idp.org(&acme.org.id);
    for end in ENDS_OF_CALLERS {
        let (store, idp) = bearer(&test, &acme);
        let caller = idp.caller().agent().unwrap().clone();
        let operator = all.clone();
        store.meanwhile(move || end(&operator, &caller));
        let denied = idp.org(&acme.org.id).suspend_agent(&acme.agent.id).unwrap_err();
        assert!(matches!(denied, AgentError::Denied(Denied::NotActive)), "{denied}");
        assert!(store.is_done());
        assert_eq!(all.agent(&acme.agent.id).unwrap().status, AgentStatus::Active);
    }
    test.finish();
}

fn who_lost_its_role_meanwhile_changes_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let all = test.idp.org(&acme.org.id);
    let admin = Member::new(&test, &acme.org.id, NewAgent::new("admin"));
    all.add_member(&admin.id, Role::Admin).unwrap();
    let (store, idp) = Between::over(&test);
    let token = idp.token(&admin.request().resource(ISSUER)).unwrap().access_token;
    let org = idp.on_behalf_of(&token).unwrap().org(&acme.org.id);
    org.update(OrgChanges::default().name("Acme Ltd")).unwrap();
    let operator = all.clone();
    store.meanwhile(move || operator.remove_member(&admin.id).unwrap());
    let denied = org.update(OrgChanges::default().name("Evil Ltd")).unwrap_err();
    assert!(matches!(denied, OrgError::Denied(Denied::RoleMissing)), "{denied}");
    assert!(store.is_done());
    assert_eq!(all.get().unwrap().name, "Acme Ltd");
    test.finish();
}

type EndOfToken = fn(&OrgHandle, &AgentId, &str);

/// What ends an agent's token.
const ENDS_OF_TOKENS: [EndOfToken; 2] = [
    |org, _, token| assert!(org.revoke_token(token).unwrap()),
    |org, agent, _| drop(org.suspend_agent(agent).unwrap()),
];

/// The rows of who asks are as they were: it is those of the token's own agent that changed.
fn a_token_that_was_ended_meanwhile_is_not_exchanged(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let all = test.idp.org(&acme.org.id);
    let member =
        |name: &str| Member::new(&test, &acme.org.id, NewAgent::new(name).scope("tools:read"));
    let (ada, bob) = (member("ada"), member("bob"));
    for end in ENDS_OF_TOKENS {
        let (store, idp) = Between::over(&test);
        let asked = ada.request().resource(ISSUER).may_act(&bob.id);
        let subject = test.idp.token(&asked).unwrap().access_token;
        let exchange = TokenExchange::new(subject.as_str());
        let exchange = bob.request().resource(ISSUER).exchange(exchange);
        let (operator, agent) = (all.clone(), ada.id.clone());
        store.meanwhile(move || end(&operator, &agent, &subject));
        let refused = idp.token(&exchange).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ExchangeRefused);
        assert!(store.is_done());
    }
    test.finish();
}
