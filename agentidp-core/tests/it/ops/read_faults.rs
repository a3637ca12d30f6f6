//! Every verb of the public API with every statement of its reading transactions failing once: it is told
//! that the database failed, and nothing that only a row could tell; nothing has changed; and the same
//! again succeeds. Asked is a process that has read nothing yet, on behalf of an agent: that reads most.

use std::collections::BTreeSet;
use std::time::Duration;

use agentidp_core::base::limits::KEYS_STALE_MAX;
use agentidp_core::{
    AgentChanges, AgentFilter, AgentId, Alg, CredentialId, ErrorCode, HealthStatus, IdempotencyKey,
    Idp, ImportOptions, IntrospectionRequest, Jti, KeyRotation, NewAgent, NewCredential, NewOrg,
    Once, OrgChanges, OrgHandle, OrgId, PageRequest, RevocationRequest, RevokeTokens, Role,
    SystemClock, SystemRng, TokenExchange, TokenRequest,
};
use agentidp_testkit::{Fault, ISSUER, TestIdp};
use serde_json::json;

use super::Engine;
use super::examine::config;
use super::faults::Outcome;
use super::introspection::Member;
use super::{public_api, public_keys};

super::on_every_engine!(
    who_looks_is_told_that_the_database_failed,
    who_changes_something_is_told_that_the_database_failed,
);

/// A verb as it is tried.
struct Tried {
    name: &'static str,
    /// How many reads it goes on without. `None`: what is committed is read again as well as can be,
    /// which `key_faults` looks at.
    goes_on_without: Option<usize>,
    verb: fn(&Turn<'_>) -> Outcome,
}

const fn strict(name: &'static str, verb: fn(&Turn<'_>) -> Outcome) -> Tried {
    Tried { name, goes_on_without: Some(0), verb }
}

/// A verb that looks whether another process has changed the instance's keys and, where it cannot, goes by
/// those that it knows. What it answers is right as long as none has.
const fn by_known_keys(name: &'static str, verb: fn(&Turn<'_>) -> Outcome) -> Tried {
    Tried { name, goes_on_without: Some(1), verb }
}

/// A verb that reads the keys again once it has changed them.
const fn of_keys(name: &'static str, verb: fn(&Turn<'_>) -> Outcome) -> Tried {
    Tried { name, goes_on_without: None, verb }
}

/// What came of a verb.
macro_rules! done {
    ($answer:expr) => {
        $answer.map(drop).map_err(|error| error.code())
    };
}

/// What came of a verb whose answer must be as it is where nothing fails.
macro_rules! told {
    ($answer:expr, $is_right:expr) => {
        match $answer {
            Ok(answer) if $is_right(&answer) => Ok(()),
            Ok(_) => Err(WRONG),
            Err(error) => Err(error.code()),
        }
    };
}

/// An answer that is none of a failure, and not the right one.
const WRONG: ErrorCode = ErrorCode::Internal;

