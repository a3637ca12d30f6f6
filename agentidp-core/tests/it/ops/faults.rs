//! Every verb with every statement, every read and every commit failing once: all or nothing, and a
//! retry works. What reads alone is swept in `read_faults`.

use agentidp_core::{
    AgentId, Config, Database, ErrorCode, Idp, KekSource, NewAgent, NewCredential, NewOrg, Org,
    TokenRequest,
};
use agentidp_testkit::{Fault, ISSUER, Tenant, TestIdp};

use super::Engine;

super::on_every_engine!(
    init_is_all_or_nothing,
    creating_an_organization_is_all_or_nothing,
    registering_an_agent_is_all_or_nothing,
    issuing_a_credential_is_all_or_nothing,
    issuing_a_token_is_all_or_nothing,
    a_refusal_is_recorded_or_fails,
    an_answer_lost_after_the_commit_is_told_as_unknown,
);

/// More faults than any verb has statements: the loop must end before.
const STATEMENTS_MAX: u64 = 200;

/// All places in which a verb can fail.
pub(super) const FAULTS: [fn(u64) -> Fault; 3] =
    [Fault::Statement, Fault::BeforeCommit, Fault::Read];

/// What became of a verb: done, or the code of why not.
pub(super) type Outcome = Result<(), ErrorCode>;

/// Runs `verb` with each of its statements, its reads and its commits failing; `check` is told how often
/// it succeeded so far. A fault is told as one: that a row could not be read is no answer about it. What
/// the verb looks at besides, it looks at [aside](agentidp_testkit::FaultStore::aside).
pub(super) fn sweep(
    test: &TestIdp,
    verb: impl FnMut(u64) -> Outcome,
    check: impl FnMut(&TestIdp, usize),
) {
    sweep_all(test, false, verb, check);
}

/// As [`sweep`], for a verb that goes on where it cannot read what it only takes note of: it is done then.
pub(super) fn sweep_passing_over(
    test: &TestIdp,
    verb: impl FnMut(u64) -> Outcome,
    check: impl FnMut(&TestIdp, usize),
) {
    sweep_all(test, true, verb, check);
}

fn sweep_all(
    test: &TestIdp,
    passes_over: bool,
    mut verb: impl FnMut(u64) -> Outcome,
    mut check: impl FnMut(&TestIdp, usize),
) {
    let mut successes = 0;
    for faults in FAULTS {
        for at in 0.. {
            assert!(at < STATEMENTS_MAX, "the sweep does not end");
            let fault = faults(at);
            test.store.arm(fault);
            let outcome = verb(at);
            let fired = test.store.disarm();
            let is_note = passes_over && matches!(fault, Fault::Read(_)) && outcome.is_ok();
            let expected = if fired { Err(ErrorCode::DatabaseFailed) } else { Ok(()) };
            assert!(outcome == expected || is_note, "{fault:?} is told as {outcome:?}");
            successes += usize::from(outcome.is_ok());
            check(test, successes);
            // The same again, without a fault, succeeds.
            assert_eq!(verb(at + STATEMENTS_MAX), Ok(()), "a retry succeeds");
            successes += 1;
            check(test, successes);
            if !fired {
                break;
            }
        }
    }
}

pub(super) fn successes_in(trail: &[String], event: &str) -> usize {
    trail.iter().filter(|entry| **entry == format!("{event} Success")).count()
}

fn init_is_all_or_nothing(engine: Engine) {
    use std::sync::Arc;
    for faults in FAULTS {
        for at in 0.. {
            assert!(at < STATEMENTS_MAX, "the sweep does not end");
            let home = tempfile::tempdir().unwrap();
            let (inner, _file, _guard) = engine.open();
            let store = Arc::new(agentidp_testkit::FaultStore::new(inner));
            let config = || {
                Config::new(Database::Opened(store.clone()))
                    .kek(KekSource::file(home.path().join("kek.key")))
                    .issuer(ISSUER)
            };
            store.arm(faults(at));
            let made = Idp::create(config());
            let fired = store.disarm();
            let expected = if fired { Err(ErrorCode::DatabaseFailed) } else { Ok(()) };
            assert_eq!(made.map(drop).map_err(|error| error.code()), expected);
            let idp = Idp::open(config()).expect("a retry succeeds");
            assert!(idp.org(&agentidp_core::OrgId::system()).verify_audit().unwrap().valid);
            let status = idp.status();
            assert_eq!(Idp::open(config()).unwrap().status().instance_id, status.instance_id);
            if !fired {
                break;
            }
        }
    }
}

