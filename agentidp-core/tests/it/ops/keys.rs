//! The life of the instance's keys, step by step.

use std::time::Duration;

use agentidp_core::jose::parse_compact;
use agentidp_core::store::{Scope, Store, StoreError};
use agentidp_core::{
    Alg, Config, Database, Denied, ErrorCode, Idp, KekSource, KeyEvent, KeyPolicy, KeyPurpose,
    KeyRotation, KeyState, OrgId, SigningKey, SigningKeyError,
};
use agentidp_testkit::{API, Tenant, TestIdp};

use super::Engine;
use super::authority::bearer;
use super::faults::successes_in;

super::on_every_engine!(
    a_new_instance_lists_its_keys,
    a_rotation_publishes_then_signs_then_removes,
    keys_turn_on_schedule,
    a_rotation_in_a_hurry_signs_at_once,
    a_key_that_signed_and_is_revoked_has_a_successor_at_once,
    a_revoked_key_is_noticed_by_other_processes,
    a_process_admits_nobody_by_keys_that_are_too_old,
    a_stale_process_does_not_sign_with_a_key_that_retired,
    the_key_of_the_audit_log_stays_and_that_of_documents_turns_by_command,
    keys_are_managed_by_whoever_may,
    so_many_keys_are_published_and_no_more,
    too_many_retired_keys_do_not_close_the_instance,
    an_algorithm_is_added_on_demand,
    a_clock_set_back_resurrects_nothing,
    processes_that_tick_at_once_take_each_step_once,
);

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(super) const ES256: KeyRotation = KeyRotation::tokens(Alg::Es256);

/// The keys for ES256 tokens, the oldest first.
pub(super) fn es256(idp: &Idp) -> Vec<SigningKey> {
    let mut keys = idp.keys().unwrap();
    keys.retain(|key| key.purpose == KeyPurpose::Token && key.alg == Alg::Es256);
    keys
}

pub(super) fn states(idp: &Idp) -> Vec<KeyState> {
    es256(idp).iter().map(|key| key.state).collect()
}

pub(super) fn current(idp: &Idp) -> String {
    let key = es256(idp).into_iter().find(|key| key.state == KeyState::Current);
    key.expect("a current key").kid
}

fn published(idp: &Idp, kid: &str) -> bool {
    idp.jwks().keys().iter().any(|key| key.kid() == Some(kid))
}

/// A token, and the key that signed it.
pub(super) fn issue(idp: &Idp, tenant: &Tenant) -> (String, String) {
    let token = idp.token(&tenant.request()).expect("a token").access_token;
    let kid = parse_compact(&token).unwrap().header().kid().unwrap().to_owned();
    (token, kid)
}

pub(super) fn verifies(idp: &Idp, token: &str) -> bool {
    idp.verifier().verify_access_token(token, API).is_ok()
}

/// The events about keys in the trail of the instance, without those of its making.
pub(super) fn told(test: &TestIdp) -> Vec<String> {
    let mut trail = test.trail(&OrgId::system());
    trail.retain(|entry| entry.starts_with("key."));
    trail
}

pub(super) fn config(test: &TestIdp) -> Config {
    Config::new(Database::Opened(test.store.clone()))
        .kek(KekSource::file(test.kek_path()))
        .clock(test.clock.clone())
}

fn a_new_instance_lists_its_keys(engine: Engine) {
    let test = engine.idp();
    let keys = test.idp.keys().unwrap();
    let mut kinds: Vec<_> = keys.iter().map(|key| (key.purpose, key.alg, key.state)).collect();
    kinds.sort();
    let current = |purpose, alg| (purpose, alg, KeyState::Current);
    let expected = [
        current(KeyPurpose::Token, Alg::Es256),
        current(KeyPurpose::Token, Alg::EdDsa),
        current(KeyPurpose::Document, Alg::Es256),
        current(KeyPurpose::Audit, Alg::EdDsa),
    ];
    assert_eq!(kinds, expected);
    assert!(keys.iter().all(|key| key.current_at == Some(key.created_at)));
    let of_tokens = |key: &&SigningKey| key.purpose == KeyPurpose::Token;
    let tokens: Vec<_> = keys.iter().filter(of_tokens).map(|key| key.kid.as_str()).collect();
    let jwks = test.idp.jwks();
    assert_eq!(jwks.keys().iter().filter_map(|key| key.kid()).collect::<Vec<_>>(), tokens);
    assert!(test.idp.tick().unwrap().keys.is_empty());
    test.finish();
}