const LIFE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Those that change nothing.
const LOOKS: &[Tried] = &[
    strict("OrgHandle::get", |turn| done!(turn.org.get())),
    strict("OrgHandle::usage", |turn| done!(turn.org.usage())),
    strict("OrgHandle::footprint", |turn| done!(turn.org.footprint())),
    strict("OrgHandle::audit", |turn| done!(turn.org.audit(&PageRequest::first()))),
    strict("OrgHandle::verify_audit", |turn| {
        told!(turn.org.verify_audit(), |report: &agentidp_core::audit::ChainReport| report.valid)
    }),
    strict("OrgHandle::verify_audit_telling", |turn| {
        done!(turn.org.verify_audit_telling(&mut |_| {}))
    }),
    strict("OrgHandle::members", |turn| done!(turn.org.members(&PageRequest::first()))),
    strict("OrgHandle::list_agents", |turn| {
        done!(turn.org.list_agents(&AgentFilter::All, &PageRequest::first()))
    }),
    strict("OrgHandle::agent", |turn| done!(turn.org.agent(&turn.of.agent))),
    strict("OrgHandle::agent_keys", |turn| done!(turn.org.agent_keys(&turn.of.agent))),
    strict("OrgHandle::list_credentials", |turn| {
        done!(turn.org.list_credentials(&turn.of.agent, &PageRequest::first()))
    }),
    strict("OrgHandle::credential", |turn| done!(turn.org.credential(&turn.of.credential))),
    strict("OrgHandle::check_credential", |turn| {
        done!(turn.org.check_credential(&turn.of.agent, &turn.of.credential))
    }),
    strict("Idp::find_org", |turn| done!(turn.theirs.find_org("acme"))),
    strict("Idp::list_orgs", |turn| done!(turn.admin.list_orgs(&PageRequest::first()))),
    strict("Idp::credentials_expiring", |turn| done!(turn.admin.credentials_expiring(WEEK))),
    strict("Idp::keys", |turn| done!(turn.admin.keys())),
    strict("Idp::agent_info", |turn| done!(turn.process.agent_info(&turn.of.token))),
    strict("Idp::on_behalf_of", |turn| done!(turn.process.on_behalf_of(&turn.of.token))),
    strict("Idp::probe", |turn| done!(turn.process.probe())),
    strict("Idp::open", |turn| done!(Idp::open(config(turn.test)))),
    strict("Idp::open_existing", |turn| done!(Idp::open_existing(config(turn.test)))),
    strict("Idp::examine", examined),
    strict("Idp::examine_trail", |turn| {
        let report = Idp::examine_trail(&config(turn.test), "acme", &mut |_| {});
        told!(report, |report: &agentidp_core::audit::ChainReport| report.valid)
    }),
    strict("Idp::introspect", |turn| {
        let question = IntrospectionRequest::new(turn.of.token.as_str());
        told!(turn.theirs.introspect(&question), is_active)
    }),
    strict("Idp::introspect", |turn| {
        let question = IntrospectionRequest::new(turn.of.token.as_str());
        let question = question.client(&turn.of.agent, turn.of.secret.as_str());
        told!(turn.process.introspect(&question), is_active)
    }),
    by_known_keys("Idp::jwks", |turn| {
        let known = turn.test.store.aside(|| turn.test.idp.jwks());
        if turn.process.jwks() == known { Ok(()) } else { Err(WRONG) }
    }),
    by_known_keys("Idp::verifier", |turn| {
        let verifier = turn.process.verifier();
        done!(verifier.verify_access_token(&turn.of.token, ISSUER).map_err(|_| Wrong))
    }),
];

