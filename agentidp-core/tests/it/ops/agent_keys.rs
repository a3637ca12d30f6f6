//! Keys of agents: those that are held for them, and those that they hold.

use std::time::Duration;

use agentidp_core::{
    AgentChanges, AgentError, AgentKeyState, CredentialError, Custody, Denied, ErrorCode,
    NewCredential, OrgHandle, RevokeTokens, Role,
};
use agentidp_testkit::Tenant;

use super::authority::bearer;
use super::faults::{successes_in, sweep};
use super::{Engine, public_keys as keys};

super::on_every_engine!(
    a_rotated_key_is_published_until_its_time_is_over,
    a_key_that_an_agent_holds_is_registered_once,
    no_key_that_the_policy_refuses_is_stored,
    a_registered_key_counts_as_a_change_of_its_agent,
    an_agent_has_a_handful_of_keys,
    keys_that_an_agent_holds_make_no_room_in_a_rotation,
    a_key_that_is_ended_is_published_no_more_and_never_again,
    a_key_proves_an_agent_in_one_way,
    who_does_not_hold_an_agents_scopes_gives_it_no_key,
    who_has_no_role_ends_no_key_of_an_owner,
    rotations_at_once_leave_one_current_key,
    changes_of_keys_are_all_or_nothing,
);

const HOUR: Duration = Duration::from_secs(3600);
const SEALED: &str = "SELECT COUNT(*) FROM agent_keys
    WHERE organization_id = ?1 AND sealed_private_key IS NOT NULL";
const ALL: &str = "SELECT COUNT(*) FROM agent_keys WHERE organization_id = ?1";

fn kids(org: &OrgHandle, tenant: &Tenant, state: AgentKeyState) -> Vec<String> {
    let keys = org.agent_keys(&tenant.agent.id).unwrap();
    keys.into_iter().filter(|key| key.state == state).map(|key| key.kid).collect()
}

fn a_rotated_key_is_published_until_its_time_is_over(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let first = org.agent_keys(&acme.agent.id).unwrap().remove(0);
    assert_eq!((first.custody, first.state), (Custody::Custodial, AgentKeyState::Current));
    let before = org.agent(&acme.agent.id).unwrap();
    let second = org.rotate_agent_keys(&acme.agent.id, HOUR).unwrap();
    assert!(org.agent(&acme.agent.id).unwrap().version() > before.version());
    assert_eq!(kids(&org, &acme, AgentKeyState::Current).concat(), second.kid);
    assert_eq!(kids(&org, &acme, AgentKeyState::Retired).concat(), first.kid);
    let retired = org.agent_keys(&acme.agent.id).unwrap().remove(0);
    assert_eq!(retired.expires_at, Some(second.created_at.plus(HOUR)));
    assert_eq!(retired.public_key, first.public_key, "what it signed can still be verified");
    assert_eq!(test.count(&acme.org.id, SEALED), 1, "the old private key is destroyed");
    test.clock.step(HOUR);
    assert_eq!(kids(&org, &acme, AgentKeyState::Retired), [] as [String; 0]);
    // The next rotation forgets it, and one without overlap publishes nothing but the new one.
    let third = org.rotate_agent_keys(&acme.agent.id, Duration::ZERO).unwrap();
    assert_eq!(org.agent_keys(&acme.agent.id).unwrap(), [third]);
    assert_eq!(test.count(&acme.org.id, ALL), 2);
    assert_eq!(test.count(&globex.org.id, ALL), 1);
    assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.keys_rotated"), 2);
    let too_long = org.rotate_agent_keys(&acme.agent.id, Duration::from_secs(91 * 24 * 3600));
    assert_eq!(too_long.unwrap_err().code(), ErrorCode::InvalidInput);
    test.finish();
}

