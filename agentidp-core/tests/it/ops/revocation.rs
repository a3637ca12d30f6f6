//! Tokens that are ended one by one, by whom they belong to or who may; and forgotten in time.

use std::time::Duration;

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{
    AccessError, Denied, ErrorCode, Jti, NewAgent, OrgId, RevocationRequest, SystemRng, TokenError,
};
use agentidp_testkit::{API, ISSUER, Tenant, TestIdp};

use super::Engine;
use super::faults::{successes_in, sweep};
use super::introspection::{Member, ask};
use super::token_life::{END_AGENTS_TOKENS, change, margin};

super::on_every_engine!(
    a_client_ends_its_own_token_and_no_other,
    what_is_no_token_to_be_ended_is_no_failure,
    anothers_token_is_refused_whoever_has_it,
    who_may_ends_tokens_of_its_organization,
    a_token_is_ended_by_its_name_alone,
    a_name_ends_a_token_also_a_little_before_it_is_issued_and_after_it_expired,
    ended_tokens_are_forgotten_when_nobody_accepts_them_any_more,
    ending_a_token_is_all_or_nothing,
    ending_a_token_by_its_name_is_all_or_nothing,
    who_subscribes_is_told,
);

fn token(test: &TestIdp, tenant: &Tenant) -> String {
    test.idp.token(&tenant.request()).unwrap().access_token
}

fn jti(test: &TestIdp, token: &str) -> Jti {
    Jti::parse(ask(&test.idp, token).jti.as_deref().unwrap()).unwrap()
}

/// Asks to end `token`, by the secret of the tenant's agent.
fn revoke(test: &TestIdp, tenant: &Tenant, token: &str) -> bool {
    let request = RevocationRequest::new(token);
    let request = request.client(&tenant.agent.id, tenant.credential.secret());
    test.idp.revoke(&request).unwrap()
}

/// RFC 7009 section 2.1: the request is refused, and the client is told.
#[track_caller]
fn assert_anothers(answer: Result<bool, TokenError>) {
    let refused = answer.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::UnauthorizedClient, "{refused:?}");
    assert_eq!(refused.to_string(), "the token is another client's");
}

fn revoked(test: &TestIdp, organization: &OrgId) -> i64 {
    count(test, organization, "SELECT COUNT(*) FROM revoked_tokens WHERE organization_id = ?1")
}

/// The one number that `sql` answers in the organization.
pub(super) fn count(test: &TestIdp, organization: &OrgId, sql: &'static str) -> i64 {
    let store: &dyn Store = &*test.store;
    let mut count = 0;
    let read = store.read::<_, StoreError>(&Scope::Org(organization.clone()), |tx| {
        tx.query(sql, &[], &mut |row| {
            count = row.int(0)?;
            Ok(())
        })
    });
    read.unwrap();
    count
}

fn a_client_ends_its_own_token_and_no_other(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let ours = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    let (other, foreign) = (token(&test, &acme), token(&test, &globex));
    let bound = test.idp.on_behalf_of(&ours).unwrap();
    assert!(revoke(&test, &acme, &ours));
    assert!(!ask(&test.idp, &ours).active);
    assert!(matches!(test.idp.on_behalf_of(&ours), Err(AccessError::NotActive)));
    assert!(bound.org(&acme.org.id).get().is_err(), "also where it was admitted before");
    assert!(ask(&test.idp, &other).active && ask(&test.idp, &foreign).active);
    test.idp
        .verifier()
        .verify_access_token(&ours, ISSUER)
        .expect("offline it is valid for a while");
    // Once more is the same.
    assert!(revoke(&test, &acme, &ours));
    assert_eq!(successes_in(&test.trail(&acme.org.id), "token.revoked"), 1);
    assert_eq!((revoked(&test, &acme.org.id), revoked(&test, &globex.org.id)), (1, 0));
    // A bearer needs no scope to end its own tokens, that by which it acts among them.
    let own = Member { id: acme.agent.id.clone(), secret: acme.credential.secret().to_owned() };
    let mine = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    let bearer = test.idp.on_behalf_of(&mine).unwrap();
    assert!(bearer.revoke(&RevocationRequest::new(other.as_str())).unwrap());
    assert!(!ask(&test.idp, &other).active);
    assert!(bearer.revoke(&RevocationRequest::new(mine.as_str())).unwrap());
    let denied = bearer.revoke(&RevocationRequest::new(own.token(&test).as_str())).unwrap_err();
    assert!(matches!(denied, TokenError::Denied(Denied::NotActive)), "{denied:?}");
    test.finish();
}