/// Those that change something.
const CHANGES: &[Tried] = &[
    strict("OrgHandle::register_agent", |turn| {
        done!(turn.org.register_agent(NewAgent::new("another")))
    }),
    strict("OrgHandle::update_agent", |turn| {
        done!(turn.org.update_agent(&turn.of.agent, &AgentChanges::new().name("renamed")))
    }),
    strict("OrgHandle::suspend_agent", |turn| done!(turn.org.suspend_agent(&turn.of.agent))),
    strict("OrgHandle::reactivate_agent", |turn| done!(turn.org.reactivate_agent(&turn.of.agent))),
    strict("OrgHandle::decommission_agent", |turn| {
        done!(turn.org.decommission_agent(&turn.of.agent))
    }),
    strict("OrgHandle::rotate_agent_keys", |turn| {
        done!(turn.org.rotate_agent_keys(&turn.of.agent, LIFE))
    }),
    strict("OrgHandle::add_agent_key", |turn| {
        done!(turn.org.add_agent_key(&turn.of.agent, &public_keys::jwk().to_string()))
    }),
    strict("OrgHandle::revoke_agent_key", |turn| {
        done!(turn.org.revoke_agent_key(&turn.of.agent, &turn.of.kid))
    }),
    strict("OrgHandle::issue_credential", |turn| {
        done!(turn.org.issue_credential(&turn.of.agent, NewCredential::default()))
    }),
    strict("OrgHandle::add_public_key", |turn| {
        let key = NewCredential::public_key(&public_keys::jwk().to_string());
        done!(turn.org.add_public_key(&turn.of.agent, key))
    }),
    strict("OrgHandle::rotate_credential", |turn| {
        done!(turn.org.rotate_credential(&turn.of.credential, LIFE))
    }),
    strict("OrgHandle::revoke_credential", |turn| {
        done!(turn.org.revoke_credential(&turn.of.credential, RevokeTokens::Yes))
    }),
    strict("OrgHandle::import", |turn| {
        let key = json!({ "scheme": "public_key", "publicKey": public_keys::PEM });
        let line = json!({ "name": "imported", "credentials": [key] }).to_string();
        let report = turn.org.import(&mut line.as_bytes(), ImportOptions::new());
        told!(report, |report: &agentidp_core::ImportReport| report.imported == 1)
    }),
    strict("OrgHandle::add_member", |turn| done!(turn.org.add_member(&turn.of.agent, Role::Admin))),
    strict("OrgHandle::set_member_role", |turn| {
        done!(turn.org.set_member_role(&turn.of.member, Role::Admin))
    }),
    strict("OrgHandle::remove_member", |turn| done!(turn.org.remove_member(&turn.of.member))),
    strict("OrgHandle::update", |turn| {
        let name = format!("Acme of {}", turn.of.agent);
        done!(turn.org.update(OrgChanges::default().name(name)))
    }),
    strict("OrgHandle::suspend", |turn| done!(new_org(turn).suspend())),
    strict("OrgHandle::activate", |turn| done!(new_org(turn).activate())),
    strict("OrgHandle::delete", |turn| done!(new_org(turn).delete())),
    strict("OrgHandle::revoke_token", |turn| told!(turn.org.revoke_token(&turn.of.token), is_true)),
    strict("OrgHandle::revoke_jti", |turn| told!(turn.org.revoke_jti(&turn.of.jti), is_true)),
    strict("Idp::revoke", |turn| {
        told!(turn.theirs.revoke(&RevocationRequest::new(turn.of.token.as_str())), is_true)
    }),
    strict("Idp::revoke", |turn| {
        let request = RevocationRequest::new(turn.of.token.as_str());
        let request = request.client(&turn.of.agent, turn.of.secret.as_str());
        told!(turn.process.revoke(&request), is_true)
    }),
    strict("Idp::token", |turn| done!(turn.process.token(&turn.of.request()))),
    strict("Idp::token", |turn| {
        let handed_in = TokenExchange::new(turn.of.handed.as_str());
        done!(turn.process.token(&turn.of.request().exchange(handed_in)))
    }),
    strict("Idp::create_org", |turn| done!(turn.admin.create_org(NewOrg::new(new_slug())))),
    strict("Idp::once", |turn| {
        let key = IdempotencyKey::parse(turn.of.agent.as_str()).unwrap();
        told!(turn.theirs.once(&key, b"request"), |once: &Once| matches!(once, Once::First(_)))
    }),
    of_keys("Idp::rotate_key", |turn| {
        done!(turn.admin.rotate_key(KeyRotation::tokens(Alg::EdDsa)))
    }),
    of_keys("Idp::revoke_key", |turn| done!(turn.admin.revoke_key(&turn.of.next_kid))),
    strict("Idp::tick", |turn| done!(turn.admin.tick())),
];

/// Those that read no row, or that other tests try: making an instance is swept in `faults`, and what looks
/// at the schema opens a database of its own.
const READ_NOTHING: &[&str] = &[
    "OrgHandle::audit_key",
    "Idp::audit_key",
    "Idp::caller",
    "Idp::create",
    "Idp::dpop_nonce",
    "Idp::examine_machine",
    "Idp::limit_rate",
    "Idp::migrate",
    "Idp::org",
    "Idp::schema_status",
    "Idp::status",
];

#[test]
fn no_verb_is_left_out() {
    let tried = LOOKS.iter().chain(CHANGES).map(|tried| tried.name);
    let here: BTreeSet<String> =
        tried.chain(READ_NOTHING.iter().copied()).map(str::to_owned).collect();
    let of =
        |owner| public_api::verbs(owner).into_iter().map(move |verb| format!("{owner}::{verb}"));
    let all: BTreeSet<String> = of("OrgHandle").chain(of("Idp")).collect();
    assert_eq!(here, all);
}

/// An error of what has no code.
struct Wrong;

impl Wrong {
    fn code(&self) -> ErrorCode {
        WRONG
    }
}