fn a_key_that_an_agent_holds_is_registered_once(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let key = org.add_agent_key(&acme.agent.id, keys::PEM).unwrap();
    assert_eq!((key.kid.as_str(), key.custody), (keys::PEM_KID, Custody::HeldByAgent));
    let again =
        org.add_agent_key(&acme.agent.id, &key.public_key.to_jwk().to_string()).unwrap_err();
    assert!(matches!(&again, AgentError::KeyKnown(kid) if kid == keys::PEM_KID));
    assert_eq!(again.code(), ErrorCode::AlreadyExists);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.key_added Refused");
    // Another organization's agent may have the same: whose it is nobody is told.
    test.idp.org(&globex.org.id).add_agent_key(&globex.agent.id, keys::PEM).unwrap();
    // Rotating is about the key that is held here.
    org.rotate_agent_keys(&acme.agent.id, HOUR).unwrap();
    let published = org.agent_keys(&acme.agent.id).unwrap();
    let held = published.iter().find(|own| own.kid == keys::PEM_KID).unwrap();
    assert_eq!((held.state, held.expires_at), (AgentKeyState::Current, None));
    let told = serde_json::to_value(held).unwrap();
    assert_eq!(told["custody"], "held_by_agent");
    assert_eq!(told["jwk"]["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    test.finish();
}

fn no_key_that_the_policy_refuses_is_stored(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let before = test.trail(&acme.org.id);
    for (what, key) in keys::refused() {
        let refused = org.add_agent_key(&acme.agent.id, &key).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidKey, "{what}");
        assert!(!refused.to_string().contains("nWGxne"), "{refused}");
    }
    assert_eq!(test.count(&acme.org.id, ALL), 1);
    assert_eq!(test.trail(&acme.org.id), before);
    test.finish();
}

fn a_registered_key_counts_as_a_change_of_its_agent(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let read = org.agent(&acme.agent.id).unwrap();
    org.add_agent_key(&acme.agent.id, keys::PEM).unwrap();
    let changed = org.agent(&acme.agent.id).unwrap();
    assert!(changed.version() > read.version() && changed.updated_at > read.updated_at);
    let late = AgentChanges::new().name("late").expected_version(read.version());
    let late = org.update_agent(&acme.agent.id, &late);
    assert!(matches!(late, Err(AgentError::VersionConflict { .. })), "{late:?}");
    assert!(org.add_agent_key(&acme.agent.id, keys::PEM).is_err());
    let refused = org.agent(&acme.agent.id).unwrap();
    assert_eq!(refused.version(), changed.version(), "what is refused changes nothing");
    test.finish();
}

fn an_agent_has_a_handful_of_keys(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for _ in 0..9 {
        org.add_agent_key(&acme.agent.id, &keys::jwk().to_string()).unwrap();
    }
    let full = org.add_agent_key(&acme.agent.id, keys::PEM).unwrap_err();
    assert!(matches!(full, AgentError::KeysFull(10)));
    assert_eq!(full.code(), ErrorCode::LimitReached);
    let overlapping = org.rotate_agent_keys(&acme.agent.id, HOUR);
    assert!(matches!(overlapping, Err(AgentError::KeysFull(10))));
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.keys_rotated Refused");
    org.rotate_agent_keys(&acme.agent.id, Duration::ZERO).unwrap();
    assert_eq!(org.agent_keys(&acme.agent.id).unwrap().len(), 10);
    test.finish();
}

fn keys_that_an_agent_holds_make_no_room_in_a_rotation(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let custodial = kids(&org, &acme, AgentKeyState::Current).concat();
    org.revoke_agent_key(&acme.agent.id, &custodial).unwrap();
    for _ in 0..10 {
        org.add_agent_key(&acme.agent.id, &keys::jwk().to_string()).unwrap();
    }
    // Nothing retires: there is none to be replaced.
    let full = org.rotate_agent_keys(&acme.agent.id, Duration::ZERO);
    assert!(matches!(full, Err(AgentError::KeysFull(10))));
    assert_eq!(org.agent_keys(&acme.agent.id).unwrap().len(), 10);
    test.finish();
}

fn a_key_that_is_ended_is_published_no_more_and_never_again(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let others = test.idp.org(&globex.org.id);
    others.add_agent_key(&globex.agent.id, keys::PEM).unwrap();
    org.add_agent_key(&acme.agent.id, keys::PEM).unwrap();
    for _ in 0..8 {
        org.add_agent_key(&acme.agent.id, &keys::jwk().to_string()).unwrap();
    }
    let before = org.agent(&acme.agent.id).unwrap().version();
    org.revoke_agent_key(&acme.agent.id, keys::PEM_KID).unwrap();
    assert!(org.agent(&acme.agent.id).unwrap().version() > before);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.key_revoked Success");
    let published = org.agent_keys(&acme.agent.id).unwrap();
    assert!(published.iter().all(|key| key.kid != keys::PEM_KID));
    assert_eq!(others.agent_keys(&globex.agent.id).unwrap().len(), 2, "another's stays");
    // Its place is free, and not for itself.
    let back = org.add_agent_key(&acme.agent.id, keys::PEM);
    assert!(matches!(back, Err(AgentError::KeyKnown(_))));
    org.rotate_agent_keys(&acme.agent.id, HOUR).unwrap();
    for kid in [keys::PEM_KID, "nobodys", "\0", ""] {
        let gone = org.revoke_agent_key(&acme.agent.id, kid).unwrap_err();
        assert_eq!(
            (gone.code(), gone.to_string()),
            (ErrorCode::NotFound, "the agent has no such key".to_owned())
        );
    }
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.key_revoked Refused");
    // One that is held here loses its private half, and the next rotation makes another.
    let held = org.agent_keys(&acme.agent.id).unwrap();
    let held = held.iter().filter(|key| key.custody == Custody::Custodial);
    for key in held {
        org.revoke_agent_key(&acme.agent.id, &key.kid).unwrap();
    }
    assert_eq!(test.count(&acme.org.id, SEALED), 0);
    org.rotate_agent_keys(&acme.agent.id, HOUR).unwrap();
    assert_eq!(test.count(&acme.org.id, SEALED), 1);
    let reader = bearer(&test, &acme.org.id, &["agents:read"]);
    let denied = reader.org(&acme.org.id).revoke_agent_key(&acme.agent.id, keys::PEM_KID);
    assert!(matches!(denied, Err(AgentError::Denied(Denied::ScopeMissing("agents:write")))));
    test.finish();
}

/// Or whoever ends it in one way would think that it is over.
fn a_key_proves_an_agent_in_one_way(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let issue = |key| org.add_public_key(&acme.agent.id, NewCredential::public_key(key));
    org.add_agent_key(&acme.agent.id, keys::PEM).unwrap();
    assert!(matches!(issue(keys::PEM), Err(CredentialError::KeyKnown(_))));
    org.revoke_agent_key(&acme.agent.id, keys::PEM_KID).unwrap();
    assert!(matches!(issue(keys::PEM), Err(CredentialError::KeyKnown(_))), "it ended for good");
    let jwk = keys::jwk().to_string();
    let credential = issue(&jwk).unwrap();
    assert!(matches!(org.add_agent_key(&acme.agent.id, &jwk), Err(AgentError::KeyKnown(_))));
    org.revoke_credential(&credential.id, RevokeTokens::No).unwrap();
    org.add_agent_key(&acme.agent.id, &jwk).unwrap();
    test.finish();
}

fn who_does_not_hold_an_agents_scopes_gives_it_no_key(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let writer = bearer(&test, &acme.org.id, &["agents:write"]);
    let org = writer.org(&acme.org.id);
    let refused = org.add_agent_key(&acme.agent.id, keys::PEM);
    assert!(matches!(refused, Err(AgentError::Denied(Denied::ScopesNotHeld))));
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "access.denied Refused");
    // The key that is held here gives nobody anything.
    org.rotate_agent_keys(&acme.agent.id, HOUR).unwrap();
    assert!(matches!(org.agent_keys(&acme.agent.id), Err(AgentError::Denied(_))));
    let reader = bearer(&test, &acme.org.id, &["agents:read"]);
    assert_eq!(reader.org(&acme.org.id).agent_keys(&acme.agent.id).unwrap().len(), 2);
    let denied = reader.org(&acme.org.id).rotate_agent_keys(&acme.agent.id, HOUR);
    assert!(matches!(denied, Err(AgentError::Denied(Denied::ScopeMissing("agents:write")))));
    let foreign = writer.org(&globex.org.id);
    assert!(matches!(foreign.rotate_agent_keys(&globex.agent.id, HOUR), Err(AgentError::NotFound)));
    test.finish();
}

