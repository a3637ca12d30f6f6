//! Who learns what of a token, and that everybody else learns nothing.

use agentidp_core::jose::VerifyError;
use agentidp_core::store::Value;
use agentidp_core::{
    AccessError, AgentId, Denied, ErrorCode, Idp, Introspection, IntrospectionRequest, NewAgent,
    NewCredential, OrgId, RevocationRequest, TokenError, TokenRequest,
};
use agentidp_testkit::{API, ISSUER, Tenant, TestIdp};

use super::Engine;
use super::faults::sweep;
use super::token_life::{END_AGENTS_TOKENS, SET_AGENT_STATUS, SET_ORG_STATUS, change, margin};

super::on_every_engine!(
    a_token_is_told_to_its_owner_its_audience_and_who_may_introspect,
    everybody_else_learns_that_it_is_not_active_and_nothing_more,
    what_is_no_live_access_token_of_ours_is_not_active_for_anybody,
    a_token_ends_in_the_second_that_it_says,
    whoever_asks_proves_itself_and_is_active,
    a_refused_question_is_told_or_fails,
    agent_info_tells_of_the_bearer_by_a_token_with_openid,
);

const URL: &str = "https://calendar.example.com/a2a";
const SET_URL: &str = "UPDATE agents SET url = ?3, version = version + 1
    WHERE organization_id = ?1 AND agent_id = ?2";

/// An agent and its secret.
pub(super) struct Member {
    pub(super) id: AgentId,
    pub(super) secret: String,
}

impl Member {
    pub(super) fn new(test: &TestIdp, organization: &OrgId, new: NewAgent) -> Member {
        let org = test.idp.org(organization);
        let id = org.register_agent(new).unwrap().id;
        let credential = org.issue_credential(&id, NewCredential::default()).unwrap();
        Member { id, secret: credential.secret().to_owned() }
    }

    pub(super) fn request(&self) -> TokenRequest {
        TokenRequest::client_credentials(&self.id, self.secret.as_str())
    }

    pub(super) fn token(&self, test: &TestIdp) -> String {
        test.idp.token(&self.request()).unwrap().access_token
    }

    /// The instance as this agent may use it by an access token.
    pub(super) fn bearer(&self, test: &TestIdp) -> Idp {
        let token = test.idp.token(&self.request().resource(ISSUER)).unwrap();
        test.idp.on_behalf_of(&token.access_token).unwrap()
    }

    fn ask(&self, test: &TestIdp, token: &str) -> Introspection {
        let question = IntrospectionRequest::new(token).client(&self.id, self.secret.as_str());
        test.idp.introspect(&question).unwrap()
    }
}

/// What is asked by whom the handle acts for.
pub(super) fn ask(idp: &Idp, token: &str) -> Introspection {
    idp.introspect(&IntrospectionRequest::new(token)).unwrap()
}

fn nothing(answer: &Introspection) -> bool {
    serde_json::to_string(answer).unwrap() == r#"{"active":false}"#
}

/// An agent that is called at [`URL`].
fn calendar(test: &TestIdp, organization: &OrgId) -> Member {
    let calendar = Member::new(test, organization, NewAgent::new("calendar"));
    let params = [Value::Text(calendar.id.as_str()), Value::Text(URL)];
    change(test, organization, SET_URL, &params);
    calendar
}

