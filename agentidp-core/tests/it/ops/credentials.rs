//! Listing, rotating and revoking credentials, and public keys instead of secrets.

use std::time::Duration;

use agentidp_core::{
    CredentialError, CredentialId, CredentialKind, CredentialStatus, Cursor, Denied, ErrorCode,
    NewAgent, NewCredential, OrgHandle, PageRequest, RevokeTokens, Role, SystemClock, SystemRng,
    TokenRequest,
};
use agentidp_testkit::{Tenant, TestIdp};

use super::authority::bearer;
use super::faults::{successes_in, sweep};
use super::members::agent_with;
use super::{Engine, public_keys as keys};

super::on_every_engine!(
    credentials_are_listed_in_pages_and_without_their_secrets,
    a_new_credential_counts_as_a_change_of_its_agent,
    a_rotated_secret_works_beside_the_new_one_until_the_overlap_ends,
    a_replaced_secret_is_over_also_where_it_was_seen_before,
    a_rotation_keeps_within_the_limit_on_live_secrets,
    what_is_over_or_no_secret_is_not_rotated,
    a_revoked_secret_is_refused_at_once,
    revoking_twice_changes_nothing_and_tokens_may_end_with_it,
    a_public_key_proves_nothing_as_a_secret,
    a_public_key_is_an_agents_once,
    an_agent_with_all_its_secrets_still_gets_a_public_key,
    no_public_key_that_the_policy_refuses_is_stored,
    a_foreign_credential_is_not_touched,
    a_credential_is_that_of_its_agent_alone,
    a_bearer_needs_leave_and_the_agents_scopes,
    nobody_ends_the_secret_of_a_mightier_member_and_the_log_is_told,
    rotations_at_once_never_exceed_the_limit,
    changes_of_credentials_are_all_or_nothing,
    what_expires_soon_is_counted_for_all_organizations,
);

const HOUR: Duration = Duration::from_secs(3600);
const TOKENS_NOT_BEFORE: &str =
    "SELECT COALESCE(MAX(tokens_not_before), 0) FROM agents WHERE organization_id = ?1";
const LIVE_SECRETS: &str = "SELECT COUNT(*) FROM credentials
    WHERE organization_id = ?1 AND kind = 'secret' AND status = 'active'";

/// Whether the agent gets a token by this secret.
fn works(test: &TestIdp, tenant: &Tenant, secret: &str) -> bool {
    let request = TokenRequest::client_credentials(&tenant.agent.id, secret);
    test.idp.token(&request).is_ok()
}

fn issue(org: &OrgHandle, tenant: &Tenant) -> agentidp_core::IssuedCredential {
    org.issue_credential(&tenant.agent.id, NewCredential::default()).unwrap()
}

fn credentials_are_listed_in_pages_and_without_their_secrets(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let mut made = vec![acme.credential.credential().clone()];
    made.push(issue(&org, &acme).credential().clone());
    let key = NewCredential::public_key(keys::PEM).expires_in(HOUR);
    made.push(org.add_public_key(&acme.agent.id, key).unwrap());
    let first = org.list_credentials(&acme.agent.id, &PageRequest::first().limit(2)).unwrap();
    let rest = PageRequest::first().limit(2).after(first.next_cursor.unwrap());
    let rest = org.list_credentials(&acme.agent.id, &rest).unwrap();
    assert!(rest.next_cursor.is_none());
    assert_eq!([first.items, rest.items].concat(), made);
    let full = org.list_credentials(&acme.agent.id, &PageRequest::first().limit(3)).unwrap();
    assert_eq!((full.items.len(), full.next_cursor), (3, None), "a full last page");
    let told = serde_json::to_value(&made[2]).unwrap();
    assert_eq!((&told["kind"], &told["kid"]), (&"public_key".into(), &keys::PEM_KID.into()));
    assert!(!serde_json::to_string(&made).unwrap().contains("aidp_"));
    assert_eq!(org.credential(&made[2].id).unwrap(), made[2]);
    let other = test.idp.org(&globex.org.id);
    let own = other.list_credentials(&globex.agent.id, &PageRequest::first()).unwrap().items;
    assert_eq!(own, [globex.credential.credential().clone()]);
    let foreign = other.list_credentials(&acme.agent.id, &PageRequest::first());
    assert!(matches!(foreign, Err(CredentialError::NotFound)));
    assert!(matches!(other.credential(&made[0].id), Err(CredentialError::NotFound)));
    let nonsense = PageRequest::first().after(Cursor::new("nonsense"));
    let refused = org.list_credentials(&acme.agent.id, &nonsense).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidInput);
    test.finish();
}