fn is_true(answer: &bool) -> bool {
    *answer
}

fn is_active(answer: &agentidp_core::Introspection) -> bool {
    answer.active
}

/// An examination tells what it could not look at, and finds nothing else.
fn examined(turn: &Turn<'_>) -> Outcome {
    let checks = Idp::examine(config(turn.test), 100, &mut |_| {});
    let mut failed = checks.iter().filter(|check| check.status == HealthStatus::Failed).peekable();
    if failed.peek().is_none() {
        return Ok(());
    }
    // That a trail could not be read does not say that it is broken.
    let broken = ErrorCode::AuditBroken.hint();
    let passing = failed.all(|check| {
        check.detail.contains("injected fault") && check.hint.as_deref() != Some(broken)
    });
    Err(if passing { ErrorCode::DatabaseFailed } else { WRONG })
}

fn new_slug() -> String {
    format!("org-{}", AgentId::generate(&SystemClock, &SystemRng).unwrap())
}

/// A new organization, as the administrator of the instance has it.
fn new_org(turn: &Turn<'_>) -> OrgHandle {
    let new = NewOrg::new(new_slug());
    let made = turn.test.store.aside(|| turn.test.idp.create_org(new).unwrap());
    turn.admin.org(&made.id)
}

/// Who asks: an owner of acme with every scope there, and an administrator of the instance.
struct Cast {
    acme: OrgId,
    manager: Member,
    admin: Member,
}

const SCOPES: [&str; 8] = [
    "openid",
    "agents:read",
    "agents:write",
    "credentials:read",
    "credentials:write",
    "audit:read",
    "tokens:introspect",
    "tokens:revoke",
];

impl Cast {
    fn new(test: &TestIdp) -> Cast {
        let acme = test.tenant("acme").org.id;
        let with = |scopes: &[&str]| {
            scopes.iter().fold(NewAgent::new("asker"), |agent, scope| agent.scope(*scope))
        };
        let manager = Member::new(test, &acme, with(&SCOPES));
        test.idp.org(&acme).add_member(&manager.id, Role::Owner).unwrap();
        let admin = Member::new(test, &OrgId::system(), with(&["admin:orgs", "admin:keys"]));
        Cast { acme, manager, admin }
    }
}

/// What the verbs are tried on.
struct Subject {
    agent: AgentId,
    secret: String,
    credential: CredentialId,
    kid: String,
    /// Another agent, which is a member.
    member: AgentId,
    /// A token of the agent, and its name.
    token: String,
    jti: Jti,
    /// A token of the manager's, by which the agent may act.
    handed: String,
    /// A key of the instance that is published and does not sign.
    next_kid: String,
    asks: [String; 2],
}

impl Subject {
    fn new(test: &TestIdp, cast: &Cast) -> Subject {
        let org = test.idp.org(&cast.acme);
        let agent = org.register_agent(NewAgent::new("bot").scope("openid")).unwrap().id;
        let issued = org.issue_credential(&agent, NewCredential::default()).unwrap();
        let member = org.register_agent(NewAgent::new("member")).unwrap().id;
        org.add_member(&member, Role::Member).unwrap();
        let request = TokenRequest::client_credentials(&agent, issued.secret());
        let token =
            |request: TokenRequest| test.idp.token(&request.resource(ISSUER)).unwrap().access_token;
        let of_manager = || cast.manager.request().scope(SCOPES.join(" "));
        let own = token(request.scope("openid"));
        let claims = test.idp.verifier().verify_access_token(&own, ISSUER).unwrap();
        let next = test.idp.rotate_key(KeyRotation::tokens(Alg::EdDsa)).unwrap();
        Subject {
            secret: issued.secret().to_owned(),
            credential: issued.credential().id.clone(),
            kid: org.agent_keys(&agent).unwrap().remove(0).kid,
            member,
            token: own,
            jti: Jti::parse(&claims.jti).unwrap(),
            handed: token(of_manager().may_act(&agent)),
            next_kid: next.key.kid,
            asks: [token(of_manager()), token(cast.admin.request())],
            agent,
        }
    }