fn a_rotation_publishes_then_signs_then_removes(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let old = current(&test.idp);
    let next = test.idp.rotate_key(ES256).unwrap();
    assert_eq!((next.key.state, &next.retired), (KeyState::Next, &None));
    assert_eq!(next.signs_from, next.key.created_at.plus(DAY));
    assert!(published(&test.idp, &next.key.kid) && published(&test.reopen(), &next.key.kid));
    assert_eq!(issue(&test.idp, &acme).1, old);

    // Asked again it is the same key, and no tick hurries it.
    test.clock.step(23 * HOUR);
    let again = test.idp.rotate_key(ES256).unwrap();
    assert_eq!((&again.key, again.signs_from), (&next.key, next.signs_from));
    assert!(test.idp.tick().unwrap().keys.is_empty());
    let (before, kid) = issue(&test.idp, &acme);
    assert_eq!(kid, old);

    test.clock.step(HOUR);
    let done = test.idp.tick().unwrap().keys;
    let done: Vec<_> = done.iter().map(|change| (change.kid.as_str(), change.event)).collect();
    let new = next.key.kid.as_str();
    assert_eq!(done, [(old.as_str(), KeyEvent::Retired), (new, KeyEvent::Rotated)]);
    assert_eq!(issue(&test.idp, &acme).1, new);
    assert!(verifies(&test.idp, &before) && published(&test.idp, &old));

    // For as long as a token of it may live, and not longer.
    test.clock.step(DAY);
    assert!(test.idp.tick().unwrap().keys.is_empty() && published(&test.idp, &old));
    test.clock.step(2 * HOUR);
    assert_eq!(test.idp.tick().unwrap().keys[0].event, KeyEvent::Removed);
    assert!(!published(&test.idp, &old));
    assert_eq!(states(&test.idp), [KeyState::Current]);
    let expected = ["key.created", "key.retired", "key.rotated", "key.removed"];
    assert_eq!(told(&test), expected.map(|event| format!("{event} Success")));
    assert!(!test.trail(&acme.org.id).iter().any(|entry| entry.starts_with("key.")));
    test.finish();
}

fn keys_turn_on_schedule(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let policy = KeyPolicy::default().rotate_every(10 * DAY).publish_before(2 * DAY);
    let idp = Idp::open_existing(config(&test).key_policy(policy)).unwrap();
    let old = current(&idp);
    test.clock.step(8 * DAY - HOUR);
    assert!(idp.tick().unwrap().keys.is_empty());
    test.clock.step(HOUR);
    let made = idp.tick().unwrap().keys;
    assert!(made.iter().all(|change| change.event == KeyEvent::Created));
    assert_eq!(made.len(), 2, "one for each algorithm");
    assert_eq!(issue(&idp, &acme).1, old);
    test.clock.step(2 * DAY);
    assert_eq!(idp.tick().unwrap().keys.len(), 4);
    assert!(idp.tick().unwrap().keys.is_empty());
    let (_, kid) = issue(&idp, &acme);
    assert!(made.iter().any(|change| change.kid == kid), "and it signs");
    assert_ne!(kid, old);
    assert_eq!(told_as_early(&test), [] as [&str; 0], "it is in time");

    let bad = KeyPolicy::default().publish_before(Duration::from_secs(60));
    let refused = Idp::open_existing(config(&test).key_policy(bad)).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ConfigInvalid);
    test.finish();
}