fn a_token_is_told_to_its_owner_its_audience_and_who_may_introspect(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let owner = NewAgent::new("owner").scope("tools:read").scope("tools:write").audience(URL);
    let owner = Member::new(&test, &acme, owner);
    let calendar = calendar(&test, &acme);
    let inspector = NewAgent::new("inspector").scope("tokens:introspect");
    let inspector = Member::new(&test, &acme, inspector);
    let token = owner.token(&test);
    let claims = test.idp.verifier().verify_access_token(&token, URL).unwrap();
    for (answer, who) in [
        (owner.ask(&test, &token), "its owner"),
        (ask(&owner.bearer(&test), &token), "its owner, as a bearer"),
        (calendar.ask(&test, &token), "its audience"),
        (ask(&calendar.bearer(&test), &token), "its audience, as a bearer"),
        (inspector.ask(&test, &token), "who may introspect"),
        (ask(&inspector.bearer(&test), &token), "who may introspect, as a bearer"),
        (ask(&test.idp, &token), "the operator"),
    ] {
        let answer = serde_json::to_value(&answer).unwrap();
        let expected = serde_json::json!({
            "active": true, "scope": "tools:read tools:write", "client_id": owner.id,
            "token_type": "Bearer", "exp": claims.exp, "iat": claims.iat, "sub": owner.id,
            "aud": URL, "iss": ISSUER, "jti": claims.jti, "organization_id": acme,
            "agent_did": claims.agent_did,
        });
        assert_eq!(answer, expected, "{who}");
    }
    // An agent may also be named by its DID.
    let did = test.idp.org(&acme).agent(&inspector.id).unwrap().did;
    let caller = Member::new(&test, &acme, NewAgent::new("caller").audience(did));
    let other = Member::new(&test, &acme, NewAgent::new("other"));
    let token = caller.token(&test);
    let inspector = test.idp.org(&acme).agent(&inspector.id).map(|_| inspector).unwrap();
    assert!(inspector.ask(&test, &token).active);
    assert!(nothing(&other.ask(&test, &token)));
    test.finish();
}

fn everybody_else_learns_that_it_is_not_active_and_nothing_more(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let owner = NewAgent::new("owner").scope("tools:read").audience(URL);
    let owner = Member::new(&test, &acme.org.id, owner);
    let token = owner.token(&test);
    // One that may ask for tokens for the same resource is not that resource.
    let peer = NewAgent::new("peer").scope("tools:read").audience(URL);
    let peer = Member::new(&test, &acme.org.id, peer);
    // Another organization's agents may claim any URL and hold any scope of their own.
    let squatter = calendar(&test, &globex.org.id);
    let inspector = NewAgent::new("inspector").scope("tokens:introspect").scope("tokens:revoke");
    let inspector = Member::new(&test, &globex.org.id, inspector);
    let admin = NewAgent::new("admin").scope("admin:orgs").scope("tokens:introspect");
    let admin = Member::new(&test, &OrgId::system(), admin);
    for (who, name) in [
        (&peer, "a peer"),
        (&squatter, "a squatter"),
        (&inspector, "a foreign inspector"),
        (&admin, "an administrator of the instance"),
    ] {
        assert!(nothing(&who.ask(&test, &token)), "{name}");
        assert!(nothing(&ask(&who.bearer(&test), &token)), "{name}, as a bearer");
    }
    assert!(owner.ask(&test, &token).active);
    // Answers leave no trace, and surely none in the other organization's trail.
    let trail = test.trail(&acme.org.id);
    assert!(!trail.iter().any(|entry| entry.starts_with("token.introspected")));
    test.finish();
}

