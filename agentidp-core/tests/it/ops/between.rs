//! What happens between the moment when somebody is asked and the moment when it is written.

use std::sync::{Arc, Mutex};

use agentidp_core::store::{Body, Scope, Store, StoreError};
use agentidp_core::{
    AgentChanges, AgentError, Config, CredentialError, Database, Denied, Idp, KekSource, NewAgent,
    NewCredential, TokenRequest,
};
use agentidp_testkit::{Tenant, TestIdp};

use super::{Engine, public_keys};

super::on_every_engine!(nobody_gets_a_proof_of_scopes_that_were_added_meanwhile);

type Deed = Box<dyn FnOnce() + Send>;

/// A store in which something is done once, before the next transaction that writes.
struct Between {
    inner: Arc<dyn Store>,
    deed: Mutex<Option<Deed>>,
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
    let store = Arc::new(Between { inner: test.store.clone(), deed: Mutex::default() });
    let config = Config::new(Database::Opened(store.clone()))
        .kek(KekSource::file(test.kek_path()))
        .clock(test.clock.clone());
    let idp = Idp::open_existing(config).unwrap();
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
        *store.deed.lock().unwrap() =
            Some(Box::new(move || drop(all.update_agent(&target, &wider).unwrap())));
    };
    let denied = |error: CredentialError| {
        assert!(matches!(error, CredentialError::Denied(Denied::ScopesNotHeld)), "{error}");
        assert!(store.deed.lock().unwrap().is_none());
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