fn a_rotation_in_a_hurry_signs_at_once(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (token, old) = issue(&test.idp, &acme);
    let made = test.idp.rotate_key(ES256.now()).unwrap();
    assert_eq!((made.key.state, made.retired), (KeyState::Current, Some(old)));
    assert_eq!(issue(&test.idp, &acme).1, made.key.kid);
    assert!(verifies(&test.idp, &token), "what retired is no less valid");
    // One that is published already is not made again.
    let next = test.idp.rotate_key(ES256).unwrap().key;
    let promoted = test.idp.rotate_key(ES256.now()).unwrap();
    assert_eq!((&promoted.key.kid, promoted.key.state), (&next.kid, KeyState::Current));
    assert_eq!(states(&test.idp), [KeyState::Retired, KeyState::Retired, KeyState::Current]);
    assert_eq!(told_as_early(&test), ["key.rotated", "key.rotated"]);
    test.finish();
}

/// The types of the entries that tell of a key which signs before it was published for long enough.
fn told_as_early(test: &TestIdp) -> Vec<String> {
    let page = test.idp.org(&OrgId::system()).audit(&Default::default()).unwrap();
    let mut early = page.items;
    early.retain(|entry| entry.data.get("early").is_some());
    early.into_iter().map(|entry| entry.event_type).collect()
}

fn a_key_that_signed_and_is_revoked_has_a_successor_at_once(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    for with_next in [false, true] {
        let next = with_next.then(|| test.idp.rotate_key(ES256).unwrap().key.kid);
        let (token, old) = issue(&test.idp, &acme);
        let revoked = test.idp.revoke_key(&old).unwrap();
        assert_eq!((&revoked.key.kid, revoked.key.state), (&old, KeyState::Revoked));
        let successor = revoked.successor.unwrap();
        assert_eq!(successor.state, KeyState::Current);
        assert_eq!(next.unwrap_or_else(|| successor.kid.clone()), successor.kid);
        assert!(!published(&test.idp, &old) && !published(&test.reopen(), &old));
        assert!(!verifies(&test.idp, &token));
        let (token, kid) = issue(&test.idp, &acme);
        assert_eq!(kid, successor.kid);
        assert!(verifies(&test.idp, &token) && verifies(&test.reopen(), &token));
        // Whoever is not sure that it worked may say it again.
        let again = test.idp.revoke_key(&old).unwrap();
        assert_eq!((again.key.state, again.successor), (KeyState::Revoked, None));
    }
    // Keys that do not sign have no successor.
    let next = test.idp.rotate_key(ES256).unwrap().key.kid;
    assert_eq!(test.idp.revoke_key(&next).unwrap().successor, None);
    assert_eq!(private_halves_of_revoked_keys(&test), 0);
    assert!(matches!(test.idp.revoke_key("nobody's"), Err(SigningKeyError::NotFound)));
    assert_eq!(successes_in(&told(&test), "key.revoked"), 3);
    test.clock.step(2 * DAY);
    let removed = test.idp.tick().unwrap().keys;
    assert_eq!(removed.len(), 3);
    assert!(removed.iter().all(|change| change.event == KeyEvent::Removed));
    assert_eq!(states(&test.idp), [KeyState::Current]);
    test.finish();
}

const PRIVATE_HALVES: &str = "SELECT COUNT(*) FROM signing_keys
    WHERE state = 'revoked' AND sealed_private_key IS NOT NULL";

