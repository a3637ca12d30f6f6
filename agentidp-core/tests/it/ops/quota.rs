//! Month quotas: never exceeded, whoever issues, and only what was issued is counted.

use std::time::Duration;

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{
    AgentId, ErrorCode, Idp, Month, NewAgent, NewCredential, NewOrg, Org, OrgId, PageRequest,
    RevokeTokens, TokenError, TokenRequest,
};
use agentidp_testkit::{Fault, TestIdp};

use super::Engine;
use super::faults::{successes_in, sweep};
use super::token_life::change;

super::on_every_engine!(
    many_callers_of_several_handles_get_exactly_as_many_tokens_as_there_are,
    a_month_begins_anew,
    a_month_begins_without_what_was_set_aside_for_the_one_before,
    what_was_set_aside_for_too_long_is_returned_with_the_next_token,
    what_was_refused_is_not_counted,
    a_limit_that_is_changed_counts_at_once,
    the_log_is_told_of_a_full_quota_once_a_minute,
    a_full_quota_hides_no_client_that_is_none_any_more,
    a_failed_issuance_is_not_counted,
    a_token_that_may_have_been_issued_is_counted_at_most_once,
    what_a_handle_set_aside_comes_back,
    what_a_dead_process_had_set_aside_is_lost_and_never_exceeded,
    tidying_is_all_or_nothing,
    usage_is_told_to_the_organization_s_own_agents,
);

/// An organization that may issue `limit` tokens a month, and a request of its agent.
struct Limited {
    org: Org,
    client_id: String,
    secret: String,
}

impl Limited {
    fn new(test: &TestIdp, slug: &str, limit: i64) -> Limited {
        let org = test.idp.create_org(NewOrg::new(slug).max_tokens_per_month(limit)).unwrap();
        let handle = test.idp.org(&org.id);
        let agent = handle.register_agent(NewAgent::new("bot").scope("tools:read")).unwrap();
        let credential = handle.issue_credential(&agent.id, NewCredential::default()).unwrap();
        let secret = credential.secret().to_owned();
        Limited { org, client_id: agent.id.to_string(), secret }
    }

    fn request(&self) -> TokenRequest {
        TokenRequest::client_credentials(&self.client_id, self.secret.as_str())
    }

    /// As many tokens as `idp` gives until it says that there are no more.
    fn exhaust(&self, idp: &Idp) -> usize {
        for issued in 0.. {
            assert!(issued < 1000, "there is no limit");
            match idp.token(&self.request()) {
                Ok(_) => {}
                Err(TokenError::QuotaExceeded { .. }) => return issued,
                Err(error) => panic!("{error:?}"),
            }
        }
        0
    }

    fn issued(&self, test: &TestIdp) -> i64 {
        test.idp.org(&self.org.id).usage().unwrap().issued
    }
}