fn creating_an_organization_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let mut made: Vec<Org> = Vec::new();
    let mut round = 0;
    let verb = |_| {
        round += 1;
        match test.idp.create_org(NewOrg::new(format!("org-{round}"))) {
            Ok(org) => {
                made.push(org);
                Ok(())
            }
            Err(error) => {
                assert!(test.idp.find_org(&format!("org-{round}")).is_err());
                Err(error.code())
            }
        }
    };
    sweep(&test, verb, |_, _| {});
    for org in &made {
        assert_eq!(test.idp.find_org(org.slug.as_str()).unwrap(), *org);
        assert_eq!(successes_in(&test.trail(&org.id), "org.created"), 1);
    }
    test.finish();
}

fn registering_an_agent_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let mut made: Vec<AgentId> = Vec::new();
    let verb = |_| match org.register_agent(NewAgent::new("bot").owner("Ada")) {
        Ok(agent) => {
            made.push(agent.id);
            Ok(())
        }
        Err(error) => Err(error.code()),
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "agent.created"), successes + 1);
    });
    for id in &made {
        assert_eq!(org.agent(id).unwrap().owner.as_deref(), Some("Ada"));
    }
    test.finish();
}

fn issuing_a_credential_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let mut secrets = Vec::new();
    // Enough agents that none comes to its limit of live secrets.
    let new = |n| org.register_agent(NewAgent::new(format!("{n}"))).unwrap().id;
    let agents: Vec<AgentId> = (0..20).map(new).collect();
    let mut next = agents.iter().cycle();
    let verb = |_| {
        let agent = next.next().unwrap();
        let issued = org.issue_credential(agent, NewCredential::default());
        let secret = issued.map(|credential| credential.secret().to_owned());
        secrets.extend(secret.as_ref().map(|secret| (agent.clone(), secret.clone())));
        secret.map(drop).map_err(|error| error.code())
    };
    sweep(&test, verb, |_, _| {});
    let trail = test.trail(&acme.org.id);
    assert_eq!(successes_in(&trail, "credential.generated"), secrets.len() + 1);
    for (agent, secret) in &secrets {
        test.idp.token(&TokenRequest::client_credentials(agent, secret.as_str())).unwrap();
    }
    test.finish();
}

fn issuing_a_token_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    subscribe(&test, &acme, "token.issued");
    let verb = |_| test.idp.token(&acme.request()).map(drop).map_err(|error| error.code());
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), successes);
        assert_eq!(super::outbox::deliveries(test, &acme.org.id), successes as i64);
    });
    test.finish();
}

fn a_refusal_is_recorded_or_fails(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let wrong = TokenRequest::client_credentials(&acme.agent.id, "aidp_wrong");
    test.store.arm(Fault::BeforeCommit(0));
    let error = test.idp.token(&wrong).unwrap_err();
    assert_eq!(error.code(), agentidp_core::ErrorCode::DatabaseFailed);
    assert!(test.store.disarm());
    let error = test.idp.token(&wrong).unwrap_err();
    assert_eq!(error.code(), agentidp_core::ErrorCode::InvalidClient);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "token.issued Refused");
    test.finish();
}

fn subscribe(test: &TestIdp, tenant: &Tenant, event: &str) {
    super::outbox::subscribe(test, &tenant.org.id, event);
}

fn an_answer_lost_after_the_commit_is_told_as_unknown(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    test.idp.token(&acme.request()).unwrap();
    test.store.arm(Fault::AfterCommit(0));
    let error = test.idp.token(&acme.request()).unwrap_err();
    assert_eq!(error.code(), agentidp_core::ErrorCode::OutcomeUnknown);
    assert!(test.store.disarm());
    test.idp.token(&acme.request()).unwrap();
    // The second token was recorded and given to nobody; its entry stands.
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.issued"), 3);
    test.finish();
}
