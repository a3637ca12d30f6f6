//! Suspending, reactivating and decommissioning agents: what ends with it, and what does not.

use agentidp_core::{
    AccessError, AgentChanges, AgentError, AgentId, AgentStatus, CredentialError, CredentialStatus,
    Denied, ErrorCode, NewAgent, NewCredential, NewOrg, PageRequest, RevokeTokens, Role,
    TokenRequest,
};
use agentidp_testkit::{ISSUER, TestIdp};

use super::Engine;
use super::authority::bearer;
use super::faults::{successes_in, sweep};

super::on_every_engine!(
    a_suspended_agent_gets_no_tokens_until_it_is_reactivated,
    a_suspended_agent_can_be_seen_and_changed,
    a_decommissioned_agent_is_gone_for_good,
    asking_twice_changes_nothing,
    a_token_from_just_after_an_end_dies_with_the_next_one,
    who_has_no_role_does_not_touch_an_owner,
    a_foreign_agent_is_not_touched,
    who_may_not_change_agents_changes_no_status,
    suspending_is_told_at_the_next_use_of_a_token,
    a_place_is_free_again_after_decommissioning,
    places_are_counted_right_when_many_come_and_go,
    every_change_of_status_is_all_or_nothing,
);

const TOKENS_NOT_BEFORE: &str =
    "SELECT COALESCE(MAX(tokens_not_before), 0) FROM agents WHERE organization_id = ?1";
const LIVE: &str = "SELECT agents_live FROM organizations WHERE organization_id = ?1";
const SEALED_KEYS: &str = "SELECT COUNT(*) FROM agent_keys
    WHERE organization_id = ?1 AND sealed_private_key IS NOT NULL";

fn a_suspended_agent_gets_no_tokens_until_it_is_reactivated(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    test.idp.token(&acme.request()).unwrap();
    let before = org.agent(&acme.agent.id).unwrap();
    let suspended = org.suspend_agent(&acme.agent.id).unwrap();
    assert_eq!(suspended.status, AgentStatus::Suspended);
    assert!(suspended.version() > before.version());
    assert_eq!(org.agent(&acme.agent.id).unwrap(), suspended);
    let refused = test.idp.token(&acme.request()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidClient);
    let issued = org.issue_credential(&acme.agent.id, NewCredential::default());
    assert!(matches!(issued, Err(CredentialError::NotActive)));
    assert!(matches!(
        org.add_agent_key(&acme.agent.id, super::public_keys::PEM),
        Err(AgentError::NotActive)
    ));
    test.idp.token(&globex.request()).unwrap();
    // The tokens that it had end a little later than now, for those that are being issued meanwhile.
    let ended = test.count(&acme.org.id, TOKENS_NOT_BEFORE);
    let suspended_at = suspended.updated_at.as_micros();
    assert_eq!(
        ended - suspended_at,
        i64::try_from(agentidp_core::base::limits::TOKENS_END_MARGIN.as_micros()).unwrap()
    );
    assert_eq!(test.count(&globex.org.id, TOKENS_NOT_BEFORE), 0);
    let active = org.reactivate_agent(&acme.agent.id).unwrap();
    assert_eq!(active.status, AgentStatus::Active);
    assert_eq!(test.count(&acme.org.id, TOKENS_NOT_BEFORE), ended, "they stay ended");
    test.idp.token(&acme.request()).unwrap();
    test.finish();
}

fn a_suspended_agent_can_be_seen_and_changed(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.suspend_agent(&acme.agent.id).unwrap();
    let changes = AgentChanges::new().name("renamed");
    let changed = org.update_agent(&acme.agent.id, &changes).unwrap();
    assert_eq!((changed.name.as_str(), changed.status), ("renamed", AgentStatus::Suspended));
    let credentials = org.list_credentials(&acme.agent.id, &PageRequest::first()).unwrap();
    assert_eq!(credentials.items[0].status, CredentialStatus::Active);
    let id = &credentials.items[0].id;
    let revoked = org.revoke_credential(id, RevokeTokens::No).unwrap();
    assert_eq!(revoked.status, CredentialStatus::Revoked);
    test.finish();
}