/// What is stored: issued or set aside by whomever.
fn counted(test: &TestIdp, organization: &OrgId, month: i64) -> i64 {
    const COUNTED: &str = "SELECT COALESCE(
            (SELECT issued FROM token_usage WHERE organization_id = ?1 AND month = ?2), 0)
        + (SELECT COUNT(*) FROM audit_logs l
             WHERE l.log_number = h.log_number AND l.seq >= h.size AND l.counted_in = ?2)
        FROM audit_heads h WHERE h.organization_id = ?1";
    let store: &dyn Store = &*test.store;
    let mut counted = 0;
    let scope = Scope::Org(organization.clone());
    let read = store.read::<_, StoreError>(&scope, |tx| {
        tx.query(COUNTED, &[Value::Int(month)], &mut |row| {
            counted = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    counted
}

fn many_callers_of_several_handles_get_exactly_as_many_tokens_as_there_are(engine: Engine) {
    const LIMIT: i64 = 40;
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", LIMIT);
    let globex = Limited::new(&test, "globex", 5);
    let others = [test.reopen(), test.reopen()];
    let issued: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..9)
            .map(|n| {
                let idp = [&test.idp, &others[0], &others[1]][n % 3];
                let acme = &acme;
                scope.spawn(move || (0..10).filter(|_| idp.token(&acme.request()).is_ok()).count())
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(issued as i64 <= LIMIT, "{issued}");
    if test.store.is_hot_row_cheap() {
        assert_eq!(issued as i64, LIMIT);
    }
    // What the others did not use they return when they close.
    drop(others);
    let rest = acme.exhaust(&test.idp);
    assert_eq!((issued + rest) as i64, LIMIT);
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued") as i64, LIMIT);
    let usage = test.idp.org(&acme.org.id).usage().unwrap();
    assert_eq!((usage.issued, usage.limit), (LIMIT, LIMIT));
    // A full organization makes no other one's quota smaller.
    assert_eq!(globex.exhaust(&test.idp), 5);
    assert!(matches!(
        test.idp.org(&OrgId::parse(&acme.client_id).unwrap()).usage(),
        Err(TokenError::NotFound)
    ));
    test.finish();
}

fn usage_is_told_to_the_organization_s_own_agents(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 5);
    let globex = Limited::new(&test, "globex", 7);
    test.idp.token(&globex.request()).unwrap();
    let token = test.idp.token(&acme.request()).unwrap().access_token;
    let bearer = test.idp.on_behalf_of(&token).unwrap();
    let usage = bearer.org(&acme.org.id).usage().unwrap();
    assert_eq!((usage.issued, usage.limit), (1, 5));
    assert!(matches!(bearer.org(&globex.org.id).usage(), Err(TokenError::NotFound)));
    assert_eq!(test.idp.org(&globex.org.id).usage().unwrap().limit, 7);
    test.finish();
}

fn a_month_begins_anew(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 20);
    test.clock.set("2026-11-30T23:59:50Z".parse().unwrap());
    for _ in 0..3 {
        test.idp.token(&acme.request()).unwrap();
    }
    test.clock.set("2026-12-01T00:00:00Z".parse().unwrap());
    assert_eq!(acme.issued(&test), 0);
    assert_eq!(acme.exhaust(&test.idp), 20);
    let full = test.idp.token(&acme.request()).unwrap_err();
    let TokenError::QuotaExceeded { limit, month, retry_after } = full else { panic!("{full:?}") };
    assert_eq!(retry_after.as_secs(), 31 * 24 * 60 * 60);
    assert_eq!((limit, month.to_string().as_str()), (20, "2026-12"));
    assert_eq!(month.end().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!((full.code(), full.code().http_status()), (ErrorCode::QuotaExceeded, 429));
    // What was set aside for the month that is over went back to it.
    assert_eq!(counted(&test, &acme.org.id, 202_611), 3);
    assert_eq!(counted(&test, &acme.org.id, 202_612), 20);
    // A clock that was set back finds the month as it was left.
    test.clock.set("2026-11-30T23:59:55Z".parse().unwrap());
    assert_eq!(acme.exhaust(&test.idp), 17);
    let usage = test.idp.org(&acme.org.id).usage().unwrap();
    let json = serde_json::to_string(&usage).unwrap();
    assert_eq!(json, r#"{"month":"2026-11","issued":20,"limit":20}"#);
    test.finish();
}

fn a_month_begins_without_what_was_set_aside_for_the_one_before(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 160);
    test.clock.set("2026-11-30T23:59:50Z".parse().unwrap());
    for _ in 0..3 {
        test.idp.token(&acme.request()).unwrap();
    }
    // A process still holds some, not for too long, and no tick has returned them.
    test.clock.set("2026-12-01T00:00:00Z".parse().unwrap());
    test.idp.token(&acme.request()).unwrap();
    assert_eq!(counted(&test, &acme.org.id, 202_611), 3);
    assert_eq!(acme.issued(&test), 1);
    test.finish();
}

fn what_was_set_aside_for_too_long_is_returned_with_the_next_token(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 160);
    for _ in 0..3 {
        test.idp.token(&acme.request()).unwrap();
        test.clock.step(Duration::from_secs(61));
    }
    assert_eq!(acme.issued(&test), 3);
    test.finish();
}

fn what_was_refused_is_not_counted(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 3);
    test.idp.token(&acme.request()).unwrap();
    for _ in 0..5 {
        assert!(test.idp.token(&acme.request().scope("tools:write")).is_err());
        assert!(test.idp.token(&acme.request().resource("https://other.example")).is_err());
        let wrong = TokenRequest::client_credentials(&acme.client_id, "aidp_wrong");
        assert!(test.idp.token(&wrong).is_err());
    }
    // Nor is a decision that no longer stood when it was to be written, and was made again.
    let other = test.reopen();
    for _ in 0..3 {
        let handle = other.org(&acme.org.id);
        let agent = agentidp_core::AgentId::parse(&acme.client_id).unwrap();
        handle.issue_credential(&agent, NewCredential::default()).unwrap();
        if acme.issued(&test) < 3 {
            test.idp.token(&acme.request()).unwrap();
        }
    }
    assert_eq!(acme.issued(&test), 3);
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), 3);
    test.finish();
}