fn what_is_no_token_to_be_ended_is_no_failure(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let issued = test.idp.token(&acme.request().scope("openid")).unwrap();
    let before = test.trail(&acme.org.id);
    for text in ["", "nonsense", "a.b.c", issued.id_token.as_deref().unwrap()] {
        assert!(!revoke(&test, &acme, text), "{text}");
        assert!(!test.idp.revoke(&RevocationRequest::new(text)).unwrap());
        assert!(!test.idp.org(&acme.org.id).revoke_token(text).unwrap());
    }
    test.clock.step(Duration::from_secs(3660));
    assert!(!revoke(&test, &acme, &issued.access_token), "it has expired");
    assert_eq!(test.trail(&acme.org.id), before);
    assert_eq!(revoked(&test, &acme.org.id), 0);
    test.finish();
}

fn anothers_token_is_refused_whoever_has_it(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let peer = NewAgent::new("peer").scope("tokens:introspect").audience(API);
    let peer = Member::new(&test, &acme.org.id, peer);
    let theirs = peer.token(&test);
    let before = test.trail(&globex.org.id);
    for target in [&theirs, &token(&test, &globex)] {
        let request = RevocationRequest::new(target.as_str());
        let request = request.client(&acme.agent.id, acme.credential.secret());
        assert_anothers(test.idp.revoke(&request));
        assert!(ask(&test.idp, target).active);
    }
    let refused = test.trail(&acme.org.id);
    let refused = refused.iter().filter(|entry| *entry == "token.revoked Refused").count();
    assert_eq!(refused, 2, "the asker's own log has it");
    assert_eq!(test.trail(&globex.org.id).len(), before.len() + 1, "its own token, no more");
    // To introspect is not to revoke.
    let bearer = peer.bearer(&test);
    assert_anothers(bearer.revoke(&RevocationRequest::new(token(&test, &acme).as_str())));
    assert_eq!(revoked(&test, &acme.org.id) + revoked(&test, &globex.org.id), 0);
    test.finish();
}

