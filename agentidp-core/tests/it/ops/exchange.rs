//! One token for another (RFC 8693).

use agentidp_core::store::Value as Sql;
use agentidp_core::{
    AccessError, AgentId, CredentialError, Denied, ErrorCode, IntrospectionRequest, NewAgent,
    NewCredential, OrgId, PageRequest, RevocationRequest, Role, TokenExchange, TokenRequest,
    TokenResponse,
};
use agentidp_testkit::{API, ISSUER, TestIdp};
use serde_json::json;
use std::time::Duration;

use super::Engine;
use super::faults::{successes_in, sweep};
use super::introspection::Member;
use super::token_life::{END_AGENTS_TOKENS, SET_AGENT_STATUS, change, margin};

super::on_every_engine!(
    an_agent_acts_for_another_whose_token_says_that_it_may,
    a_chain_of_agents_is_told_and_has_an_end,
    nobody_acts_whom_the_token_does_not_name,
    a_token_is_never_wider_nor_longer_than_the_one_it_was_exchanged_for,
    whoever_acts_in_a_chain_ends_it_by_its_own_end,
    who_acts_has_the_scopes_and_not_the_role_and_is_told_as_the_doer,
    who_acts_for_another_ends_its_tokens_by_scope_alone,
    an_actor_token_that_was_ended_is_refused,
    what_is_exchanged_right_after_an_end_lives,
    tokens_that_are_not_handed_to_the_client_are_refused,
    exchanging_is_all_or_nothing,
);

struct Cast {
    org: OrgId,
    ada: Member,
    bob: Member,
    cleo: Member,
}

/// Three agents of acme, which may ask for tokens for the API.
fn cast(test: &TestIdp) -> Cast {
    let acme = test.tenant("acme").org.id;
    let member = |name: &str| {
        let new = NewAgent::new(name).scope("tools:read").scope("tools:write").scope("agents:read");
        Member::new(test, &acme, new.audience(API).url(format!("https://{name}.example.com")))
    };
    Cast { ada: member("ada"), bob: member("bob"), cleo: member("cleo"), org: acme.clone() }
}

/// A token of `who` for `resource`, by which `actor` may act.
fn token(test: &TestIdp, who: &Member, resource: &str, actor: &AgentId) -> String {
    test.idp.token(&who.request().resource(resource).may_act(actor)).unwrap().access_token
}

fn exchange(who: &Member, subject_token: &str) -> TokenRequest {
    who.request().exchange(TokenExchange::new(subject_token))
}

fn code(test: &TestIdp, request: &TokenRequest) -> Option<ErrorCode> {
    test.idp.token(request).err().map(|error| error.code())
}

fn an_agent_acts_for_another_whose_token_says_that_it_may(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, .. } = cast(&test);
    let subject = token(&test, &ada, ISSUER, &bob.id);
    for own in [None, Some(bob.request().resource(ISSUER))] {
        let mut handed_in = TokenExchange::new(subject.as_str());
        if let Some(own) = own {
            handed_in = handed_in.actor_token(test.idp.token(&own).unwrap().access_token);
        }
        let request = bob.request().exchange(handed_in).scope("tools:read").resource(API);
        let TokenResponse { access_token, issued_token_type, scope, id_token, .. } =
            test.idp.token(&request).unwrap();
        assert_eq!(issued_token_type, Some("urn:ietf:params:oauth:token-type:access_token"));
        assert_eq!((scope.as_deref(), id_token), (Some("tools:read"), None));
        let claims = test.idp.verifier().verify_access_token(&access_token, API).unwrap();
        assert_eq!(
            (claims.sub.as_str(), claims.client_id.as_str()),
            (ada.id.as_str(), bob.id.as_str())
        );
        assert_eq!(claims.act, Some(json!({ "sub": bob.id })));
        assert_eq!(claims.may_act, None);
        assert_eq!(claims.agent_did, Some(test.idp.org(&org).agent(&ada.id).unwrap().did));
    }
    let page = PageRequest::first().limit(500);
    let entry = test.idp.org(&org).audit(&page).unwrap().items.pop().unwrap();
    assert_eq!(entry.actor, Some(bob.id.clone()));
    assert_eq!(entry.data["onBehalfOf"], json!(ada.id));
    test.finish();
}