fn a_new_credential_counts_as_a_change_of_its_agent(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let read = || org.agent(&acme.agent.id).unwrap();
    let before = read();
    issue(&org, &acme);
    let between = read();
    assert!(between.version() > before.version() && between.updated_at > before.updated_at);
    org.add_public_key(&acme.agent.id, NewCredential::public_key(keys::PEM)).unwrap();
    let after = read();
    assert!(after.version() > between.version() && after.updated_at > between.updated_at);
    test.finish();
}

fn a_rotated_secret_works_beside_the_new_one_until_the_overlap_ends(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let old = acme.credential.credential();
    let new = org.rotate_credential(&old.id, HOUR).unwrap();
    test.canary(new.secret());
    assert_eq!((new.credential().expires_at, &new.credential().client_id), (None, &acme.agent.id));
    assert!(works(&test, &acme, acme.credential.secret()));
    assert!(works(&test, &acme, new.secret()));
    test.clock.step(HOUR);
    assert!(!works(&test, &acme, acme.credential.secret()));
    assert!(works(&test, &acme, new.secret()));
    // Without overlap the old one is over at once; the new one lives as long as it was made to.
    let day = 24 * HOUR;
    let short = NewCredential::default().expires_in(day);
    let short = org.issue_credential(&acme.agent.id, short).unwrap();
    test.clock.step(HOUR);
    let next = org.rotate_credential(&short.credential().id, Duration::ZERO).unwrap();
    let created = next.credential().created_at;
    assert_eq!(next.credential().expires_at, Some(created.plus(day)));
    assert!(!works(&test, &acme, short.secret()) && works(&test, &acme, next.secret()));
    // An overlap never makes an old one live longer than it would.
    let long = org.rotate_credential(&next.credential().id, 2 * day).unwrap();
    test.clock.step(day);
    assert!(!works(&test, &acme, next.secret()));
    assert!(!works(&test, &acme, long.secret()), "a day old by now");
    assert_eq!(successes_in(&test.trail(&acme.org.id), "credential.rotated"), 3);
    let too_long = org.rotate_credential(&new.credential().id, 91 * day);
    assert_eq!(too_long.unwrap_err().code(), ErrorCode::InvalidInput);
    test.finish();
}

fn a_replaced_secret_is_over_also_where_it_was_seen_before(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let other = test.reopen();
    let mut newest = issue(&test.idp.org(&acme.org.id), &acme);
    for idp in [&test.idp, &other] {
        assert!(works(&test, &acme, newest.secret()), "and it is kept warm");
        let org = idp.org(&acme.org.id);
        let next = org.rotate_credential(&newest.credential().id, Duration::ZERO).unwrap();
        assert!(!works(&test, &acme, newest.secret()));
        newest = next;
        assert!(works(&test, &acme, newest.secret()));
    }
    test.finish();
}

fn a_rotation_keeps_within_the_limit_on_live_secrets(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for _ in 0..4 {
        issue(&org, &acme);
    }
    let old = &acme.credential.credential().id;
    let refused = org.rotate_credential(old, HOUR).unwrap_err();
    assert!(matches!(refused, CredentialError::LimitReached(5)));
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "credential.rotated Refused");
    assert!(works(&test, &acme, acme.credential.secret()), "the old one is as it was");
    org.rotate_credential(old, Duration::ZERO).unwrap();
    test.finish();
}

fn what_is_over_or_no_secret_is_not_rotated(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let short = NewCredential::default().expires_in(Duration::from_secs(1));
    let expired = org.issue_credential(&acme.agent.id, short).unwrap();
    test.clock.step(HOUR);
    let expired = &expired.credential().id;
    assert!(matches!(org.rotate_credential(expired, HOUR), Err(CredentialError::Over)));
    assert_eq!(org.credential(expired).unwrap().status, CredentialStatus::Expired);
    let listed = org.list_credentials(&acme.agent.id, &PageRequest::first()).unwrap().items;
    let statuses: Vec<_> = listed.iter().map(|own| own.status).collect();
    assert_eq!(statuses, [CredentialStatus::Active, CredentialStatus::Expired]);
    let ended = org.revoke_credential(expired, RevokeTokens::No).unwrap();
    assert_eq!(ended.status, CredentialStatus::Revoked);
    let revoked = issue(&org, &acme).credential().id.clone();
    org.revoke_credential(&revoked, RevokeTokens::No).unwrap();
    assert!(matches!(org.rotate_credential(&revoked, HOUR), Err(CredentialError::Over)));
    let key = NewCredential::public_key(keys::PEM);
    let key = org.add_public_key(&acme.agent.id, key).unwrap();
    assert!(matches!(org.rotate_credential(&key.id, HOUR), Err(CredentialError::NotASecret)));
    let missing = CredentialId::generate(&SystemClock, &SystemRng).unwrap();
    assert!(matches!(org.rotate_credential(&missing, HOUR), Err(CredentialError::NotFound)));
    test.finish();
}