fn a_decommissioned_agent_is_gone_for_good(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let key = super::public_keys::jwk().to_string();
    org.add_public_key(&acme.agent.id, NewCredential::public_key(&key)).unwrap();
    assert_eq!(test.count(&acme.org.id, SEALED_KEYS), 1);
    let gone = org.decommission_agent(&acme.agent.id).unwrap();
    assert_eq!(gone.status, AgentStatus::Decommissioned);
    assert_eq!(test.count(&acme.org.id, SEALED_KEYS), 0, "its private key is destroyed");
    assert_eq!(test.count(&globex.org.id, SEALED_KEYS), 1);
    assert!(org.agent_keys(&gone.id).unwrap().is_empty());
    assert!(test.count(&acme.org.id, TOKENS_NOT_BEFORE) > 0);
    assert_eq!(test.idp.token(&acme.request()).unwrap_err().code(), ErrorCode::InvalidClient);
    let credentials = org.list_credentials(&gone.id, &PageRequest::first()).unwrap().items;
    assert_eq!(credentials.len(), 2);
    assert!(credentials.iter().all(|own| own.status == CredentialStatus::Revoked));
    // There is no way back, and no way on.
    for refused in [
        org.suspend_agent(&gone.id),
        org.reactivate_agent(&gone.id),
        org.update_agent(&gone.id, &AgentChanges::new().name("back")),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, AgentError::Decommissioned));
        assert_eq!(refused.code(), ErrorCode::Decommissioned);
    }
    let rotated = org.rotate_agent_keys(&gone.id, std::time::Duration::ZERO);
    assert!(matches!(rotated, Err(AgentError::NotActive)));
    let rotated = org.rotate_credential(&credentials[0].id, std::time::Duration::ZERO);
    assert!(matches!(rotated, Err(CredentialError::NotActive)));
    assert_eq!(org.agent(&gone.id).unwrap(), gone, "it can still be seen");
    test.finish();
}

fn a_token_from_just_after_an_end_dies_with_the_next_one(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let now = test.idp.org(&acme.org.id).get().unwrap().created_at;
    // Two machines whose clocks say the same, or the second's less.
    for between in [0, -1_000_000] {
        test.clock.set(agentidp_core::Timestamp::from_micros(now.as_micros() + 60_000_000));
        org.suspend_agent(&acme.agent.id).unwrap();
        org.reactivate_agent(&acme.agent.id).unwrap();
        let token = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
        test.idp.on_behalf_of(&token).unwrap();
        let earlier = now.as_micros() + 60_000_000 + between;
        test.clock.set(agentidp_core::Timestamp::from_micros(earlier));
        org.suspend_agent(&acme.agent.id).unwrap();
        org.reactivate_agent(&acme.agent.id).unwrap();
        assert!(matches!(test.idp.on_behalf_of(&token), Err(AccessError::NotActive)), "{between}");
    }
    test.finish();
}

fn who_has_no_role_does_not_touch_an_owner(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let scopes = ["agents:write", "credentials:write", "tools:read", "openid"];
    let manager = scopes.into_iter().fold(NewAgent::new("manager"), NewAgent::scope);
    let manager = org.register_agent(manager).unwrap();
    let secret = org.issue_credential(&manager.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&manager.id, secret.secret());
    let token = test.idp.token(&request).unwrap().access_token;
    let bearer = test.idp.on_behalf_of(&token).unwrap().org(&acme.org.id);
    // A plain member may be managed by scope; an owner may not.
    org.add_member(&acme.agent.id, Role::Member).unwrap();
    bearer.suspend_agent(&acme.agent.id).unwrap();
    bearer.reactivate_agent(&acme.agent.id).unwrap();
    org.set_member_role(&acme.agent.id, Role::Owner).unwrap();
    let denied = |code: ErrorCode| assert_eq!(code, ErrorCode::Forbidden);
    denied(bearer.suspend_agent(&acme.agent.id).unwrap_err().code());
    denied(bearer.decommission_agent(&acme.agent.id).unwrap_err().code());
    let changes = AgentChanges::new().name("renamed");
    denied(bearer.update_agent(&acme.agent.id, &changes).unwrap_err().code());
    let credential = &acme.credential.credential().id;
    denied(bearer.revoke_credential(credential, RevokeTokens::No).unwrap_err().code());
    assert_eq!(org.agent(&acme.agent.id).unwrap().status, AgentStatus::Active);
    test.idp.token(&acme.request()).unwrap();
    test.finish();
}

fn asking_twice_changes_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.reactivate_agent(&acme.agent.id).unwrap();
    assert_eq!(test.trail(&acme.org.id).len(), 3);
    for (first, second) in [
        (org.suspend_agent(&acme.agent.id), org.suspend_agent(&acme.agent.id)),
        (org.decommission_agent(&acme.agent.id), org.decommission_agent(&acme.agent.id)),
    ] {
        assert_eq!(first.unwrap(), second.unwrap());
    }
    let trail = test.trail(&acme.org.id);
    assert_eq!(trail[3..], ["agent.suspended Success", "agent.decommissioned Success"]);
    assert_eq!(test.count(&acme.org.id, LIVE), 0);
    test.finish();
}

fn a_foreign_agent_is_not_touched(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let foreign = test.idp.org(&globex.org.id);
    let before = (test.trail(&acme.org.id), test.trail(&globex.org.id));
    for refused in [
        foreign.suspend_agent(&acme.agent.id),
        foreign.reactivate_agent(&acme.agent.id),
        foreign.decommission_agent(&acme.agent.id),
        foreign.agent_keys(&acme.agent.id).map(|_| globex.agent.clone()),
        foreign
            .rotate_agent_keys(&acme.agent.id, std::time::Duration::ZERO)
            .map(|_| globex.agent.clone()),
        foreign
            .add_agent_key(&acme.agent.id, super::public_keys::PEM)
            .map(|_| globex.agent.clone()),
    ] {
        assert!(matches!(refused, Err(AgentError::NotFound)));
    }
    assert_eq!((test.trail(&acme.org.id), test.trail(&globex.org.id)), before);
    test.idp.token(&acme.request()).unwrap();
    assert_eq!(test.idp.org(&acme.org.id).agent_keys(&acme.agent.id).unwrap().len(), 1);
    test.finish();
}