fn a_limit_that_is_changed_counts_at_once(engine: Engine) {
    const LIMIT: &str = "UPDATE organizations SET max_tokens_per_month = ?2, version = version + 1
        WHERE organization_id = ?1";
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 2);
    assert_eq!(acme.exhaust(&test.idp), 2);
    change(&test, &acme.org.id, LIMIT, &[Value::Int(5)]);
    assert_eq!(acme.exhaust(&test.idp), 3);
    change(&test, &acme.org.id, LIMIT, &[Value::Int(4)]);
    assert_eq!(acme.exhaust(&test.idp), 0);
    // What a process holds that was set aside under a higher one is not issued either.
    let lowered = Limited::new(&test, "lowered", 160);
    test.idp.token(&lowered.request()).unwrap();
    change(&test, &lowered.org.id, LIMIT, &[Value::Int(1)]);
    assert_eq!(lowered.exhaust(&test.idp), 0);
    let none = Limited::new(&test, "none", 0);
    assert_eq!(none.exhaust(&test.idp), 0);
    assert_eq!(none.issued(&test), 0);
    test.finish();
}

fn the_log_is_told_of_a_full_quota_once_a_minute(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 0);
    let refused = || {
        for _ in 0..5 {
            assert!(test.idp.token(&acme.request()).is_err());
        }
        let page = agentidp_core::PageRequest::first().limit(500);
        let page = test.idp.org(&acme.org.id).audit(&page).unwrap();
        let told = page.items.into_iter().filter(|entry| entry.event_type == "token.issued");
        told.map(|entry| serde_json::to_value(entry).unwrap()).collect::<Vec<_>>()
    };
    let told = refused();
    assert_eq!(told.len(), 1);
    let text = told[0].to_string();
    assert!(text.contains("quota_exceeded") && text.contains("2026-11"), "{text}");
    assert!(text.contains(&acme.client_id), "{text}");
    assert_eq!(refused().len(), 1);
    test.clock.step(Duration::from_secs(60));
    let told = refused();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1]["data"]["passedOver"], 9, "{}", told[1]);
    test.clock.step(Duration::from_secs(60));
    let told = refused();
    assert_eq!(told[2]["data"]["passedOver"], 4, "its own alone: {}", told[2]);
    // One that could not be told leaves what it would have told of to the next.
    test.clock.step(Duration::from_secs(60));
    test.store.arm(Fault::BeforeCommit(0));
    let failed = test.idp.token(&acme.request()).unwrap_err();
    assert!(test.store.disarm() && matches!(failed, TokenError::Fault(_)), "{failed}");
    test.clock.step(Duration::from_secs(60));
    let told = refused();
    assert_eq!(told[3]["data"]["passedOver"], 4, "{}", told[3]);
    test.finish();
}

/// Another process ends what this one has in memory.
fn a_full_quota_hides_no_client_that_is_none_any_more(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = (Limited::new(&test, "acme", 2), Limited::new(&test, "globex", 2));
    assert_eq!((acme.exhaust(&test.idp), globex.exhaust(&test.idp)), (2, 2));
    let other = test.reopen();
    let agent = |limited: &Limited| AgentId::parse(&limited.client_id).unwrap();
    other.org(&acme.org.id).suspend_agent(&agent(&acme)).unwrap();
    let handle = other.org(&globex.org.id);
    let secrets = handle.list_credentials(&agent(&globex), &PageRequest::first()).unwrap();
    handle.revoke_credential(&secrets.items[0].id, RevokeTokens::No).unwrap();
    for (limited, reason) in [(&acme, "agent_not_active"), (&globex, "wrong_secret")] {
        let refused = test.idp.token(&limited.request()).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidClient);
        let trail = test.idp.org(&limited.org.id).audit(&PageRequest::first().limit(500)).unwrap();
        let last = serde_json::to_value(trail.items.last().unwrap()).unwrap();
        assert!(last.to_string().contains(reason), "{last}");
    }
    test.finish();
}