    /// A request of the agent for a token.
    fn request(&self) -> TokenRequest {
        let request = TokenRequest::client_credentials(&self.agent, self.secret.as_str());
        request.resource(ISSUER)
    }
}

/// A process that was just opened, and what is asked of it.
struct Turn<'a> {
    test: &'a TestIdp,
    of: &'a Subject,
    process: Idp,
    /// As the manager has it, and its organization.
    theirs: Idp,
    org: OrgHandle,
    /// As the administrator of the instance has it.
    admin: Idp,
}

impl<'a> Turn<'a> {
    fn new(test: &'a TestIdp, cast: &Cast, of: &'a Subject) -> Turn<'a> {
        let process = test.reopen();
        let [theirs, admin] = of.asks.each_ref().map(|token| process.on_behalf_of(token).unwrap());
        // Whether another process has changed the keys is to be asked again.
        test.clock.step(KEYS_STALE_MAX);
        let org = theirs.org(&cast.acme);
        Turn { test, of, process, theirs, org, admin }
    }
}

/// More reads than any verb makes: the loop must end before.
const READS_MAX: u64 = 300;

fn sweep_reads(test: &TestIdp, cast: &Cast, tried: &Tried, changes: bool) {
    let Tried { name, goes_on_without, verb } = tried;
    let mut subject = Subject::new(test, cast);
    let mut passed_over = 0;
    for at in 0.. {
        assert!(at < READS_MAX, "{name}: the sweep does not end");
        if changes {
            subject = Subject::new(test, cast);
        }
        let turn = Turn::new(test, cast, &subject);
        let before = state(test, cast);
        test.store.arm(Fault::Read(at));
        let outcome = verb(&turn);
        if !test.store.disarm() {
            assert_eq!(outcome, Ok(()), "{name}");
            assert!(at > 0, "{name} reads nothing");
            break;
        }
        passed_over += usize::from(outcome.is_ok());
        if let Err(code) = outcome {
            assert_eq!(code, ErrorCode::DatabaseFailed, "{name}: read {at}");
            assert_eq!(state(test, cast), before, "{name}: read {at}");
            assert_eq!(verb(&turn), Ok(()), "{name}: a retry after read {at}");
        }
    }
    assert!(goes_on_without.is_none_or(|times| passed_over == times), "{name}: {passed_over}");
}

fn who_looks_is_told_that_the_database_failed(engine: Engine) {
    let test = engine.idp();
    let cast = Cast::new(&test);
    for tried in LOOKS {
        sweep_reads(&test, &cast, tried, false);
    }
    test.finish();
}

fn who_changes_something_is_told_that_the_database_failed(engine: Engine) {
    let test = engine.idp();
    let cast = Cast::new(&test);
    for tried in CHANGES {
        sweep_reads(&test, &cast, tried, true);
    }
    test.finish();
}

/// All that a verb could have changed, counted.
fn state(test: &TestIdp, cast: &Cast) -> Vec<i64> {
    let system = OrgId::system();
    let of = |organization| STATE.iter().map(move |sql| test.count(organization, sql));
    of(&cast.acme).chain(of(&system)).collect()
}

const STATE: &[&str] = &[
    "SELECT (SELECT COUNT(*) FROM audit_logs WHERE organization_id = ?1)
        + (SELECT COUNT(*) FROM audit_pending WHERE organization_id = ?1)",
    "SELECT version FROM organizations WHERE organization_id = ?1",
    "SELECT COUNT(*) FROM agents WHERE organization_id = ?1",
    "SELECT CAST(SUM(version) AS BIGINT) FROM agents WHERE organization_id = ?1",
    "SELECT COUNT(*) FROM agent_keys WHERE organization_id = ?1 AND state = 'current'",
    "SELECT COUNT(*) FROM credentials WHERE organization_id = ?1 AND status = 'active'",
    "SELECT COUNT(*) FROM members WHERE organization_id = ?1",
    "SELECT COUNT(*) FROM revoked_tokens WHERE organization_id = ?1",
    "SELECT COUNT(*) FROM single_uses WHERE organization_id = ?1",
    "SELECT COUNT(*) FROM idempotency_keys WHERE organization_id = ?1",
];