fn who_may_not_change_agents_changes_no_status(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let reader = bearer(&test, &acme.org.id, &["agents:read"]);
    let writer = bearer(&test, &acme.org.id, &["agents:write"]);
    let org = reader.org(&acme.org.id);
    for denied in [org.suspend_agent(&acme.agent.id), org.decommission_agent(&acme.agent.id)] {
        assert!(matches!(denied, Err(AgentError::Denied(Denied::ScopeMissing("agents:write")))));
    }
    let foreign = writer.org(&globex.org.id).suspend_agent(&globex.agent.id);
    assert!(matches!(foreign, Err(AgentError::NotFound)));
    let org = writer.org(&acme.org.id);
    org.suspend_agent(&acme.agent.id).unwrap();
    org.reactivate_agent(&acme.agent.id).unwrap();
    org.decommission_agent(&acme.agent.id).unwrap();
    let page = test.idp.org(&acme.org.id).audit(&PageRequest::first().limit(500)).unwrap();
    assert!(page.items.last().unwrap().actor.is_some());
    test.finish();
}

fn suspending_is_told_at_the_next_use_of_a_token(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let agent = org.register_agent(NewAgent::new("x").scope("agents:read")).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&agent.id, credential.secret()).resource(ISSUER);
    let token = test.idp.token(&request).unwrap().access_token;
    let admitted = test.idp.on_behalf_of(&token).unwrap();
    admitted.org(&acme.org.id).agent(&agent.id).unwrap();
    org.suspend_agent(&agent.id).unwrap();
    let denied = admitted.org(&acme.org.id).agent(&agent.id);
    assert!(matches!(denied, Err(AgentError::Denied(Denied::NotActive))));
    assert!(matches!(test.idp.on_behalf_of(&token), Err(AccessError::NotActive)));
    test.finish();
}

fn a_place_is_free_again_after_decommissioning(engine: Engine) {
    let test = engine.idp();
    let small = test.idp.create_org(NewOrg::new("small").max_agents(1)).unwrap();
    let org = test.idp.org(&small.id);
    let one = org.register_agent(NewAgent::new("one")).unwrap();
    org.suspend_agent(&one.id).unwrap();
    let two = org.register_agent(NewAgent::new("two"));
    assert!(matches!(two, Err(AgentError::LimitReached(1))), "a suspended agent keeps its place");
    org.decommission_agent(&one.id).unwrap();
    org.register_agent(NewAgent::new("two")).unwrap();
    test.finish();
}

fn places_are_counted_right_when_many_come_and_go(engine: Engine) {
    let test = engine.idp();
    let small = test.idp.create_org(NewOrg::new("small").max_agents(4)).unwrap();
    let org = test.idp.org(&small.id);
    let shared: Vec<AgentId> =
        (0..2).map(|n| org.register_agent(NewAgent::new(format!("{n}"))).unwrap().id).collect();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (org, shared) = (test.idp.org(&small.id), &shared);
            scope.spawn(move || {
                // Everybody decommissions the shared ones, of which each frees one place, once.
                org.decommission_agent(&shared[n % 2]).unwrap();
                for _ in 0..3 {
                    if let Ok(agent) = org.register_agent(NewAgent::new("x")) {
                        org.decommission_agent(&agent.id).unwrap();
                    }
                }
                let _ = org.register_agent(NewAgent::new("stays"));
            });
        }
    });
    assert_eq!(test.count(&small.id, LIVE), 4);
    test.finish();
}

fn every_change_of_status_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let status = |test: &TestIdp| test.idp.org(&acme.org.id).agent(&acme.agent.id).unwrap().status;
    let verb = |_| {
        let changed = match test.store.aside(|| status(&test)) {
            AgentStatus::Active => org.suspend_agent(&acme.agent.id),
            _ => org.reactivate_agent(&acme.agent.id),
        };
        changed.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        let trail = test.trail(&acme.org.id);
        let told =
            successes_in(&trail, "agent.suspended") + successes_in(&trail, "agent.reactivated");
        assert_eq!(told, successes);
        let active = successes % 2 == 0;
        assert_eq!(status(test) == AgentStatus::Active, active);
    });
    let agents: Vec<AgentId> =
        (0..60).map(|n| org.register_agent(NewAgent::new(format!("{n}"))).unwrap().id).collect();
    let live = test.count(&acme.org.id, LIVE);
    let mut next = agents.iter();
    let verb = |_| {
        let ended = org.decommission_agent(next.next().unwrap());
        ended.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(live - test.count(&acme.org.id, LIVE), successes as i64);
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.decommissioned"), successes);
    });
    test.finish();
}