fn what_is_no_live_access_token_of_ours_is_not_active_for_anybody(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let other = engine.idp();
    let foreign = other.tenant("acme");
    let of = |test: &TestIdp, tenant: &Tenant| test.idp.token(&tenant.request()).unwrap();
    let good = test.idp.token(&acme.request().scope("openid tools:read")).unwrap();
    let token = good.access_token.as_str();
    let ours = |token: &str| (ask(&test.idp, token), client(&test, &acme, token));
    assert!(ours(token).0.active && ours(token).1.active);

    let mut tampered = token.to_owned();
    tampered.replace_range(40..41, if tampered[40..].starts_with('A') { "B" } else { "A" });
    let huge = "a".repeat(1 << 20);
    for (text, what) in [
        ("", "nothing"),
        ("nonsense", "nonsense"),
        ("a.b.c", "the form alone"),
        (huge.as_str(), "a megabyte"),
        (&tampered, "a tampered token"),
        (good.id_token.as_deref().unwrap(), "an ID token"),
        (&of(&other, &foreign).access_token, "another instance's token"),
        (acme.credential.secret(), "a client secret"),
    ] {
        let (operator, client) = ours(text);
        assert!(nothing(&operator) && nothing(&client), "{what}");
    }

    // Suspended, ended, and of a suspended organization.
    let id = Value::Text(acme.agent.id.as_str());
    let status = |status| change(&test, &acme.org.id, SET_AGENT_STATUS, &[id, Value::Text(status)]);
    status("suspended");
    assert!(nothing(&ask(&test.idp, token)));
    status("active");
    assert!(ask(&test.idp, token).active);
    let of_globex = of(&test, &globex).access_token;
    let org_status = |status| change(&test, &globex.org.id, SET_ORG_STATUS, &[Value::Text(status)]);
    for gone in ["suspended", "deleted"] {
        org_status(gone);
        assert!(nothing(&ask(&test.idp, &of_globex)), "{gone}");
    }
    org_status("active");
    assert!(ask(&test.idp, &of_globex).active);
    let until = Value::Int(margin(&test).as_micros());
    change(&test, &acme.org.id, END_AGENTS_TOKENS, &[id, until]);
    assert!(nothing(&ask(&test.idp, token)));
    assert!(ours(&of(&test, &acme).access_token).1.active, "what was issued since");
    test.finish();
}

/// The answer to the tenant's agent, by its secret.
fn client(test: &TestIdp, tenant: &Tenant, token: &str) -> Introspection {
    let question =
        IntrospectionRequest::new(token).client(&tenant.agent.id, tenant.credential.secret());
    test.idp.introspect(&question).unwrap()
}

fn a_token_ends_in_the_second_that_it_says(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let token = test.idp.token(&acme.request()).unwrap().access_token;
    let for_us = acme.request().resource(ISSUER).scope("openid");
    let for_us = test.idp.token(&for_us).unwrap().access_token;
    let exp = ask(&test.idp, &token).exp.unwrap();
    assert_eq!(ask(&test.idp, &for_us).exp, Some(exp));
    let at = |second| test.clock.set(agentidp_core::Timestamp::from_seconds(second));
    at(exp - 1);
    assert!(ask(&test.idp, &token).active);
    test.idp.on_behalf_of(&for_us).unwrap();
    test.idp.agent_info(&for_us).unwrap();
    at(exp);
    assert!(nothing(&ask(&test.idp, &token)), "the skew is for the clocks of others");
    let refused = [
        test.idp.on_behalf_of(&for_us).map(|_| ()).unwrap_err(),
        test.idp.agent_info(&for_us).map(|_| ()).unwrap_err(),
    ];
    for refused in refused {
        assert!(matches!(refused, AccessError::Token(VerifyError::Expired)), "{refused:?}");
    }
    test.idp.verifier().verify_access_token(&token, API).unwrap();
    at(exp + 60);
    assert!(test.idp.verifier().verify_access_token(&token, API).is_err());
    at(exp - 3600 - 61);
    assert!(nothing(&ask(&test.idp, &token)), "before it was issued");
    test.finish();
}

fn whoever_asks_proves_itself_and_is_active(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let token = test.idp.token(&acme.request()).unwrap().access_token;
    let bearer = acme.request().resource(ISSUER);
    let bearer = test.idp.token(&bearer).unwrap().access_token;
    let bearer = test.idp.on_behalf_of(&bearer).unwrap();
    let nobody = "01900000-0000-7000-8000-000000000001".to_owned();
    let own = acme.agent.id.to_string();
    let refused = |id: &str, secret: &str| {
        let question = IntrospectionRequest::new(token.as_str()).client(id, secret);
        let asked = test.idp.introspect(&question).unwrap_err();
        let end = RevocationRequest::new(token.as_str()).client(id, secret);
        let revoked = test.idp.revoke(&end).unwrap_err();
        assert_eq!(asked.to_string(), revoked.to_string());
        assert_eq!(asked.code(), ErrorCode::InvalidClient, "{asked:?}");
        asked.to_string()
    };
    let told = refused(&nobody, acme.credential.secret());
    assert_eq!(refused(&own, "aidp_wrong"), told);
    assert_eq!(refused(&own, globex.credential.secret()), told);
    assert_eq!(refused("", ""), told);
    assert!(client(&test, &acme, &token).active);

    let id = Value::Text(acme.agent.id.as_str());
    change(&test, &acme.org.id, SET_AGENT_STATUS, &[id, Value::Text("suspended")]);
    assert_eq!(refused(&own, acme.credential.secret()), told, "also where it was cached");
    let denied = bearer.introspect(&IntrospectionRequest::new(token.as_str())).unwrap_err();
    assert!(matches!(denied, TokenError::Denied(Denied::NotActive)), "{denied:?}");
    assert_eq!(denied.code(), ErrorCode::InvalidToken);
    let trail = test.trail(&acme.org.id);
    for event in ["token.introspected Refused", "token.revoked Refused", "access.denied Refused"] {
        assert!(trail.iter().any(|entry| entry == event), "{event}: {trail:?}");
    }
    test.finish();
}