fn a_chain_of_agents_is_told_and_has_an_end(engine: Engine) {
    let test = engine.idp();
    let Cast { ada, bob, cleo, .. } = cast(&test);
    let mut subject = token(&test, &ada, ISSUER, &bob.id);
    for (turn, (who, next)) in
        [(&bob, &cleo), (&cleo, &bob), (&bob, &cleo), (&cleo, &bob)].into_iter().enumerate()
    {
        let request = exchange(who, &subject).resource(ISSUER).may_act(&next.id);
        subject = test.idp.token(&request).unwrap().access_token;
        let claims = test.idp.verifier().verify_access_token(&subject, ISSUER).unwrap();
        assert_eq!(claims.sub, ada.id.as_str());
        let mut depth = 0;
        let mut act = claims.act.as_ref();
        while let Some(inner) = act {
            depth += 1;
            act = inner.get("act");
        }
        assert_eq!(depth, turn + 1);
    }
    assert_eq!(
        code(&test, &exchange(&bob, &subject).resource(ISSUER)),
        Some(ErrorCode::ExchangeRefused)
    );
    test.finish();
}

fn nobody_acts_whom_the_token_does_not_name(engine: Engine) {
    let test = engine.idp();
    let Cast { ada, bob, cleo, .. } = cast(&test);
    let refused = Some(ErrorCode::ExchangeRefused);
    let named = token(&test, &ada, ISSUER, &bob.id);
    let unnamed = test.idp.token(&ada.request().resource(ISSUER)).unwrap().access_token;
    let own = |who: &Member| test.idp.token(&who.request().resource(ISSUER)).unwrap().access_token;
    let with_actor = |who: &Member, subject: &str, actor: String| {
        who.request().exchange(TokenExchange::new(subject).actor_token(actor)).resource(ISSUER)
    };
    assert_eq!(code(&test, &exchange(&cleo, &named).resource(ISSUER)), refused);
    assert_eq!(code(&test, &exchange(&bob, &unnamed).resource(ISSUER)), refused);
    assert_eq!(code(&test, &with_actor(&cleo, &named, own(&cleo))), refused);
    assert_eq!(code(&test, &with_actor(&bob, &unnamed, own(&bob))), refused);
    // An actor token is the client's own: another's does not lend it its name.
    assert_eq!(code(&test, &with_actor(&cleo, &named, own(&bob))), refused);
    assert_eq!(code(&test, &with_actor(&bob, &named, own(&cleo))), refused);
    assert_eq!(code(&test, &with_actor(&bob, &named, "no token".to_owned())), refused);
    assert_eq!(code(&test, &with_actor(&bob, &named, own(&bob))), None);
    // Everybody may narrow its own token, and nobody is said to act then.
    let narrower = exchange(&ada, &unnamed).scope("tools:read").resource(ISSUER);
    let narrower = test.idp.token(&narrower).unwrap();
    let claims = test.idp.verifier().verify_access_token(&narrower.access_token, ISSUER).unwrap();
    assert_eq!((claims.act, claims.scope.as_deref()), (None, Some("tools:read")));
    let nobody = ada.request().resource(ISSUER).may_act("somebody");
    assert_eq!(code(&test, &nobody), Some(ErrorCode::InvalidInput));
    test.finish();
}

fn a_token_is_never_wider_nor_longer_than_the_one_it_was_exchanged_for(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, .. } = cast(&test);
    let asked = ada.request().resource(ISSUER).scope("tools:read").may_act(&bob.id);
    let subject = test.idp.token(&asked).unwrap().access_token;
    let ask = |scope: &str| exchange(&bob, &subject).scope(scope).resource(ISSUER);
    for wider in ["tools:write", "tools:read tools:write", "agents:read", "openid"] {
        assert_eq!(code(&test, &ask(wider)), Some(ErrorCode::InvalidScope), "{wider}");
    }
    assert_eq!(test.idp.token(&ask("tools:read")).unwrap().expires_in, 3600);
    test.clock.step(Duration::from_secs(600));
    let response = test.idp.token(&exchange(&bob, &subject).resource(ISSUER)).unwrap();
    assert_eq!((response.expires_in, response.scope.as_deref()), (3000, Some("tools:read")));
    let elsewhere = exchange(&bob, &subject).resource("https://other.example.com");
    assert_eq!(code(&test, &elsewhere), Some(ErrorCode::InvalidTarget));
    // A scope that the subject is not registered with any more is nobody's.
    let changes = agentidp_core::AgentChanges::new().scopes(["tools:write"]);
    test.idp.org(&org).update_agent(&ada.id, &changes).unwrap();
    assert_eq!(code(&test, &ask("tools:read")), Some(ErrorCode::InvalidScope));
    test.clock.step(Duration::from_secs(3000));
    assert_eq!(code(&test, &exchange(&bob, &subject)), Some(ErrorCode::ExchangeRefused));
    test.finish();
}