fn who_has_no_role_ends_no_key_of_an_owner(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    org.add_agent_key(&acme.agent.id, keys::PEM).unwrap();
    org.add_member(&acme.agent.id, Role::Owner).unwrap();
    let before = org.agent_keys(&acme.agent.id).unwrap();
    let writer = bearer(&test, &acme.org.id, &["agents:write"]).org(&acme.org.id);
    for key in &before {
        let denied = writer.revoke_agent_key(&acme.agent.id, &key.kid).unwrap_err();
        assert!(matches!(denied, AgentError::Denied(Denied::RoleMissing)), "{denied}");
        assert_eq!(denied.code(), ErrorCode::Forbidden);
        assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.key_revoked Refused");
    }
    for overlap in [Duration::ZERO, HOUR] {
        let denied = writer.rotate_agent_keys(&acme.agent.id, overlap).unwrap_err();
        assert!(matches!(denied, AgentError::Denied(Denied::RoleMissing)), "{denied}");
        assert_eq!(test.trail(&acme.org.id).last().unwrap(), "agent.keys_rotated Refused");
    }
    assert_eq!(org.agent_keys(&acme.agent.id).unwrap(), before);
    // A plain member may be managed by scope.
    let member = org.register_agent(agentidp_core::NewAgent::new("member")).unwrap().id;
    org.add_member(&member, Role::Member).unwrap();
    let key = org.add_agent_key(&member, &keys::jwk().to_string()).unwrap();
    writer.revoke_agent_key(&member, &key.kid).unwrap();
    test.finish();
}

