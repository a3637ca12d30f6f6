use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const TOKENS: KeyKind = KeyKind { purpose: KeyPurpose::Token, alg: Alg::Es256 };

fn start() -> Timestamp {
    Timestamp::from_seconds(1_795_316_400)
}

fn key(kid: &str, state: KeyState) -> SigningKey {
    SigningKey::made(kid.to_owned(), TOKENS, state, start())
}

#[test]
fn a_successor_is_published_in_time_and_signs_when_the_period_ends() {
    let policy = KeyPolicy::default();
    let mut keys = vec![key("a", KeyState::Current)];
    assert_eq!(due(&keys, &policy, start().plus(89 * DAY).minus(HOUR)), None);
    assert_eq!(due(&keys, &policy, start().plus(89 * DAY)), Some(KeyStep::Create(TOKENS)));
    let made = start().plus(89 * DAY);
    keys.push(SigningKey::made("b".to_owned(), TOKENS, KeyState::Next, made));
    assert_eq!(due(&keys, &policy, made.plus(DAY).minus(HOUR)), None);
    let promote =
        KeyStep::Promote { kid: "b".to_owned(), retires: Some("a".to_owned()), early: false };
    assert_eq!(due(&keys, &policy, made.plus(DAY)), Some(promote));
    // A clock that was set back makes nothing due.
    assert_eq!(due(&keys, &policy, start().minus(DAY)), None);
}

#[test]
fn a_retired_key_stays_until_the_last_token_under_its_lease_has_expired() {
    let policy = KeyPolicy::default();
    let mut retired = key("a", KeyState::Current);
    retired.state = KeyState::Retired;
    retired.signs_until = Some(start().plus(10 * DAY));
    // The clock was set back by days before it retired.
    retired.retired_at = Some(start().plus(2 * DAY));
    let gone = start().plus(11 * DAY).plus(Duration::from_secs(120));
    assert_eq!(retired.gone_at(), Some(gone));
    let keys = [key("b", KeyState::Current), retired];
    assert_eq!(due(&keys, &policy, gone.minus(Duration::from_micros(1))), None);
    assert_eq!(due(&keys, &policy, gone), Some(KeyStep::Remove { kid: "a".to_owned() }));
}

#[test]
fn a_key_stays_for_what_it_may_have_signed_and_for_as_long_after_it_retired() {
    let retention = limits::KEY_RETENTION;
    // It retires within its lease: the lease counts, from the moment that it was made or promoted.
    let made = key("a", KeyState::Current).retired(start().plus(Duration::from_secs(1)));
    let lease_ends = start().plus(limits::SIGNING_LEASE);
    assert_eq!(made.gone_at(), Some(lease_ends.plus(retention)));
    let promoted = key("b", KeyState::Next).promoted(start().plus(HOUR)).retired(start());
    assert_eq!(promoted.gone_at(), Some(lease_ends.plus(HOUR).plus(retention)));
    // It was not used for a while: the moment counts at which it retired or was revoked.
    let idle = key("a", KeyState::Current).retired(start().plus(DAY));
    assert_eq!(idle.gone_at(), Some(start().plus(DAY).plus(retention)));
    let revoked = key("a", KeyState::Current).revoked(start().plus(DAY));
    assert_eq!(revoked.gone_at(), Some(start().plus(DAY).plus(retention)));
    // It never signed.
    let unused = key("a", KeyState::Next).revoked(start());
    assert_eq!(unused.gone_at(), Some(start().plus(retention)));
    for waiting in [KeyState::Next, KeyState::Current] {
        assert_eq!(key("a", waiting).gone_at(), None);
    }
}

#[test]
fn no_successor_is_made_by_itself_where_there_is_no_room() {
    let policy = KeyPolicy::default();
    let mut keys = vec![key("a", KeyState::Current)];
    keys.extend((1..32).map(|n| key(&n.to_string(), KeyState::Retired)));
    let late = start().plus(90 * DAY);
    for retired in &mut keys[1..] {
        retired.retired_at = Some(late);
    }
    assert_eq!(due(&keys, &policy, late), None);
    assert_eq!(due(&keys[..31], &policy, late), Some(KeyStep::Create(TOKENS)));
}

#[test]
fn keys_of_documents_and_of_the_log_do_not_go_or_turn_by_themselves() {
    let policy = KeyPolicy::default();
    for purpose in [KeyPurpose::Document, KeyPurpose::Audit] {
        let mut current = key("a", KeyState::Current);
        current.purpose = purpose;
        assert_eq!(due(&[current], &policy, start().plus(1000 * DAY)), None);
    }
    let mut retired = key("a", KeyState::Retired);
    retired.purpose = KeyPurpose::Document;
    retired.retired_at = Some(start());
    assert_eq!(due(&[retired], &policy, start().plus(1000 * DAY)), None);
}