fn a_revoked_secret_is_refused_at_once(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let other = test.reopen();
    let second = issue(&test.idp.org(&acme.org.id), &acme);
    assert!(works(&test, &acme, acme.credential.secret()), "and it is kept warm");
    let id = &acme.credential.credential().id;
    let revoked = other.org(&acme.org.id).revoke_credential(id, RevokeTokens::No).unwrap();
    assert_eq!(revoked.status, CredentialStatus::Revoked);
    assert!(!works(&test, &acme, acme.credential.secret()));
    assert!(works(&test, &acme, second.secret()));
    assert_eq!(test.count(&acme.org.id, TOKENS_NOT_BEFORE), 0, "its tokens live on");
    test.finish();
}

fn revoking_twice_changes_nothing_and_tokens_may_end_with_it(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let id = &acme.credential.credential().id;
    let first = org.revoke_credential(id, RevokeTokens::No).unwrap();
    let before = (org.agent(&acme.agent.id).unwrap(), test.trail(&acme.org.id));
    assert_eq!(org.revoke_credential(id, RevokeTokens::No).unwrap(), first);
    assert_eq!((org.agent(&acme.agent.id).unwrap(), test.trail(&acme.org.id)), before);
    // The tokens are another matter: they may have been issued since, by another credential.
    assert_eq!(org.revoke_credential(id, RevokeTokens::Yes).unwrap(), first);
    let ended = test.count(&acme.org.id, TOKENS_NOT_BEFORE);
    let now = org.agent(&acme.agent.id).unwrap().updated_at.as_micros();
    assert_eq!(
        ended - now,
        i64::try_from(agentidp_core::base::limits::TOKENS_END_MARGIN.as_micros()).unwrap()
    );
    assert_eq!(test.count(&globex.org.id, TOKENS_NOT_BEFORE), 0);
    let page = org.audit(&PageRequest::first()).unwrap();
    let told: Vec<_> =
        page.items.iter().filter(|entry| entry.event_type == "credential.revoked").collect();
    assert_eq!((told.len(), &told[1].data["tokens"]), (2, &true.into()));
    let missing = CredentialId::generate(&SystemClock, &SystemRng).unwrap();
    let refused = org.revoke_credential(&missing, RevokeTokens::Yes);
    assert!(matches!(refused, Err(CredentialError::NotFound)));
    test.finish();
}

fn a_public_key_proves_nothing_as_a_secret(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let text = keys::jwk().to_string();
    let key = org.add_public_key(&acme.agent.id, NewCredential::public_key(&text)).unwrap();
    assert_eq!((key.kind, key.status), (CredentialKind::PublicKey, CredentialStatus::Active));
    for secret in [text.as_str(), key.id.as_str(), key.kid.as_deref().unwrap(), ""] {
        assert!(!works(&test, &acme, secret), "{secret}");
    }
    assert!(works(&test, &acme, acme.credential.secret()));
    test.finish();
}

fn a_public_key_is_an_agents_once(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let add = |org: &OrgHandle, tenant: &Tenant| {
        org.add_public_key(&tenant.agent.id, NewCredential::public_key(keys::PEM))
    };
    let key = add(&org, &acme).unwrap();
    assert_eq!(key.kid.as_deref(), Some(keys::PEM_KID));
    let again = add(&org, &acme).unwrap_err();
    assert!(matches!(&again, CredentialError::KeyKnown(kid) if kid == keys::PEM_KID));
    assert_eq!(again.code(), ErrorCode::AlreadyExists);
    add(&test.idp.org(&globex.org.id), &globex).unwrap();
    org.revoke_credential(&key.id, RevokeTokens::No).unwrap();
    add(&org, &acme).unwrap();
    for _ in 0..9 {
        let key = keys::jwk().to_string();
        org.add_public_key(&acme.agent.id, NewCredential::public_key(&key)).unwrap();
    }
    let key = keys::jwk().to_string();
    let full = org.add_public_key(&acme.agent.id, NewCredential::public_key(&key));
    assert!(matches!(full, Err(CredentialError::KeysFull(10))));
    issue(&org, &acme);
    test.finish();
}

