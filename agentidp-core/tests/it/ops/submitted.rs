//! Tokens for asynchronous hosts: where the database takes what is left to it, no thread waits for it.

use std::pin::pin;
use std::sync::mpsc::channel;

use agentidp_core::{AsyncIdp, ErrorCode, NewOrg, PlanTier, TokenRequest};
use agentidp_testkit::{Fault, TestIdp};

use super::Engine;
use super::faults::{successes_in, sweep};
use crate::async_idp::{Occupied, poll_once};

super::on_every_engine!(
    tokens_asked_for_together_are_all_recorded,
    a_token_without_a_thread_is_all_or_nothing,
    an_answer_lost_after_the_commit_is_told_and_not_tried_again,
    what_ended_in_another_process_is_refused,
    a_used_up_month_is_told,
    a_token_that_nobody_waits_for_is_recorded,
    only_what_needs_a_thread_waits_for_one,
    a_key_signs_under_a_lease_also_where_no_thread_waits,
);

fn asynchronous(test: &TestIdp) -> AsyncIdp {
    AsyncIdp::with(test.idp.clone(), 4, 64).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn tokens_asked_for_together_are_all_recorded(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let idp = asynchronous(&test);
    runtime().block_on(async {
        let mut asked = Vec::new();
        for tenant in [&acme, &globex] {
            for _ in 0..20 {
                let (idp, request) = (idp.clone(), tenant.request());
                asked.push(tokio::spawn(async move { idp.token(request).await }));
            }
        }
        for asked in asked {
            asked.await.unwrap().unwrap().unwrap();
        }
    });
    for tenant in [&acme, &globex] {
        assert_eq!(successes_in(&test.trail(&tenant.org.id), "token.issued"), 20);
        assert_eq!(test.idp.org(&tenant.org.id).usage().unwrap().issued, 20);
    }
    test.finish();
}

fn a_token_without_a_thread_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    super::outbox::subscribe(&test, &acme.org.id, "token.issued");
    let (idp, runtime) = (asynchronous(&test), runtime());
    let verb = |_| {
        let answer = runtime.block_on(idp.token(acme.request())).unwrap();
        answer.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), successes);
        assert_eq!(super::outbox::deliveries(test, &acme.org.id), successes as i64);
    });
    test.finish();
}

fn an_answer_lost_after_the_commit_is_told_and_not_tried_again(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (idp, runtime) = (asynchronous(&test), runtime());
    runtime.block_on(idp.token(acme.request())).unwrap().unwrap();
    test.store.arm(Fault::AfterCommit(0));
    let error = runtime.block_on(idp.token(acme.request())).unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeUnknown);
    assert!(test.store.disarm());
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), 2);
    test.finish();
}

fn what_ended_in_another_process_is_refused(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let (idp, runtime) = (asynchronous(&test), runtime());
    let ask = |request: TokenRequest| runtime.block_on(idp.token(request)).unwrap();
    ask(acme.request()).unwrap();
    ask(globex.request()).unwrap();
    let wrong = TokenRequest::client_credentials(&acme.agent.id, globex.credential.secret());
    assert_eq!(ask(wrong).unwrap_err().code(), ErrorCode::InvalidClient);
    let beyond = acme.request().scope("tools:write");
    assert_eq!(ask(beyond).unwrap_err().code(), ErrorCode::InvalidScope);
    let elsewhere = test.reopen();
    elsewhere
        .org(&acme.org.id)
        .revoke_credential(&acme.credential.credential().id, agentidp_core::RevokeTokens::No)
        .unwrap();
    assert_eq!(ask(acme.request()).unwrap_err().code(), ErrorCode::InvalidClient);
    ask(globex.request()).unwrap();
    let trail = test.trail(&acme.org.id);
    assert_eq!(trail.iter().filter(|entry| *entry == "token.issued Refused").count(), 3);
    assert_eq!(successes_in(&trail, "token.issued"), 1);
    test.finish();
}