fn a_refused_question_is_told_or_fails(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let question = IntrospectionRequest::new("x").client(&acme.agent.id, "aidp_wrong");
    let mut told = 0;
    // A refusal that was told is this verb's success.
    let verb = |_| match test.idp.introspect(&question).unwrap_err() {
        TokenError::Refused(_) => Ok(()),
        error => Err(error.code()),
    };
    sweep(&test, verb, |test, successes| {
        let trail = test.trail(&acme.org.id);
        told = trail.iter().filter(|entry| *entry == "token.introspected Refused").count();
        assert_eq!(told, successes);
    });
    assert!(told > 0);
    test.finish();
}

fn agent_info_tells_of_the_bearer_by_a_token_with_openid(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let issue = |scope: &str| test.idp.token(&acme.request().scope(scope)).unwrap();
    let token = issue("openid tools:read");
    let id_token = token.id_token.as_deref().unwrap();
    let id_claims = test.idp.verifier().verify_id_token(id_token, acme.agent.id.as_str()).unwrap();
    let info = test.idp.agent_info(&token.access_token).unwrap();
    assert_eq!(info.sub, id_claims.sub);
    let json = serde_json::to_value(&info).unwrap();
    let expected = serde_json::json!({
        "sub": acme.agent.id, "organization_id": acme.org.id, "agent_did": acme.agent.did,
        "agent_name": "bot",
    });
    assert_eq!(json, expected);
    let for_us = acme.request().scope("openid").resource(ISSUER);
    let for_us = test.idp.token(&for_us).unwrap();
    assert_eq!(test.idp.agent_info(&for_us.access_token).unwrap(), info, "for any resource");
    let foreign = test.idp.token(&globex.request().scope("openid")).unwrap();
    let foreign = test.idp.agent_info(&foreign.access_token).unwrap();
    assert_eq!(foreign.organization_id, globex.org.id.as_str());

    let lacking = test.idp.agent_info(&issue("tools:read").access_token).unwrap_err();
    assert!(matches!(lacking, AccessError::ScopeMissing("openid")));
    assert_eq!(lacking.code(), ErrorCode::InsufficientScope);
    for wrong in [id_token, "", "a.b.c", acme.credential.secret()] {
        let refused = test.idp.agent_info(wrong).unwrap_err();
        assert!(matches!(refused, AccessError::Token(_)), "{refused:?}");
    }
    let ended = issue("openid").access_token;
    assert!(test.idp.revoke(&RevocationRequest::new(ended.as_str())).unwrap());
    assert!(matches!(test.idp.agent_info(&ended), Err(AccessError::NotActive)));
    let id = Value::Text(acme.agent.id.as_str());
    change(&test, &acme.org.id, SET_AGENT_STATUS, &[id, Value::Text("suspended")]);
    let gone = test.idp.agent_info(&token.access_token).unwrap_err();
    assert!(matches!(gone, AccessError::NotActive));
    assert_eq!(gone.code(), ErrorCode::InvalidToken);
    test.finish();
}
