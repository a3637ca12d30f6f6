//! Requests under a key: done once, answered alike, forgotten after a day, and sealed.

use std::time::Duration;

use agentidp_core::base::limits;
use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{
    Claim, ErrorCode, IdempotencyKey, Idp, NewAgent, NewCredential, Once, OrgId, TokenExchange,
    TokenRequest,
};
use agentidp_testkit::{ISSUER, Tenant, TestIdp};

use super::Engine;
use super::faults::sweep;
use super::introspection::Member;

super::on_every_engine!(
    an_answer_is_given_again_to_the_same_request_alone,
    a_released_key_is_free_and_one_that_is_cut_off_is_not,
    each_caller_has_keys_of_its_own,
    who_acts_for_an_agent_has_keys_of_its_own,
    an_answer_is_sealed_and_goes_with_its_organization,
    an_answer_that_is_moved_to_another_caller_does_not_open,
    a_process_that_learns_of_a_deletion_takes_no_more_keys,
    keys_are_forgotten_after_a_day,
    an_organization_has_so_many_keys_and_no_more,
    of_many_at_once_one_is_first,
    each_step_is_all_or_nothing,
);

const DAY: Duration = Duration::from_secs(24 * 3600);
const COUNT: &str = "SELECT COUNT(*) FROM idempotency_keys WHERE organization_id = ?1";

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