fn an_agent_with_all_its_secrets_still_gets_a_public_key(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    for _ in 0..4 {
        issue(&org, &acme);
    }
    let sixth = org.issue_credential(&acme.agent.id, NewCredential::default());
    assert!(matches!(sixth, Err(CredentialError::LimitReached(5))));
    org.add_public_key(&acme.agent.id, NewCredential::public_key(keys::PEM)).unwrap();
    test.finish();
}

fn no_public_key_that_the_policy_refuses_is_stored(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let before = test.trail(&acme.org.id);
    for (what, key) in keys::refused() {
        let new = NewCredential::public_key(&key);
        assert!(!format!("{new:?}").contains("nWGxne"), "{new:?}");
        let refused = org.add_public_key(&acme.agent.id, new).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidKey, "{what}");
    }
    let page = org.list_credentials(&acme.agent.id, &PageRequest::first()).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(test.trail(&acme.org.id), before);
    test.finish();
}

fn a_foreign_credential_is_not_touched(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let foreign = test.idp.org(&globex.org.id);
    let before = (test.trail(&acme.org.id), test.trail(&globex.org.id));
    let id = &acme.credential.credential().id;
    assert!(matches!(foreign.rotate_credential(id, HOUR), Err(CredentialError::NotFound)));
    for tokens in [RevokeTokens::Yes, RevokeTokens::No] {
        let revoked = foreign.revoke_credential(id, tokens);
        assert!(matches!(revoked, Err(CredentialError::NotFound)));
    }
    let key = NewCredential::public_key(keys::PEM);
    let added = foreign.add_public_key(&acme.agent.id, key);
    assert!(matches!(added, Err(CredentialError::NotFound)));
    assert_eq!((test.trail(&acme.org.id), test.trail(&globex.org.id)), before);
    assert!(works(&test, &acme, acme.credential.secret()));
    assert_eq!(test.count(&acme.org.id, TOKENS_NOT_BEFORE), 0);
    test.finish();
}

fn a_bearer_needs_leave_and_the_agents_scopes(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let id = &acme.credential.credential().id;
    let reader = bearer(&test, &acme.org.id, &["credentials:read"]);
    let org = reader.org(&acme.org.id);
    assert_eq!(org.list_credentials(&acme.agent.id, &PageRequest::first()).unwrap().items.len(), 1);
    let missing = "credentials:write";
    for denied in [
        org.rotate_credential(id, HOUR).map(|_| ()),
        org.revoke_credential(id, RevokeTokens::No).map(|_| ()),
        org.add_public_key(&acme.agent.id, NewCredential::public_key(keys::PEM)).map(|_| ()),
    ] {
        let denied = denied.unwrap_err();
        assert!(matches!(denied, CredentialError::Denied(Denied::ScopeMissing(s)) if s == missing));
    }
    let writer = bearer(&test, &acme.org.id, &["credentials:write"]);
    let org = writer.org(&acme.org.id);
    let listed = org.list_credentials(&acme.agent.id, &PageRequest::first());
    assert!(matches!(listed, Err(CredentialError::Denied(_))));
    assert!(matches!(org.credential(id), Err(CredentialError::Denied(_))));
    // A new proof of being the agent is as good as the agent's scopes.
    for denied in [
        org.rotate_credential(id, HOUR).map(|_| ()),
        org.add_public_key(&acme.agent.id, NewCredential::public_key(keys::PEM)).map(|_| ()),
    ] {
        assert!(matches!(denied, Err(CredentialError::Denied(Denied::ScopesNotHeld))));
    }
    let tokens = org.revoke_credential(id, RevokeTokens::Yes);
    let needed = Denied::ScopeMissing("tokens:revoke");
    assert!(matches!(tokens, Err(CredentialError::Denied(denied)) if denied == needed));
    assert!(works(&test, &acme, acme.credential.secret()));
    let foreign = writer.org(&globex.org.id);
    let foreign = foreign.revoke_credential(&globex.credential.credential().id, RevokeTokens::No);
    assert!(matches!(foreign, Err(CredentialError::NotFound)));
    org.revoke_credential(id, RevokeTokens::No).unwrap();
    let all = bearer(&test, &acme.org.id, &["credentials:write", "tokens:revoke"]);
    all.org(&acme.org.id).revoke_credential(id, RevokeTokens::Yes).unwrap();
    test.finish();
}