fn a_used_up_month_is_told(engine: Engine) {
    let test = engine.idp();
    let globex = test.tenant("globex");
    let small = NewOrg::new("small").plan(PlanTier::Enterprise).max_tokens_per_month(2);
    let small = test.idp.create_org(small).unwrap();
    let org = test.idp.org(&small.id);
    let agent =
        org.register_agent(agentidp_core::NewAgent::new("bot").scope("tools:read")).unwrap();
    let credential = org.issue_credential(&agent.id, Default::default()).unwrap();
    let (idp, runtime) = (asynchronous(&test), runtime());
    let ask = || {
        let request = TokenRequest::client_credentials(&agent.id, credential.secret());
        runtime.block_on(idp.token(request)).unwrap()
    };
    ask().unwrap();
    ask().unwrap();
    assert_eq!(ask().unwrap_err().code(), ErrorCode::QuotaExceeded);
    runtime.block_on(idp.token(globex.request())).unwrap().unwrap();
    assert_eq!(org.usage().unwrap().issued, 2);
    test.finish();
}

fn a_token_that_nobody_waits_for_is_recorded(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    let idp = asynchronous(&test);
    let _ = poll_once(pin!(idp.token(acme.request())));
    let recorded = || successes_in(&test.trail(&acme.org.id), "token.issued") == 2;
    for _ in 0..1000 {
        if recorded() {
            break;
        }
        agentidp_core::base::pause(std::time::Duration::from_millis(5));
    }
    assert!(recorded());
    test.finish();
}

fn only_what_needs_a_thread_waits_for_one(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    test.idp.token(&acme.request()).unwrap();
    let idp = AsyncIdp::with(test.idp.clone(), 1, 1).unwrap();
    let occupied = Occupied::new(&idp, |_| ());
    let warm = runtime().block_on(idp.token(acme.request()));
    // A server's database has no use for callers that do not wait: each of its commits is one's own.
    let submits = agentidp_core::store::Store::submits(&*test.store);
    let expected = submits.then_some(());
    assert_eq!(warm.ok().map(|token| drop(token.unwrap())), expected);
    let cold = runtime().block_on(idp.token(globex.request()));
    assert_eq!(cold.unwrap_err().code(), ErrorCode::Overloaded);
    runtime().block_on(async {
        occupied.end().await;
        idp.token(globex.request()).await.unwrap().unwrap();
    });
    test.finish();
}

const LEASE: &str = "SELECT signs_until FROM signing_keys
    WHERE ?1 <> '' AND purpose = 'token' AND alg = 'ES256' AND state = 'current'";

/// Or the key would be gone, once it has retired, before the tokens that it signed.
fn a_key_signs_under_a_lease_also_where_no_thread_waits(engine: Engine) {
    use agentidp_core::Clock as _;
    let test = engine.idp();
    let acme = test.tenant("acme");
    let (idp, runtime) = (asynchronous(&test), runtime());
    for _ in 0..3 {
        runtime.block_on(idp.token(acme.request())).unwrap().unwrap();
        let lease = super::revocation::count(&test, &acme.org.id, LEASE);
        assert!(test.clock.now().as_micros() < lease, "{lease}");
        test.clock.step(2 * agentidp_core::base::limits::SIGNING_LEASE);
    }
    test.finish();
}

/// As many tokens as there may be wait for their commit; the next one is refused, and nothing piles up.
#[test]
fn tokens_beyond_the_limit_are_refused_and_not_issued() {
    let test = Engine::File.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    let idp = AsyncIdp::with(test.idp.clone(), 1, 1).unwrap();
    let refused = std::thread::scope(|threads| {
        let (release, held) = channel::<()>();
        let (started, begun) = channel::<()>();
        let store = test.store.clone();
        threads.spawn(move || {
            let store: &dyn agentidp_core::store::Store = &*store;
            let scope = agentidp_core::store::Scope::Instance;
            store
                .write::<_, agentidp_core::store::StoreError>("hold", &scope, |_| {
                    started.send(()).unwrap();
                    held.recv().unwrap();
                    Ok(())
                })
                .unwrap();
        });
        begun.recv().unwrap();
        let mut asked: Vec<_> = (0..3).map(|_| Box::pin(idp.token(acme.request()))).collect();
        let answers: Vec<_> = asked.iter_mut().map(|asked| poll_once(asked.as_mut())).collect();
        release.send(()).unwrap();
        let refused = answers.iter().flatten().filter(|answer| answer.is_err()).count();
        for (asked, answer) in asked.into_iter().zip(&answers) {
            if answer.is_none() {
                runtime().block_on(asked).unwrap().unwrap();
            }
        }
        refused
    });
    assert_eq!(refused, 1, "two may wait: one thread and one place in the queue");
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), 3);
    test.finish();
}