fn whoever_acts_in_a_chain_ends_it_by_its_own_end(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, cleo } = cast(&test);
    let subject = token(&test, &ada, ISSUER, &bob.id);
    let chained = exchange(&bob, &subject).resource(ISSUER).may_act(&cleo.id);
    let chained = test.idp.token(&chained).unwrap().access_token;
    let last = test.idp.token(&exchange(&cleo, &chained).resource(ISSUER)).unwrap().access_token;
    let live = |token: &str| {
        let question = IntrospectionRequest::new(token);
        let active = test.idp.introspect(&question).unwrap().active;
        assert_eq!(test.idp.on_behalf_of(token).is_ok(), active);
        active
    };
    assert!(live(&subject) && live(&chained) && live(&last));
    let status = |agent: &AgentId, status: &'static str| {
        let params = [Sql::Text(agent.as_str()), Sql::Text(status)];
        change(&test, &org, SET_AGENT_STATUS, &params);
    };
    // Bob stands in the middle of the chain.
    status(&bob.id, "suspended");
    assert_eq!((live(&subject), live(&chained), live(&last)), (true, false, false));
    let refused = Some(ErrorCode::ExchangeRefused);
    assert_eq!(code(&test, &exchange(&cleo, &chained).resource(ISSUER)), refused);
    assert!(matches!(test.idp.on_behalf_of(&last), Err(AccessError::NotActive)));
    status(&bob.id, "active");
    assert!(live(&last));
    let end = |agent: &AgentId| {
        let params = [Sql::Text(agent.as_str()), Sql::Int(margin(&test).as_micros())];
        change(&test, &org, END_AGENTS_TOKENS, &params);
    };
    end(&bob.id);
    assert_eq!((live(&subject), live(&chained), live(&last)), (true, false, false));
    // What Bob gets now counts as issued after that end.
    let again = test.idp.token(&exchange(&bob, &subject).resource(ISSUER)).unwrap().access_token;
    assert!(live(&again));
    end(&ada.id);
    assert_eq!((live(&subject), live(&again)), (false, false));
    assert_eq!(code(&test, &exchange(&bob, &subject).resource(ISSUER)), refused);
    test.finish();
}

fn who_acts_has_the_scopes_and_not_the_role_and_is_told_as_the_doer(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let org = test.idp.org(&acme);
    let scopes = ["agents:write", "agents:read", "credentials:write"];
    let owner = scopes.into_iter().fold(NewAgent::new("owner"), NewAgent::scope);
    let owner = Member::new(&test, &acme, owner);
    let helper = Member::new(&test, &acme, NewAgent::new("helper"));
    org.add_member(&owner.id, Role::Owner).unwrap();
    let subject = token(&test, &owner, ISSUER, &helper.id);
    let changed = agentidp_core::OrgChanges::default().name("Acme Ltd");
    test.idp.on_behalf_of(&subject).unwrap().org(&acme).update(changed.clone()).unwrap();
    let delegated = test.idp.token(&exchange(&helper, &subject).resource(ISSUER)).unwrap();
    let helping = test.idp.on_behalf_of(&delegated.access_token).unwrap().org(&acme);
    let denied = helping.update(changed).unwrap_err();
    assert_eq!(denied.code(), ErrorCode::Forbidden);
    let made = helping.register_agent(NewAgent::new("made")).unwrap();
    // Nor does it get a secret of the owner, all of whose scopes it holds, and not the role.
    let secret = helping.issue_credential(&owner.id, NewCredential::default()).unwrap_err();
    assert!(matches!(secret, CredentialError::Denied(Denied::RoleMissing)), "{secret}");
    let itself = test.idp.on_behalf_of(&subject).unwrap().org(&acme);
    itself.issue_credential(&owner.id, NewCredential::default()).unwrap();
    let page = PageRequest::first().limit(500);
    let trail = org.audit(&page).unwrap().items;
    let entry =
        trail.iter().find(|entry| entry.target.as_deref() == Some(made.id.as_str())).unwrap();
    assert_eq!(entry.actor, Some(helper.id.clone()));
    assert_eq!(entry.data["onBehalfOf"], json!(owner.id));
    test.finish();
}

fn who_acts_for_another_ends_its_tokens_by_scope_alone(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let owner = NewAgent::new("owner").scope("agents:read").scope("tokens:revoke");
    let owner = Member::new(&test, &acme, owner);
    let helper = Member::new(&test, &acme, NewAgent::new("helper"));
    let subject = token(&test, &owner, ISSUER, &helper.id);
    let other = token(&test, &owner, ISSUER, &helper.id);
    let delegated = |scope: &str| {
        let request = exchange(&helper, &subject).scope(scope).resource(ISSUER);
        let token = test.idp.token(&request).unwrap().access_token;
        test.idp.on_behalf_of(&token).unwrap()
    };
    let revocation = agentidp_core::RevocationRequest::new(other.as_str());
    let question = IntrospectionRequest::new(other.as_str());
    let told = || {
        let page = PageRequest::first().limit(500);
        let entry = test.idp.org(&acme).audit(&page).unwrap().items.pop().unwrap();
        assert_eq!(entry.event_type, "token.revoked");
        assert_eq!(entry.actor, Some(helper.id.clone()));
        assert_eq!(entry.data["onBehalfOf"], json!(owner.id));
        entry.outcome
    };
    // The token is the owner's own, and the helper is not the owner.
    let narrow = delegated("agents:read");
    assert!(!narrow.introspect(&question).unwrap().active);
    assert_eq!(narrow.revoke(&revocation).unwrap_err().code(), ErrorCode::UnauthorizedClient);
    assert_eq!(told(), agentidp_core::audit::Outcome::Refused);
    assert!(delegated("tokens:revoke").revoke(&revocation).unwrap());
    assert_eq!(told(), agentidp_core::audit::Outcome::Success);
    assert!(!test.idp.introspect(&question).unwrap().active);
    test.finish();
}