fn who_may_ends_tokens_of_its_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let guard = NewAgent::new("guard").scope("tokens:revoke");
    let guard = Member::new(&test, &acme.org.id, guard);
    let nobody = Member::new(&test, &acme.org.id, NewAgent::new("nobody").scope("agents:read"));
    let (guard_handle, nobody_handle) = (guard.bearer(&test), nobody.bearer(&test));
    let (own, foreign) = (token(&test, &acme), token(&test, &globex));

    let org = nobody_handle.org(&acme.org.id);
    // Nor is it told which are tokens, and whose.
    for denied in [
        org.revoke_token(&own),
        org.revoke_token(&foreign),
        org.revoke_token("nonsense"),
        org.revoke_jti(&jti(&test, &own)),
    ] {
        let denied = denied.unwrap_err();
        assert!(matches!(denied, TokenError::Denied(Denied::ScopeMissing("tokens:revoke"))));
    }
    assert_anothers(nobody_handle.revoke(&RevocationRequest::new(own.as_str())));
    let elsewhere = guard_handle.org(&globex.org.id);
    for denied in [
        elsewhere.revoke_token(&foreign),
        elsewhere.revoke_token("nonsense"),
        elsewhere.revoke_jti(&jti(&test, &foreign)),
    ] {
        assert!(matches!(denied, Err(TokenError::NotFound)));
    }
    assert_anothers(guard_handle.revoke(&RevocationRequest::new(foreign.as_str())));
    assert!(!guard_handle.org(&acme.org.id).revoke_token(&foreign).unwrap());
    assert!(ask(&test.idp, &own).active && ask(&test.idp, &foreign).active);

    // By each of the ways that there are, and the operator by all of them.
    let by_secret = |token: &str| {
        let request = RevocationRequest::new(token).client(&guard.id, guard.secret.as_str());
        test.idp.revoke(&request)
    };
    let org = guard_handle.org(&acme.org.id);
    let operator = test.idp.org(&acme.org.id);
    type Way<'a> = &'a dyn Fn(&str) -> Result<bool, TokenError>;
    let ways: [Way<'_>; 7] = [
        &by_secret,
        &|token| guard_handle.revoke(&RevocationRequest::new(token)),
        &|token| org.revoke_token(token),
        &|token| org.revoke_jti(&jti(&test, token)),
        &|token| test.idp.revoke(&RevocationRequest::new(token)),
        &|token| operator.revoke_token(token),
        &|token| operator.revoke_jti(&jti(&test, token)),
    ];
    for (at, way) in ways.iter().enumerate() {
        let own = token(&test, &acme);
        assert!(way(&own).unwrap(), "{at}");
        assert!(!ask(&test.idp, &own).active, "{at}");
        assert_eq!(revoked(&test, &acme.org.id), at as i64 + 1);
    }
    assert!(!operator.revoke_token(&foreign).unwrap());
    let page = agentidp_core::PageRequest::first().limit(500);
    let page = test.idp.org(&acme.org.id).audit(&page).unwrap();
    let done = agentidp_core::audit::Outcome::Success;
    let ended = page.items.iter();
    let ended = ended.filter(|entry| entry.event_type == "token.revoked" && entry.outcome == done);
    let by_guard = ended.filter(|entry| entry.actor.as_ref() == Some(&guard.id)).count();
    assert_eq!(by_guard, 4);
    let nowhere = OrgId::parse(guard.id.as_str()).unwrap();
    let nowhere = test.idp.org(&nowhere).revoke_jti(&jti(&test, &foreign));
    assert!(matches!(nowhere, Err(TokenError::NotFound)));
    test.finish();
}

fn a_token_is_ended_by_its_name_alone(engine: Engine) {
    use agentidp_core::Clock as _;
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let own = token(&test, &acme);
    let name = jti(&test, &own);
    // In another organization the name ends nothing.
    assert!(test.idp.org(&globex.org.id).revoke_jti(&name).unwrap());
    assert!(ask(&test.idp, &own).active);
    assert!(test.idp.org(&acme.org.id).revoke_jti(&name).unwrap());
    assert!(!ask(&test.idp, &own).active);
    let org = test.idp.org(&acme.org.id);
    let future = test.clock.now().plus(Duration::from_secs(600));
    for not_ours in [
        Jti::generate_at(future, &SystemRng).unwrap(),
        Jti::parse("f81d4fae-7dec-41d0-a765-00a0c91e6bf6").unwrap(),
    ] {
        let refused = org.revoke_jti(&not_ours).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidInput);
    }
    test.clock.step(Duration::from_secs(3700));
    assert!(!org.revoke_jti(&name).unwrap(), "nobody accepts it any more");
    test.finish();
}