fn a_failed_issuance_is_not_counted(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 100);
    let verb = |_| test.idp.token(&acme.request()).map(drop).map_err(|error| error.code());
    sweep(&test, verb, |test, successes| {
        assert_eq!(acme.issued(test), successes as i64);
        assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), successes);
    });
    let before = acme.issued(&test);
    assert_eq!(acme.exhaust(&test.idp) as i64, 100 - before);
    // A full quota is told or fails, and counts nothing either way.
    test.clock.step(Duration::from_secs(60));
    test.store.arm(Fault::BeforeCommit(0));
    let mut error = test.idp.token(&acme.request()).unwrap_err();
    while error.code() == ErrorCode::QuotaExceeded && !test.store.disarm() {
        error = test.idp.token(&acme.request()).unwrap_err();
    }
    assert!(matches!(error, TokenError::Fault(_)), "{error:?}");
    assert_eq!(acme.issued(&test), 100);
    test.finish();
}

fn a_token_that_may_have_been_issued_is_counted_at_most_once(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 30);
    let mut unknown = 0;
    for at in [0, 1] {
        test.store.arm(Fault::AfterCommit(at));
        unknown += usize::from(test.idp.token(&acme.request()).is_err());
        test.store.disarm();
    }
    assert!(unknown >= 1);
    acme.exhaust(&test.idp);
    let recorded = successes_in(&test.trail(&acme.org.id), "token.issued");
    assert!(recorded <= 30, "{recorded}");
    if test.store.is_hot_row_cheap() {
        assert_eq!(recorded, 30);
    } else {
        // What was set aside by a transaction whose outcome nobody knows is lost for the month.
        assert!(recorded >= 28, "{recorded}");
    }
    test.finish();
}

fn what_a_handle_set_aside_comes_back(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 160);
    let set_aside = if test.store.is_hot_row_cheap() { 1 } else { 10 };
    let month = Month::of("2026-11-22T00:00:00Z".parse().unwrap()).as_int();
    let other = test.reopen();
    other.token(&acme.request()).unwrap();
    assert_eq!(counted(&test, &acme.org.id, month), set_aside);
    assert_eq!(other.org(&acme.org.id).usage().unwrap().issued, 1, "to its own handle");
    other.tick().unwrap();
    assert_eq!(counted(&test, &acme.org.id, month), set_aside, "it is in use");
    test.clock.step(Duration::from_secs(61));
    other.tick().unwrap();
    assert_eq!(counted(&test, &acme.org.id, month), 1);
    // A clone keeps the instance open; the last one closes it.
    other.token(&acme.request()).unwrap();
    let clone = other.clone();
    drop(other);
    clone.token(&acme.request()).unwrap();
    drop(clone);
    assert_eq!(counted(&test, &acme.org.id, month), 3);
    // What cannot be told to be returned is not returned twice.
    let other = test.reopen();
    other.token(&acme.request()).unwrap();
    test.clock.step(Duration::from_secs(61));
    test.store.arm(Fault::AfterCommit(0));
    let _ = other.tick();
    test.store.disarm();
    other.tick().unwrap();
    drop(other);
    assert_eq!(counted(&test, &acme.org.id, month), 4);
    test.finish();
}

fn what_a_dead_process_had_set_aside_is_lost_and_never_exceeded(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 160);
    let other = test.reopen();
    other.token(&acme.request()).unwrap();
    std::mem::forget(other);
    let lost = if test.store.is_hot_row_cheap() { 0 } else { 9 };
    assert_eq!(acme.exhaust(&test.idp), 159 - lost);
    test.finish();
}

fn tidying_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = Limited::new(&test, "acme", 1000);
    let month = Month::of("2026-11-22T00:00:00Z".parse().unwrap()).as_int();
    let mut issued = 0;
    for fault in [Fault::Statement as fn(u64) -> Fault, Fault::BeforeCommit as fn(u64) -> Fault] {
        for at in 0.. {
            test.idp.token(&acme.request()).unwrap();
            issued += 1;
            test.clock.step(Duration::from_secs(61));
            test.store.arm(fault(at));
            let tidied = test.idp.tick().is_ok();
            let fired = test.store.disarm();
            assert_eq!(tidied, !fired);
            test.idp.tick().unwrap();
            assert_eq!(counted(&test, &acme.org.id, month), issued);
            if !fired {
                break;
            }
        }
    }
    test.finish();
}