#[test]
fn a_rotation_publishes_then_waits_then_promotes() {
    let policy = KeyPolicy::default();
    let asked = KeyRotation::tokens(Alg::Es256);
    let mut keys = vec![key("a", KeyState::Current)];
    let step = |keys: &[SigningKey], asked, now| rotate(keys, asked, &policy, now).unwrap();
    assert_eq!(step(&keys, asked, start()), KeyTurn::Step(KeyStep::Create(TOKENS)));
    let retires = Some("a".to_owned());
    let replace = KeyStep::Replace { kind: TOKENS, retires: retires.clone() };
    assert_eq!(step(&keys, asked.now(), start()), KeyTurn::Step(replace));
    keys.push(key("b", KeyState::Next));
    let wait = KeyTurn::Wait { kid: "b".to_owned(), ready_at: start().plus(DAY) };
    assert_eq!(step(&keys, asked, start().plus(HOUR)), wait);
    let promote = |early| {
        KeyTurn::Step(KeyStep::Promote { kid: "b".to_owned(), retires: retires.clone(), early })
    };
    assert_eq!(step(&keys, asked.now(), start().plus(HOUR)), promote(true));
    assert_eq!(step(&keys, asked, start().plus(DAY)), promote(false));
    // The first key of an algorithm retires nobody, and waits like any other.
    let first = step(&keys, KeyRotation::tokens(Alg::Rs256), start());
    let kind = KeyKind { purpose: KeyPurpose::Token, alg: Alg::Rs256 };
    assert_eq!(first, KeyTurn::Step(KeyStep::Create(kind)));
}

#[test]
fn what_has_no_successor_is_refused() {
    let policy = KeyPolicy::default();
    let refused = |asked: KeyRotation| rotate(&[], asked, &policy, start()).unwrap_err();
    let audit = KeyRotation::of(KeyPurpose::Audit, Alg::EdDsa);
    assert_eq!(refused(audit), KeyRefusal::AuditKey);
    let document = KeyRotation::of(KeyPurpose::Document, Alg::EdDsa);
    assert_eq!(refused(document), KeyRefusal::DocumentAlg);
    let mut log = key("a", KeyState::Current);
    log.purpose = KeyPurpose::Audit;
    assert_eq!(revoke(&[], &log, &policy, start()), Err(KeyRefusal::AuditKey));
    let many: Vec<_> = (0..32).map(|n| key(&n.to_string(), KeyState::Retired)).collect();
    let asked = KeyRotation::tokens(Alg::Es256);
    assert_eq!(rotate(&many, asked, &policy, start()), Err(KeyRefusal::TooMany(32)));
    let mut revoked = many;
    revoked.iter_mut().for_each(|key| key.state = KeyState::Revoked);
    assert!(rotate(&revoked, asked, &policy, start()).is_ok());
}

#[test]
fn a_revoked_key_that_signed_has_a_successor_at_once() {
    let policy = KeyPolicy::default();
    let current = key("a", KeyState::Current);
    let next = key("b", KeyState::Next);
    let keys = [current.clone(), next.clone()];
    let early = Successor::Next { kid: "b".to_owned(), early: true };
    assert_eq!(revoke(&keys, &current, &policy, start()), Ok(early));
    let ready = Successor::Next { kid: "b".to_owned(), early: false };
    assert_eq!(revoke(&keys, &current, &policy, start().plus(DAY)), Ok(ready));
    assert_eq!(revoke(&keys[..1], &current, &policy, start()), Ok(Successor::New(TOKENS)));
    for state in [KeyState::Next, KeyState::Retired, KeyState::Revoked] {
        assert_eq!(revoke(&keys, &key("c", state), &policy, start()), Ok(Successor::Nobody));
    }
}

#[test]
fn a_policy_that_breaks_a_promise_is_refused() {
    let policy = KeyPolicy::default;
    assert!(policy().build().is_ok());
    assert!(policy().rotate_every(6 * HOUR).publish_before(HOUR).build().is_ok());
    for bad in [
        policy().publish_before(Duration::from_secs(899)),
        policy().publish_before(31 * DAY),
        policy().rotate_every(5 * HOUR).publish_before(HOUR),
        policy().rotate_every(DAY).publish_before(2 * DAY),
        policy().rotate_every(4000 * DAY),
    ] {
        assert!(bad.clone().build().is_err(), "{bad:?}");
    }
    assert!(limits::KEY_LEAD_MIN > limits::JWKS_AGE_MAX + limits::KEYS_STALE_MAX);
}
