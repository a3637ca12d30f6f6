//! A client that was seen before is looked at again as soon as anybody wrote anything.

use agentidp_core::jose::parse_compact;
use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{AgentChanges, ErrorCode, Idp, OrgChanges, RevokeTokens, TokenRequest};
use agentidp_testkit::{Fault, Tenant, TestIdp};

use super::Engine;
use super::on_every_engine;

on_every_engine!(
    what_another_process_ends_ends_here,
    what_another_process_changes_counts_here,
    a_key_that_another_process_revoked_signs_nothing_more,
    what_this_process_ends_ends_at_once,
    what_is_written_past_us_counts_as_well,
);

/// Asks until nothing of the client has to be read any more.
fn warm(idp: &Idp, request: &TokenRequest) {
    for _ in 0..3 {
        idp.token(request).unwrap();
    }
}

fn refused(idp: &Idp, request: &TokenRequest) -> ErrorCode {
    idp.token(request).expect_err("it was ended").code()
}

type Deed = fn(&Idp, &Tenant);

/// What ends the tokens of a tenant's agent.
const ENDS: [(&str, Deed); 5] = [
    ("the agent is suspended", |idp, tenant| {
        drop(idp.org(&tenant.org.id).suspend_agent(&tenant.agent.id).unwrap());
    }),
    ("the agent is decommissioned", |idp, tenant| {
        drop(idp.org(&tenant.org.id).decommission_agent(&tenant.agent.id).unwrap());
    }),
    ("the credential is revoked", |idp, tenant| {
        let credential = &tenant.credential.credential().id;
        let org = idp.org(&tenant.org.id);
        drop(org.revoke_credential(credential, RevokeTokens::No).unwrap());
    }),
    ("the organization is suspended", |idp, tenant| {
        drop(idp.org(&tenant.org.id).suspend().unwrap());
    }),
    ("the organization is deleted", |idp, tenant| {
        drop(idp.org(&tenant.org.id).delete().unwrap());
    }),
];

fn what_another_process_ends_ends_here(engine: Engine) {
    let (test, others) = engine.processes(1);
    for (number, (what, deed)) in ENDS.iter().enumerate() {
        let own = test.tenant(&format!("own-{number}"));
        let other = test.tenant(&format!("other-{number}"));
        warm(&test.idp, &own.request());
        warm(&test.idp, &other.request());
        deed(&others[0], &own);
        let code = refused(&test.idp, &own.request());
        assert_eq!(code.oauth_error(), Some("invalid_client"), "{what}: {code:?}");
        assert!(test.idp.token(&other.request()).is_ok(), "{what}: the other one's");
    }
    test.finish();
}

fn what_this_process_ends_ends_at_once(engine: Engine) {
    let test = engine.idp();
    for (number, (what, deed)) in ENDS.iter().enumerate() {
        let own = test.tenant(&format!("own-{number}"));
        warm(&test.idp, &own.request());
        deed(&test.idp, &own);
        let code = refused(&test.idp, &own.request());
        assert_eq!(code.oauth_error(), Some("invalid_client"), "{what}: {code:?}");
    }
    test.finish();
}

fn what_another_process_changes_counts_here(engine: Engine) {
    let (test, others) = engine.processes(1);
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex] {
        warm(&test.idp, &tenant.request());
    }
    let org = others[0].org(&acme.org.id);
    org.update(OrgChanges::default().token_life_seconds_max(Some(60))).unwrap();
    assert_eq!(test.idp.token(&acme.request()).unwrap().expires_in, 60);
    assert!(test.idp.token(&globex.request()).unwrap().expires_in > 60);
    warm(&test.idp, &acme.request());
    let wider = AgentChanges::new().scopes(["tools:read", "tools:delete"]);
    org.update_agent(&acme.agent.id, &wider).unwrap();
    let asked = acme.request().scope("tools:delete");
    assert_eq!(test.idp.token(&asked).unwrap().scope.as_deref(), Some("tools:delete"));
    test.finish();
}

fn a_key_that_another_process_revoked_signs_nothing_more(engine: Engine) {
    let (test, others) = engine.processes(1);
    let acme = test.tenant("acme");
    warm(&test.idp, &acme.request());
    let kid = |idp: &Idp| {
        let token = idp.token(&acme.request()).unwrap().access_token;
        parse_compact(&token).unwrap().header().kid().unwrap().to_owned()
    };
    let first = kid(&test.idp);
    others[0].revoke_key(&first).unwrap();
    assert_ne!(kid(&test.idp), first);
    test.finish();
}

/// As somebody does who mends a database by hand.
fn what_is_written_past_us_counts_as_well(engine: Engine) {
    const SUSPEND: &str = "UPDATE agents SET status = 'suspended', version = version + 1
        WHERE organization_id = ?1 AND agent_id = ?2";
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    for tenant in [&acme, &globex] {
        warm(&test.idp, &tenant.request());
    }
    let scope = Scope::Org(acme.org.id.clone());
    let store: &dyn Store = &*test.store;
    let suspended = store.write::<_, StoreError>("test", &scope, |tx| {
        tx.execute(SUSPEND, &[Value::Text(acme.agent.id.as_str())])
    });
    assert_eq!(suspended, Ok(1));
    assert_eq!(refused(&test.idp, &acme.request()).oauth_error(), Some("invalid_client"));
    assert!(test.idp.token(&globex.request()).is_ok());
    test.finish();
}

/// What it is for: nothing is read of a client and a key that nobody can have changed.
#[test]
fn nothing_is_read_again_that_nobody_can_have_changed() {
    for engine in [Engine::Memory, Engine::File] {
        let test = engine.idp();
        let (acme, globex) = test.two_orgs();
        for tenant in [&acme, &globex] {
            warm(&test.idp, &tenant.request());
        }
        let statements = |test: &TestIdp| {
            let fires = |at: &u64| {
                test.store.arm(Fault::Statement(*at));
                let _ = test.idp.token(&acme.request());
                test.store.disarm()
            };
            (0..20).take_while(fires).count()
        };
        // The entry, and one more of the month: the batch keeps both, and the second asks how many there
        // were. Where a statement failed nothing was written.
        let at_rest = statements(&test);
        test.idp.org(&globex.org.id).suspend_agent(&globex.agent.id).unwrap();
        test.store.arm(Fault::Statement(at_rest as u64));
        let _ = test.idp.token(&acme.request());
        assert!(test.store.disarm(), "after a change one statement more is run");
        assert_eq!(statements(&test), at_rest, "and then none again");
        test.finish();
    }
}

/// The log is taken into the database every few thousand pages, by a connection of its own.
#[test]
fn taking_the_log_in_changes_nothing() {
    let test = Engine::File.idp();
    let acme = test.tenant("acme");
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let epoch = || store.write::<_, StoreError>("test", &scope, |tx| Ok(tx.epoch())).unwrap();
    warm(&test.idp, &acme.request());
    let before = epoch();
    assert!(before.is_some());
    for _ in 0..1000 {
        test.idp.token(&acme.request()).unwrap();
    }
    assert_eq!(epoch(), before);
    test.finish();
}