fn rotations_at_once_leave_one_current_key(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    std::thread::scope(|scope| {
        for _ in 0..12 {
            let (org, id) = (test.idp.org(&acme.org.id), &acme.agent.id);
            scope.spawn(move || {
                let _ = org.rotate_agent_keys(id, HOUR);
            });
        }
    });
    let org = test.idp.org(&acme.org.id);
    assert_eq!(kids(&org, &acme, AgentKeyState::Current).len(), 1);
    assert_eq!(org.agent_keys(&acme.agent.id).unwrap().len(), 10, "never more than the limit");
    test.finish();
}

fn changes_of_keys_are_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let verb = |_| {
        let rotated = org.rotate_agent_keys(&acme.agent.id, Duration::ZERO);
        rotated.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.keys_rotated"), successes);
        assert_eq!(test.idp.org(&acme.org.id).agent_keys(&acme.agent.id).unwrap().len(), 1);
    });
    let agents: Vec<_> = (0..8)
        .map(|n| org.register_agent(agentidp_core::NewAgent::new(format!("{n}"))).unwrap().id)
        .collect();
    let mut next = agents.iter().cycle();
    let verb = |_| {
        let agent = next.next().unwrap();
        let added = org.add_agent_key(agent, &keys::jwk().to_string());
        added.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.key_added"), successes);
    });
    let mut published: Vec<_> =
        agents.iter().flat_map(|agent| org.agent_keys(agent).unwrap()).collect();
    let verb = |_| {
        let key = published.last().unwrap();
        let ended = org.revoke_agent_key(&key.agent_id, &key.kid);
        published.truncate(published.len() - usize::from(ended.is_ok()));
        ended.map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.key_revoked"), successes);
    });
    test.finish();
}