fn private_halves_of_revoked_keys(test: &TestIdp) -> i64 {
    let store: &dyn Store = &*test.store;
    let mut count = -1;
    let read = store.read::<_, StoreError>(&Scope::Instance, |tx| {
        tx.query(PRIVATE_HALVES, &[], &mut |row| {
            count = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    count
}

fn a_revoked_key_is_noticed_by_other_processes(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let for_us = acme.request().resource(agentidp_testkit::ISSUER);
    let token = test.idp.token(&for_us).unwrap().access_token;
    let (others, kid) = issue(&test.idp, &acme);
    let [asked, ticked] = [test.reopen(), test.reopen()];
    let kept = asked.verifier();
    assert!(asked.on_behalf_of(&token).is_ok());
    test.idp.revoke_key(&kid).unwrap();
    ticked.tick().unwrap();
    assert!(!verifies(&ticked, &others), "a tick notices at once");
    test.clock.step(agentidp_core::base::limits::KEYS_STALE_MAX);
    assert!(!verifies(&asked, &others) && !published(&asked, &kid));
    assert_eq!(asked.on_behalf_of(&token).unwrap_err().code(), ErrorCode::InvalidToken);
    assert!(kept.verify_access_token(&others, API).is_ok(), "a verifier is that of its moment");
    test.finish();
}

/// Whatever it is asked first: nothing that was asked before has read the keys anew.
fn a_process_admits_nobody_by_keys_that_are_too_old(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let request = acme.request().resource(agentidp_testkit::ISSUER).scope("openid");
    let token = test.idp.token(&request).unwrap().access_token;
    let [asked, other] = [test.reopen(), test.reopen()];
    test.idp.revoke_key(&current(&test.idp)).unwrap();
    test.clock.step(agentidp_core::base::limits::KEYS_STALE_MAX);
    assert_eq!(asked.on_behalf_of(&token).unwrap_err().code(), ErrorCode::InvalidToken);
    assert_eq!(other.agent_info(&token).unwrap_err().code(), ErrorCode::InvalidToken);
    test.finish();
}

fn a_stale_process_does_not_sign_with_a_key_that_retired(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let stale = test.reopen();
    for turn in [
        |idp: &Idp| drop(idp.rotate_key(ES256.now()).unwrap()),
        |idp: &Idp| {
            drop(idp.revoke_key(&current(idp)).unwrap());
        },
    ] {
        let (_, old) = issue(&stale, &acme);
        turn(&test.idp);
        let (token, kid) = issue(&stale, &acme);
        assert_eq!(kid, current(&test.idp));
        assert_ne!(kid, old);
        assert!(verifies(&stale, &token) && verifies(&test.idp, &token));
    }
    test.finish();
}

fn the_key_of_the_audit_log_stays_and_that_of_documents_turns_by_command(engine: Engine) {
    let test = engine.idp();
    let find = |purpose, state| {
        let keys = test.idp.keys().unwrap();
        keys.into_iter().find(|key| key.purpose == purpose && key.state == state).unwrap()
    };
    let log = find(KeyPurpose::Audit, KeyState::Current);
    let rotated = test.idp.rotate_key(KeyRotation::of(KeyPurpose::Audit, Alg::EdDsa).now());
    let revoked = test.idp.revoke_key(&log.kid);
    for refused in [rotated.map(|_| ()).unwrap_err(), revoked.map(|_| ()).unwrap_err()] {
        assert_eq!(refused.code(), ErrorCode::InvalidInput);
        assert!(refused.to_string().starts_with("the key of the audit log cannot be"), "{refused}");
    }
    assert_eq!(told(&test), ["key.rotated Refused", "key.revoked Refused"]);

    let documents = KeyRotation::of(KeyPurpose::Document, Alg::Es256);
    let old = find(KeyPurpose::Document, KeyState::Current);
    let next = test.idp.rotate_key(documents).unwrap().key;
    assert!(!published(&test.idp, &next.kid), "the key set is that of tokens");
    test.clock.step(DAY);
    test.idp.tick().unwrap();
    assert_eq!(find(KeyPurpose::Document, KeyState::Current).kid, next.kid);
    // Nobody knows how long a document is believed.
    test.clock.step(300 * DAY);
    test.idp.tick().unwrap();
    assert_eq!(find(KeyPurpose::Document, KeyState::Retired).kid, old.kid);
    test.finish();
}

fn keys_are_managed_by_whoever_may(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let manager = bearer(&test, &OrgId::system(), &["admin:keys"]);
    assert_eq!(manager.keys().unwrap(), test.idp.keys().unwrap());
    let made = manager.rotate_key(ES256).unwrap().key;
    manager.revoke_key(&made.kid).unwrap();
    manager.tick().unwrap();
    let page = test.idp.org(&OrgId::system()).audit(&Default::default()).unwrap();
    let last = page.items.iter().rfind(|entry| entry.event_type == "key.revoked").unwrap();
    assert!(last.actor.is_some(), "it is told who did it");

    // A key is published: who may not rotate is not told of it, nor of why the log's stays.
    test.idp.rotate_key(ES256).unwrap();
    let of_the_log = KeyRotation::of(KeyPurpose::Audit, Alg::EdDsa);
    let before = told(&test);
    for other in [
        bearer(&test, &OrgId::system(), &["admin:orgs"]),
        bearer(&test, &acme.org.id, &["agents:read"]),
        bearer(&test, &globex.org.id, &["keys:read"]),
    ] {
        let kid = current(&test.idp);
        for denied in [
            other.keys().map(|_| ()),
            other.rotate_key(ES256).map(|_| ()),
            other.rotate_key(of_the_log).map(|_| ()),
            other.revoke_key(&kid).map(|_| ()),
            other.revoke_key("nobody's").map(|_| ()),
            other.tick().map(|_| ()),
        ] {
            let denied = denied.unwrap_err();
            let missing = Denied::ScopeMissing("admin:keys");
            assert!(matches!(&denied, SigningKeyError::Denied(why) if *why == missing), "{denied}");
        }
    }
    assert_eq!(told(&test), before);
    // A token of a revoked key ends the leave that it gave.
    test.idp.revoke_key(&current(&test.idp)).unwrap();
    test.finish();
}

fn so_many_keys_are_published_and_no_more(engine: Engine) {
    let test = engine.idp();
    let mut rotations = 0;
    let refused = loop {
        match test.idp.rotate_key(ES256.now()) {
            Ok(_) => rotations += 1,
            Err(refused) => break refused,
        }
        assert!(rotations < 100, "there is an end");
    };
    assert_eq!(test.idp.jwks().keys().len(), agentidp_core::base::limits::PUBLISHED_KEYS_MAX);
    assert_eq!(refused.code(), ErrorCode::LimitReached);
    assert_eq!(told(&test).last().unwrap(), "key.rotated Refused");
    // An emergency is not refused, and the schedule goes on when there is room again.
    test.idp.revoke_key(&current(&test.idp)).unwrap();
    test.clock.step(2 * DAY);
    assert_eq!(test.idp.tick().unwrap().keys.len(), rotations + 1);
    test.idp.rotate_key(ES256.now()).unwrap();
    test.finish();
}

const HIDE: &str = "UPDATE signing_keys SET state = 'revoked'
    WHERE ?1 <> '' AND state = 'retired'";
const SHOW: &str = "UPDATE signing_keys SET state = 'retired'
    WHERE ?1 <> '' AND state = 'revoked'";

fn too_many_retired_keys_do_not_close_the_instance(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (oldest, _) = issue(&test.idp, &acme);
    let store: &dyn Store = &*test.store;
    let run = |sql| {
        let system = Scope::Org(OrgId::system());
        store.write::<_, StoreError>("test", &system, |tx| tx.execute(sql, &[])).unwrap()
    };
    // No verb makes so many: the test hides from it what there is.
    for _ in 0..3 {
        for _ in 0..25 {
            test.idp.rotate_key(ES256.now()).unwrap();
        }
        run(HIDE);
    }
    let (newest, kid) = issue(&test.idp, &acme);
    assert_eq!(run(SHOW), 75);
    let idp = test.reopen();
    assert_eq!(idp.jwks().keys().len(), 64);
    assert!(published(&idp, &kid) && verifies(&idp, &newest));
    // As old as the oldest, and it signs.
    let is_eddsa = |key: &SigningKey| key.purpose == KeyPurpose::Token && key.alg == Alg::EdDsa;
    let eddsa = idp.keys().unwrap().into_iter().find(is_eddsa).unwrap();
    assert!(eddsa.state == KeyState::Current && published(&idp, &eddsa.kid));
    assert!(!verifies(&idp, &oldest), "what is left out is not believed");
    idp.token(&acme.request()).unwrap();
    test.finish();
}

fn an_algorithm_is_added_on_demand(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let rs256 = KeyRotation::tokens(Alg::Rs256);
    if !agentidp_core::CryptoProvider::default_provider().algs().contains(&Alg::Rs256) {
        let unsupported = test.idp.rotate_key(rs256).unwrap_err();
        assert!(matches!(unsupported, SigningKeyError::Unsupported(Alg::Rs256)));
        let refused = Idp::open_existing(config(&test).token_alg(Alg::Rs256)).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ConfigInvalid);
        return;
    }
    let alg_of = |token: &str| parse_compact(token).unwrap().header().alg().to_owned();
    // Opened with another algorithm, an instance publishes its key and goes on with ES256 until then.
    let idp = Idp::open_existing(config(&test).token_alg(Alg::Rs256)).unwrap();
    assert_eq!(idp.jwks().keys().len(), 3);
    assert_eq!(alg_of(&issue(&idp, &acme).0), "ES256");
    let _again = Idp::open_existing(config(&test).token_alg(Alg::Rs256)).unwrap();
    assert_eq!(told(&test), ["key.created Success"], "once");
    test.clock.step(DAY);
    assert_eq!(test.idp.tick().unwrap().keys.len(), 1);
    // The other process notices by the keys it is asked for, or at the latest here.
    let (by_another, _) = issue(&idp, &acme);
    idp.tick().unwrap();
    let response = idp.token(&acme.request().scope("openid tools:read")).unwrap();
    let token = response.access_token;
    assert_eq!((alg_of(&token).as_str(), alg_of(&by_another).as_str()), ("RS256", "ES256"));
    for handle in [&idp, &test.idp, &test.reopen()] {
        assert!(verifies(handle, &token) && verifies(handle, &by_another));
    }
    let id_token = response.id_token.unwrap();
    assert_eq!(alg_of(&id_token), "RS256");
    idp.verifier().verify_id_token(&id_token, acme.agent.id.as_str()).unwrap();
    test.finish();
}

fn a_clock_set_back_resurrects_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let start = agentidp_core::Clock::now(&*test.clock);
    let (first, revoked) = issue(&test.idp, &acme);
    test.idp.revoke_key(&revoked).unwrap();
    let (second, retired) = issue(&test.idp, &acme);
    test.idp.rotate_key(ES256.now()).unwrap();
    test.clock.step(2 * DAY);
    test.idp.tick().unwrap();
    let next = test.idp.rotate_key(ES256).unwrap().key.kid;
    // Signed while the clock was two days ahead.
    let (ahead, signed_ahead) = issue(&test.idp, &acme);
    test.clock.set(start);
    for idp in [&test.idp, &test.reopen()] {
        idp.tick().unwrap();
        assert!(!verifies(idp, &first) && !published(idp, &revoked));
        assert!(!verifies(idp, &second) && !published(idp, &retired), "removed and gone");
        assert_eq!(es256(idp).last().unwrap().kid, next, "what is published stays so");
    }
    // It retires by a clock that is behind; its last token expires by the one that was ahead.
    test.idp.rotate_key(ES256.now()).unwrap();
    test.clock.step(2 * DAY);
    test.idp.tick().unwrap();
    assert!(published(&test.idp, &signed_ahead) && verifies(&test.idp, &ahead));
    test.clock.step(2 * DAY);
    test.idp.tick().unwrap();
    assert!(!published(&test.idp, &signed_ahead));
    test.finish();
}

fn processes_that_tick_at_once_take_each_step_once(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let processes: Vec<Idp> = (0..6).map(|_| test.reopen()).collect();
    for expected in [2, 4] {
        test.clock.step(89 * DAY);
        let steps = std::thread::scope(|scope| {
            let ticks: Vec<_> = processes
                .iter()
                .map(|idp| {
                    let acme = &acme;
                    scope.spawn(move || {
                        idp.token(&acme.request()).unwrap();
                        let changes = idp.tick().unwrap().keys;
                        idp.token(&acme.request()).unwrap();
                        changes.len()
                    })
                })
                .collect();
            ticks.into_iter().map(|tick| tick.join().unwrap()).sum::<usize>()
        });
        assert_eq!(steps, expected);
    }
    assert_eq!(successes_in(&told(&test), "key.created"), 2);
    assert_eq!(successes_in(&told(&test), "key.rotated"), 2);
    test.finish();
}

#[test]
fn a_key_set_tells_what_is_public_and_keeps_the_length_of_coordinates() {
    let test = Engine::Memory.idp();
    let rs256 = test.idp.rotate_key(KeyRotation::tokens(Alg::Rs256)).is_ok();
    // One P-256 key in 128 has a coordinate that begins with a zero byte.
    let (provider, rng) =
        (agentidp_core::CryptoProvider::default_provider(), agentidp_core::SystemRng);
    let with_zero = (0..100_000).find_map(|_| {
        let private = provider.generate(Alg::Es256, &rng).unwrap();
        let jwk = provider.signer(&private).unwrap().public_key().to_jwk();
        jwk["x"].as_str().unwrap().starts_with("AA").then_some(jwk)
    });
    let mut set: serde_json::Value = serde_json::from_str(&test.idp.jwks().to_json()).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    assert_eq!(keys.len(), 2 + usize::from(rs256));
    keys.push(with_zero.expect("a key whose x begins with a zero"));
    let mut names = std::collections::HashSet::new();
    for key in keys {
        let public: &[&str] = match key["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            _ => &["alg", "e", "kid", "kty", "n", "use"],
        };
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, public);
        assert_eq!(key["use"], "sig");
        assert_eq!(key["alg"].as_str().and_then(Alg::parse).unwrap().as_str(), key["alg"]);
        assert!(names.insert(key["kid"].as_str().unwrap().to_owned()));
        let parsed = agentidp_core::jose::Jwk::parse(key.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.key().thumbprint(), key["kid"]);
        for coordinate in ["x", "y"].iter().filter_map(|name| key[name].as_str()) {
            assert_eq!(crate::common::decode(coordinate).len(), 32);
            assert!(!coordinate.contains(['=', '+', '/']));
        }
    }
    test.finish();
}

#[test]
fn a_tick_forgets_revoked_tokens_that_have_expired() {
    let test = Engine::Memory.idp();
    let acme = test.tenant("acme");
    let (token, _) = issue(&test.idp, &acme);
    assert!(test.idp.org(&acme.org.id).revoke_token(&token).unwrap());
    assert_eq!(test.idp.tick().unwrap().tokens_forgotten, 0);
    test.clock.step(2 * DAY);
    assert_eq!(test.idp.tick().unwrap().tokens_forgotten, 1);
    test.finish();
}

#[test]
fn a_rotation_tells_the_outbox_of_the_system() {
    let test = Engine::Memory.idp();
    super::outbox::subscribe(&test, &OrgId::system(), "key.rotated");
    test.idp.rotate_key(ES256.now()).unwrap();
    assert_eq!(super::outbox::deliveries(&test, &OrgId::system()), 1);
    test.finish();
}