fn nobody_ends_the_secret_of_a_mightier_member_and_the_log_is_told(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.org(&acme.org.id).add_member(&acme.agent.id, Role::Owner).unwrap();
    let (_, idp) = agent_with(&test, &acme.org.id, &["credentials:write"], None);
    let id = &acme.credential.credential().id;
    let refused = idp.org(&acme.org.id).revoke_credential(id, RevokeTokens::No);
    assert!(matches!(refused, Err(CredentialError::Denied(Denied::RoleMissing))), "{refused:?}");
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "credential.revoked Refused");
    assert!(works(&test, &acme, acme.credential.secret()));
    test.finish();
}

fn rotations_at_once_never_exceed_the_limit(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let id = acme.credential.credential().id.clone();
    let rotated = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..10)
            .map(|_| {
                let (org, id) = (test.idp.org(&acme.org.id), id.clone());
                scope.spawn(move || org.rotate_credential(&id, HOUR).is_ok())
            })
            .collect();
        callers.into_iter().map(|c| c.join().unwrap()).filter(|rotated| *rotated).count()
    });
    assert_eq!(rotated, 4);
    assert_eq!(test.count(&acme.org.id, LIVE_SECRETS), 5);
    test.finish();
}

fn changes_of_credentials_are_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let mut newest = acme.credential.credential().id.clone();
    let verb = |_| match org.rotate_credential(&newest, Duration::ZERO) {
        Ok(issued) => {
            newest = issued.credential().id.clone();
            Ok(())
        }
        Err(error) => Err(error.code()),
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "credential.rotated"), successes);
    });
    let agents: Vec<_> =
        (0..12).map(|n| org.register_agent(NewAgent::new(format!("{n}"))).unwrap().id).collect();
    let mut next = agents.iter().cycle();
    let verb = |_| {
        let key = NewCredential::public_key(&keys::jwk().to_string());
        let added = org.add_public_key(next.next().unwrap(), key);
        added.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |_, _| {});
    let mut made = Vec::new();
    for agent in &agents {
        for _ in 0..4 {
            let issued = org.issue_credential(agent, NewCredential::default()).unwrap();
            made.push(issued.credential().id.clone());
        }
    }
    let mut next = made.iter();
    let verb = |_| {
        let revoked = org.revoke_credential(next.next().unwrap(), RevokeTokens::Yes);
        revoked.map(drop).map_err(|error| error.code())
    };
    let live = test.count(&acme.org.id, LIVE_SECRETS);
    sweep(&test, verb, |test, successes| {
        assert_eq!(live - test.count(&acme.org.id, LIVE_SECRETS), successes as i64);
    });
    test.finish();
}

fn a_credential_is_that_of_its_agent_alone(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let org = test.idp.org(&acme.org.id);
    let other = org.register_agent(NewAgent::new("other")).unwrap().id;
    let own = &acme.credential.credential().id;
    org.check_credential(&acme.agent.id, own).unwrap();
    for (agent, credential) in [
        (&other, own),
        (&globex.agent.id, own),
        (&globex.agent.id, &globex.credential.credential().id),
    ] {
        let checked = org.check_credential(agent, credential);
        assert!(matches!(checked, Err(CredentialError::NotFound)), "{checked:?}");
    }
    test.finish();
}

fn what_expires_soon_is_counted_for_all_organizations(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let week = 7 * 24 * HOUR;
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 0, "those made so far never expire");
    let mut made = Vec::new();
    for (tenant, life) in [(&acme, HOUR), (&acme, week), (&globex, HOUR), (&globex, week + HOUR)] {
        let new = NewCredential::default().expires_in(life);
        let org = test.idp.org(&tenant.org.id);
        let issued = org.issue_credential(&tenant.agent.id, new).unwrap();
        made.push(issued.credential().id.clone());
    }
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 3);
    assert_eq!(test.idp.credentials_expiring(2 * week).unwrap(), 4);
    let org = test.idp.org(&acme.org.id);
    org.revoke_credential(&made[0], RevokeTokens::No).unwrap();
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 2, "what is revoked expires no more");
    test.clock.step(2 * HOUR);
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 2, "one expired, one has come near");
    test.idp.org(&globex.org.id).suspend().unwrap();
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 2, "a suspended one may come back");
    test.idp.org(&globex.org.id).delete().unwrap();
    assert_eq!(test.idp.credentials_expiring(week).unwrap(), 1);
    let theirs = bearer(&test, &acme.org.id, &["agents:read", "credentials:read"]);
    assert!(theirs.credentials_expiring(week).is_err(), "an organization learns nothing of others");
    test.finish();
}