fn an_actor_token_that_was_ended_is_refused(engine: Engine) {
    let test = engine.idp();
    let Cast { ada, bob, .. } = cast(&test);
    let subject = token(&test, &ada, ISSUER, &bob.id);
    let actor = test.idp.token(&bob.request().resource(ISSUER)).unwrap().access_token;
    let handed_in = TokenExchange::new(subject.as_str()).actor_token(actor.as_str());
    let request = bob.request().exchange(handed_in).resource(ISSUER);
    test.idp.token(&request).unwrap();
    assert!(test.idp.revoke(&RevocationRequest::new(actor.as_str())).unwrap());
    // Without it the client may act all the same; with it, it says what is not so.
    assert_eq!(code(&test, &request), Some(ErrorCode::ExchangeRefused));
    assert_eq!(code(&test, &exchange(&bob, &subject).resource(ISSUER)), None);
    test.finish();
}

/// Tokens of the subject that are issued after an end count as issued a little later than they are, and
/// so must those that another agent, which nothing ended, gets for them.
fn what_is_exchanged_right_after_an_end_lives(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, .. } = cast(&test);
    let org = test.idp.org(&org);
    org.suspend_agent(&ada.id).unwrap();
    org.reactivate_agent(&ada.id).unwrap();
    let subject = token(&test, &ada, ISSUER, &bob.id);
    let request = exchange(&bob, &subject).resource(ISSUER);
    let exchanged = test.idp.token(&request).unwrap().access_token;
    let question = IntrospectionRequest::new(exchanged.as_str());
    assert!(test.idp.introspect(&question).unwrap().active);
    test.idp.on_behalf_of(&exchanged).unwrap();
    test.finish();
}

fn tokens_that_are_not_handed_to_the_client_are_refused(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, .. } = cast(&test);
    let globex = test.tenant("globex");
    let refused = Some(ErrorCode::ExchangeRefused);
    let other = Member::new(&test, &globex.org.id, NewAgent::new("other").scope("tools:read"));
    // Another organization's token is as good as none, whomever it names.
    let foreign = token(&test, &ada, ISSUER, &other.id);
    assert_eq!(code(&test, &exchange(&other, &foreign)), refused);
    // One that was meant for another resource leaked from there.
    let leaked = token(&test, &ada, API, &bob.id);
    assert_eq!(code(&test, &exchange(&bob, &leaked).resource(ISSUER)), refused);
    // One that is meant for the client by its URL is handed to it.
    let changes = agentidp_core::AgentChanges::new().audiences([API, "https://bob.example.com"]);
    test.idp.org(&org).update_agent(&ada.id, &changes).unwrap();
    let handed = token(&test, &ada, "https://bob.example.com", &bob.id);
    assert_eq!(code(&test, &exchange(&bob, &handed).resource(API)), None);
    let good = token(&test, &ada, ISSUER, &bob.id);
    let id_token = test.tenant("initech");
    let id_token = test.idp.token(&id_token.request().scope("openid")).unwrap().id_token.unwrap();
    for wrong in ["", "no token", &id_token, good.trim_end_matches(|c| c != '.')] {
        assert_eq!(code(&test, &exchange(&bob, wrong).resource(ISSUER)), refused);
    }
    let revoked = agentidp_core::RevocationRequest::new(good.as_str());
    assert!(test.idp.revoke(&revoked).unwrap());
    assert_eq!(code(&test, &exchange(&bob, &good).resource(ISSUER)), refused);
    test.finish();
}

fn exchanging_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let Cast { org, ada, bob, .. } = cast(&test);
    let subject = token(&test, &ada, ISSUER, &bob.id);
    let request = exchange(&bob, &subject).resource(ISSUER);
    let verb = |_| test.idp.token(&request).map(drop).map_err(|error| error.code());
    sweep(&test, verb, |test, successes| {
        assert_eq!(successes_in(&test.trail(&org), "token.issued"), successes + 1);
    });
    test.finish();
}