fn first(idp: &Idp, text: &str, request: &[u8]) -> Claim {
    match idp.once(&key(text), request).unwrap() {
        Once::First(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn answer(idp: &Idp, text: &str, request: &[u8]) -> Option<Vec<u8>> {
    match idp.once(&key(text), request).unwrap() {
        Once::Answered(answer) => Some(answer.expose().to_vec()),
        Once::First(claim) => {
            claim.release().unwrap();
            None
        }
        other => panic!("{other:?}"),
    }
}

/// The instance on behalf of a new agent of the tenant.
fn bearer(test: &TestIdp, tenant: &Tenant, scopes: &str) -> Idp {
    let org = test.idp.org(&tenant.org.id);
    let new = scopes.split(' ').fold(NewAgent::new("caller"), |new, scope| new.scope(scope));
    let agent = org.register_agent(new).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let request = TokenRequest::client_credentials(&agent.id, credential.secret());
    let token = test.idp.token(&request).unwrap();
    test.idp.on_behalf_of(&token.access_token).unwrap()
}

fn an_answer_is_given_again_to_the_same_request_alone(engine: Engine) {
    let test = engine.idp();
    let idp = &test.idp;
    assert!(first(idp, "k", b"do it").answer(b"done").unwrap());
    for _ in 0..2 {
        assert_eq!(answer(idp, "k", b"do it").as_deref(), Some(&b"done"[..]));
    }
    assert_eq!(answer(&test.reopen(), "k", b"do it").as_deref(), Some(&b"done"[..]));
    assert!(matches!(idp.once(&key("k"), b"do that").unwrap(), Once::Other));
    assert!(matches!(idp.once(&key("k"), b"").unwrap(), Once::Other));
    assert_eq!(answer(idp, "K", b"do it"), None, "another key");
    assert!(first(idp, "empty", b"").answer(b"").unwrap());
    assert_eq!(answer(idp, "empty", b""), Some(vec![]));
    test.finish();
}

fn a_released_key_is_free_and_one_that_is_cut_off_is_not(engine: Engine) {
    let test = engine.idp();
    let idp = &test.idp;
    let claim = first(idp, "k", b"a");
    assert!(matches!(idp.once(&key("k"), b"a").unwrap(), Once::Running));
    assert!(matches!(idp.once(&key("k"), b"b").unwrap(), Once::Other));
    claim.release().unwrap();
    let claim = first(idp, "k", b"b");
    drop(claim);
    assert!(matches!(idp.once(&key("k"), b"b").unwrap(), Once::Running));
    let longest = vec![b'x'; limits::IDEMPOTENCY_ANSWER_BYTES_MAX];
    assert!(first(idp, "longest", b"").answer(&longest).unwrap());
    assert!(answer(idp, "longest", b"").is_some_and(|kept| kept == longest));
    // An answer that is too long to keep: it was done, and is not done again.
    let long = vec![b'x'; limits::IDEMPOTENCY_ANSWER_BYTES_MAX + 1];
    assert!(!first(idp, "long", b"").answer(&long).unwrap());
    assert!(matches!(idp.once(&key("long"), b"").unwrap(), Once::Running));
    // A claim whose time is over takes nothing from who has the key since.
    let late = first(idp, "late", b"");
    test.clock.step(DAY);
    let next = first(idp, "late", b"");
    assert!(!late.answer(b"late").unwrap());
    assert!(next.answer(b"next").unwrap());
    assert_eq!(answer(idp, "late", b"").as_deref(), Some(&b"next"[..]));
    test.finish();
}

fn each_caller_has_keys_of_its_own(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let callers = [
        test.idp.clone(),
        bearer(&test, &acme, "a b"),
        bearer(&test, &acme, "a b"),
        bearer(&test, &globex, "a b"),
    ];
    for (at, idp) in callers.iter().enumerate() {
        assert!(first(idp, "k", b"r").answer(at.to_string().as_bytes()).unwrap());
    }
    for (at, idp) in callers.iter().enumerate() {
        assert_eq!(answer(idp, "k", b"r"), Some(at.to_string().into_bytes()));
    }
    assert_eq!(test.count(&acme.org.id, COUNT), 2);
    assert_eq!(test.count(&globex.org.id, COUNT), 1);
    // The same agent, by a token with less leave.
    let org = test.idp.org(&acme.org.id);
    let agent = org.register_agent(NewAgent::new("x").scope("a").scope("b")).unwrap();
    let credential = org.issue_credential(&agent.id, NewCredential::default()).unwrap();
    let by = |scope: &str| {
        let request = TokenRequest::client_credentials(&agent.id, credential.secret());
        let token = test.idp.token(&request.scope(scope)).unwrap();
        test.idp.on_behalf_of(&token.access_token).unwrap()
    };
    assert!(first(&by("a b"), "k", b"r").answer(b"secret").unwrap());
    assert_eq!(answer(&by("a b"), "k", b"r").as_deref(), Some(&b"secret"[..]));
    assert!(matches!(by("a").once(&key("k"), b"r").unwrap(), Once::Other));
    test.finish();
}

fn who_acts_for_an_agent_has_keys_of_its_own(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let member = |name: &str| Member::new(&test, &acme, NewAgent::new(name).scope("a"));
    let (ada, bob) = (member("ada"), member("bob"));
    let request = ada.request().resource(ISSUER).may_act(&bob.id);
    let own = test.idp.token(&request).unwrap().access_token;
    let exchange = TokenExchange::new(own.as_str());
    let exchange = bob.request().resource(ISSUER).exchange(exchange);
    let delegated = test.idp.token(&exchange).unwrap().access_token;
    // Both are Ada's, with the same scopes.
    let callers = [own, delegated].map(|token| test.idp.on_behalf_of(&token).unwrap());
    for (at, idp) in callers.iter().enumerate() {
        assert!(first(idp, "k", b"r").answer(at.to_string().as_bytes()).unwrap());
    }
    for (at, idp) in callers.iter().enumerate() {
        assert_eq!(answer(idp, "k", b"r"), Some(at.to_string().into_bytes()));
    }
    test.finish();
}

fn an_answer_is_sealed_and_goes_with_its_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let secrets =
        ["the answer is a secret", "the request is a secret", "a key is nobody's business"];
    secrets.iter().for_each(|secret| test.canary(secret));
    let (ours, theirs) = (bearer(&test, &acme, "a"), bearer(&test, &globex, "a"));
    for idp in [&ours, &theirs] {
        let claim = first(idp, secrets[2], secrets[1].as_bytes());
        assert!(claim.answer(secrets[0].as_bytes()).unwrap());
    }
    test.idp.org(&acme.org.id).delete().unwrap();
    let gone = test.reopen().once(&key("k"), b"").is_ok();
    assert!(gone, "the plain handle's keys are those of `system`");
    assert!(ours.once(&key(secrets[2]), secrets[1].as_bytes()).is_err(), "its data key is gone");
    assert!(answer(&theirs, secrets[2], secrets[1].as_bytes()).is_some());
    // A row that was moved does not open.
    move_to(&test, &globex.org.id, "somebody");
    let moved = theirs.once(&key(secrets[2]), secrets[1].as_bytes());
    assert!(matches!(moved, Ok(Once::First(_))), "the row is another caller's");
    test.finish();
}

/// A key that was taken on behalf of another agent for the same request, with the same scopes.
fn an_answer_that_is_moved_to_another_caller_does_not_open(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (ours, theirs) = (bearer(&test, &acme, "a"), bearer(&test, &acme, "a"));
    assert!(first(&ours, "k", b"r").answer(b"ours").unwrap());
    let id = &theirs.caller().agent().unwrap().agent_id;
    move_to(&test, &acme.org.id, &format!("{id}/{id}"));
    let moved = theirs.once(&key("k"), b"r").unwrap_err();
    assert_eq!(moved.code(), ErrorCode::SealBroken);
    assert_eq!(answer(&ours, "k", b"r"), None, "the row was moved away");
    test.finish();
}

/// The organization's data keys are at hand there, and what they seal nobody could open any more.
fn a_process_that_learns_of_a_deletion_takes_no_more_keys(engine: Engine) {
    let (test, others) = engine.processes(1);
    let (acme, globex) = test.two_orgs();
    let [ours, theirs] = [&acme, &globex].map(|tenant| {
        let token = test.idp.token(&tenant.request().resource(ISSUER)).unwrap();
        others[0].on_behalf_of(&token.access_token).unwrap()
    });
    for idp in [&ours, &theirs] {
        assert!(first(idp, "before", b"r").answer(b"done").unwrap());
    }
    test.idp.org(&acme.org.id).delete().unwrap();
    let learned = others[0].org(&acme.org.id).register_agent(NewAgent::new("x")).unwrap_err();
    assert_eq!(learned.code(), ErrorCode::NotActive);
    assert!(ours.once(&key("after"), b"r").is_err());
    assert!(ours.once(&key("before"), b"r").is_err());
    assert_eq!(answer(&theirs, "before", b"r").as_deref(), Some(&b"done"[..]));
    assert_eq!(test.count(&acme.org.id, COUNT), 1);
    drop((ours, theirs, others));
    test.finish();
}

fn move_to(test: &TestIdp, organization: &OrgId, caller: &str) {
    const MOVE: &str = "UPDATE idempotency_keys SET caller = ?2 WHERE organization_id = ?1";
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(organization.clone());
    let moved =
        store.write::<_, StoreError>("test", &scope, |tx| tx.execute(MOVE, &[Value::Text(caller)]));
    assert_eq!(moved, Ok(1));
}

fn keys_are_forgotten_after_a_day(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let idp = bearer(&test, &acme, "a");
    assert!(first(&idp, "k", b"r").answer(b"one").unwrap());
    drop(first(&idp, "cut off", b"r"));
    test.clock.step(DAY - Duration::from_secs(60));
    assert_eq!(test.idp.tick().unwrap().answers_forgotten, 0);
    assert_eq!(answer(&idp, "k", b"r").as_deref(), Some(&b"one"[..]));
    test.clock.step(Duration::from_secs(120));
    // Whether it was forgotten or not, the key is free.
    assert!(first(&idp, "k", b"another").answer(b"two").unwrap());
    assert_eq!(test.idp.tick().unwrap().answers_forgotten, 1, "the one that was cut off");
    assert_eq!(answer(&idp, "k", b"another").as_deref(), Some(&b"two"[..]));
    test.clock.step(DAY);
    assert_eq!(test.idp.tick().unwrap().answers_forgotten, 1);
    assert_eq!(test.count(&acme.org.id, COUNT), 0);
    test.finish();
}

fn an_organization_has_so_many_keys_and_no_more(engine: Engine) {
    const FILL: &str = "INSERT INTO idempotency_keys
            (organization_id, caller, key_digest, state, sealed_answer, expires_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        SELECT ?1, 'c' || i, ?2, 'answered', ?2, ?3 FROM n";
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (ours, theirs) = (bearer(&test, &acme, "a"), bearer(&test, &globex, "a"));
    assert!(first(&ours, "before", b"").answer(b"x").unwrap());
    let until = agentidp_core::Timestamp::MAX.as_micros();
    let store: &dyn Store = &*test.store;
    let filled = store.write::<_, StoreError>("test", &Scope::Org(acme.org.id.clone()), |tx| {
        tx.execute(FILL, &[Value::Blob(b"x"), Value::Int(until)])
    });
    assert_eq!(filled, Ok(10_000));
    assert!(matches!(ours.once(&key("k"), b"").unwrap(), Once::Full));
    assert_eq!(answer(&ours, "before", b"").as_deref(), Some(&b"x"[..]));
    assert_eq!(answer(&theirs, "k", b""), None, "another organization does not notice");
    test.finish();
}

fn of_many_at_once_one_is_first(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let idp = bearer(&test, &acme, "a");
    for round in 0..4 {
        let name = format!("k{round}");
        let firsts = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| match idp.once(&key(&name), b"r").unwrap() {
                        Once::First(claim) => {
                            drop(claim);
                            1
                        }
                        Once::Running => 0,
                        other => panic!("{other:?}"),
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum::<usize>()
        });
        assert_eq!(firsts, 1);
    }
    test.finish();
}

fn each_step_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let idp = bearer(&test, &acme, "a");
    // Taking a key.
    let mut taken = 0;
    let verb = |at: u64| match idp.once(&key(&format!("take {at}")), b"") {
        Ok(Once::First(claim)) => {
            drop(claim);
            Ok(())
        }
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Err(fault.code()),
    };
    let mut at = 0;
    let fresh = |_| {
        at += 1;
        verb(at)
    };
    sweep(&test, fresh, |test, successes| {
        taken = successes as i64;
        assert_eq!(test.count(&acme.org.id, COUNT), taken);
    });
    // Keeping an answer, and giving a key back.
    let mut at = 0;
    let mut claims: Vec<Claim> =
        (0..40).map(|n| first(&idp, &format!("answer {n}"), b"")).collect();
    let verb = |_| {
        at += 1;
        let claim = claims.pop().unwrap();
        let ended = if at % 2 == 0 { claim.release() } else { claim.answer(b"x").map(drop) };
        ended.map_err(|fault| fault.code())
    };
    sweep(&test, verb, |_, _| {});
    test.finish();
}