fn a_name_ends_a_token_also_a_little_before_it_is_issued_and_after_it_expired(engine: Engine) {
    use agentidp_core::Clock as _;
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let until = margin(&test).as_micros();
    let params = [Value::Text(acme.agent.id.as_str()), Value::Int(until)];
    change(&test, &acme.org.id, END_AGENTS_TOKENS, &params);
    // It counts as issued after all that were ended, which is later than now.
    let ahead = token(&test, &acme);
    let name = jti(&test, &ahead);
    assert!(name.time().unwrap() > test.clock.now().plus(Duration::from_secs(14)));
    assert!(org.revoke_jti(&name).unwrap());
    assert!(!ask(&test.idp, &ahead).active);
    // By a clock that is ahead of ours by the skew, and not by more.
    let named = |seconds| {
        let at = test.clock.now().plus(Duration::from_secs(seconds));
        org.revoke_jti(&Jti::generate_at(at, &SystemRng).unwrap())
    };
    assert!(named(75).unwrap());
    assert_eq!(named(76).unwrap_err().code(), ErrorCode::InvalidInput);
    // Verifiers accept a token for the skew after its end.
    test.clock.step(Duration::from_secs(60));
    let name = jti(&test, &token(&test, &acme));
    test.clock.step(Duration::from_secs(3659));
    assert!(org.revoke_jti(&name).unwrap());
    test.clock.step(Duration::from_secs(1));
    assert!(!org.revoke_jti(&name).unwrap(), "nobody accepts it any more");
    test.finish();
}

fn ended_tokens_are_forgotten_when_nobody_accepts_them_any_more(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let end = |tenant: &Tenant| {
        let token = token(&test, tenant);
        assert!(revoke(&test, tenant, &token));
        token
    };
    let counts = || (revoked(&test, &acme.org.id), revoked(&test, &globex.org.id));
    let first = end(&acme);
    end(&globex);
    assert_eq!(test.idp.tick().unwrap().tokens_forgotten, 0);
    // Verifiers accept a token for the skew after its end: until then it is remembered.
    test.clock.step(Duration::from_secs(3659));
    assert_eq!(test.idp.tick().unwrap().tokens_forgotten, 0);
    assert!(matches!(test.idp.on_behalf_of(&first), Err(AccessError::Token(_))));
    test.clock.step(Duration::from_secs(2));
    // Whoever ends a token forgets its own organization's alone.
    end(&acme);
    assert_eq!(counts(), (1, 1));
    end(&globex);
    end(&globex);
    test.clock.step(Duration::from_secs(1800));
    end(&globex);
    assert_eq!(counts(), (1, 3));
    test.clock.step(Duration::from_secs(1900));
    assert_eq!(test.idp.tick().unwrap().tokens_forgotten, 3);
    assert_eq!(counts(), (0, 1));
    test.finish();
}

fn ending_a_token_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let tokens: Vec<String> = (0..60).map(|_| token(&test, &acme)).collect();
    let mut next = tokens.iter();
    let verb = |_| {
        let token = next.next().unwrap();
        let request = RevocationRequest::new(token.as_str());
        let request = request.client(&acme.agent.id, acme.credential.secret());
        let done = test.idp.revoke(&request);
        let active = test.store.aside(|| ask(&test.idp, token).active);
        assert_eq!(active, done.is_err());
        done.map(|was_live| assert!(was_live)).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "token.revoked"), successes);
        assert_eq!(revoked(test, &acme.org.id), successes as i64);
    });
    test.finish();
}

fn ending_a_token_by_its_name_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let names: Vec<Jti> = (0..60).map(|_| jti(&test, &token(&test, &acme))).collect();
    let mut next = names.iter();
    let org = test.idp.org(&acme.org.id);
    let verb = |_| {
        let done = org.revoke_jti(next.next().unwrap());
        done.map(|was_live| assert!(was_live)).map_err(|error| error.code())
    };
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&acme.org.id), "token.revoked"), successes);
        assert_eq!(revoked(test, &acme.org.id), successes as i64);
    });
    test.finish();
}

fn who_subscribes_is_told(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    super::outbox::subscribe(&test, &acme.org.id, "token.revoked");
    for tenant in [&acme, &globex] {
        let token = token(&test, tenant);
        revoke(&test, tenant, &token);
        revoke(&test, tenant, &token);
    }
    assert_eq!(super::outbox::deliveries(&test, &acme.org.id), 1);
    assert_eq!(super::outbox::deliveries(&test, &globex.org.id), 0);
    test.finish();
}
