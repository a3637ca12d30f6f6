use super::*;
use crate::base::{CredentialId, Timestamp, limits};
use crate::base::{SystemClock, SystemRng};
use crate::crypto::{hexadecimal, sha256};
use crate::error::ErrorCode;
use crate::model::{
    AgentStatus, ClientCredential, ClientProof, ClientSecret, OrgStatus, SecretScheme, TokenTerms,
    authenticate, secret_mac,
};

const API: &str = "https://api.example.com";
const PEPPER: [u8; 32] = [7; 32];

struct Case {
    client: Client,
    secret: String,
    issuer: Issuer,
}

fn case() -> Case {
    let agent_id = AgentId::generate(&SystemClock, &SystemRng).unwrap();
    let organization_id = OrgId::generate(&SystemClock, &SystemRng).unwrap();
    let credential_id = CredentialId::generate(&SystemClock, &SystemRng).unwrap();
    let secret = ClientSecret::generate(&credential_id, &SystemRng).unwrap().expose().to_owned();
    let credential = ClientCredential {
        secret_mac: secret_mac(&PEPPER, &organization_id, &agent_id, &credential_id, &secret),
        credential_id,
        scheme: SecretScheme::Own,
        pepper_version: 1,
        expires_at: Some(Timestamp::from_seconds(1000)),
    };
    let client = Client {
        agent_id,
        organization_id,
        did: "did:web:x".to_owned(),
        name: "bot".to_owned(),
        agent_status: AgentStatus::Active,
        org_status: OrgStatus::Active,
        scopes: ScopeSet::parse("tools:read agents:read openid").unwrap(),
        audiences: vec![API.to_owned()],
        url: None,
        terms: TokenTerms {
            not_before: Timestamp::from_micros(0),
            org_life_seconds_max: None,
            agent_life_seconds_max: None,
            per_month_max: 10,
            per_minute_max: 60,
        },
        credentials: vec![credential],
        keys: Vec::new(),
        token_alg: None,
        agent_version: 1,
        org_version: 1,
        last_seen: crate::base::LastSeen::default(),
        token_issued_subscribed: false,
    };
    Case { client, secret, issuer: Issuer::parse("https://idp.example.com").unwrap() }
}

/// Who it is by its secret, and then what it gets.
fn decide_by_secret(
    client: Option<&Client>,
    peppers: &dyn Fn(i64) -> Option<[u8; 32]>,
    request: &TokenRequest,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Grant, Refusal> {
    let ClientProof::Secret { client_secret, .. } = &request.auth.0 else {
        panic!("a request by a secret")
    };
    let (client, proven_by) = authenticate(client, peppers, client_secret.expose(), now)?;
    decide(client, proven_by, request, None, issuer)
}

impl Case {
    fn request(&self) -> TokenRequest {
        TokenRequest::client_credentials(&self.client.agent_id, self.secret.as_str())
    }

    fn decide(&self, request: &TokenRequest, at_second: i64) -> Result<Grant, Refusal> {
        let peppers = |version| (version == 1).then_some(PEPPER);
        let now = Timestamp::from_seconds(at_second);
        decide_by_secret(Some(&self.client), &peppers, request, &self.issuer, now)
    }
}

#[test]
fn the_omitted_scope_is_all_that_the_audience_admits_without_openid() {
    let case = case();
    let grant = case.decide(&case.request(), 0).unwrap();
    assert_eq!((grant.audience.as_str(), grant.scopes.to_string().as_str()), (API, "tools:read"));
    assert!(!grant.id_token);
    let for_us = case.request().resource(case.issuer.as_str());
    assert_eq!(case.decide(&for_us, 0).unwrap().scopes.to_string(), "tools:read agents:read");
}

#[test]
fn openid_is_granted_when_asked_for() {
    let case = case();
    let grant = case.decide(&case.request().scope("openid tools:read"), 0).unwrap();
    assert!(grant.id_token);
    assert_eq!(grant.scopes.to_string(), "openid tools:read");
}

#[test]
fn management_scopes_are_granted_for_the_issuer_alone() {
    let case = case();
    let asked = case.request().scope("agents:read");
    assert_eq!(case.decide(&asked, 0), Err(Refusal::ScopeNotAllowed));
    let asked = case.request().scope("agents:read").resource(case.issuer.as_str());
    assert!(case.decide(&asked, 0).is_ok());
}

#[test]
fn instance_administration_is_for_the_system_organization() {
    let mut case = case();
    case.client.scopes = ScopeSet::parse("admin:orgs").unwrap();
    let asked = case.request().scope("admin:orgs").resource(case.issuer.as_str());
    assert_eq!(case.decide(&asked, 0), Err(Refusal::ScopeNotAllowed));
    let omitted = case.request().resource(case.issuer.as_str());
    assert!(case.decide(&omitted, 0).unwrap().scopes.is_empty());
}

#[test]
fn a_secret_moved_to_another_agent_of_the_organization_is_wrong() {
    let mut case = case();
    case.client.agent_id = AgentId::generate(&SystemClock, &SystemRng).unwrap();
    assert_eq!(case.decide(&case.request(), 0), Err(Refusal::WrongSecret));
}

#[test]
fn an_agent_with_several_audiences_gets_the_issuer_unless_it_chooses() {
    let mut case = case();
    case.client.audiences.push("https://b.example".to_owned());
    assert_eq!(case.decide(&case.request(), 0).unwrap().audience, case.issuer.as_str());
    let chosen = case.request().resource("https://b.example");
    assert_eq!(case.decide(&chosen, 0).unwrap().audience, "https://b.example");
    let both = case.request().resource("https://b.example").resource(API);
    assert_eq!(case.decide(&both, 0), Err(Refusal::AudienceUndecided));
    for other in ["https://evil.example", "https://api.example.com/", "https://API.example.com"] {
        let other = case.request().resource(other);
        assert_eq!(case.decide(&other, 0), Err(Refusal::ResourceNotAllowed));
    }
}

#[test]
fn scopes_beyond_the_agents_own_are_refused_and_not_dropped() {
    let case = case();
    assert_eq!(case.decide(&case.request().scope("tools:write"), 0), Err(Refusal::ScopeNotAllowed));
    assert_eq!(case.decide(&case.request().scope("a  b"), 0), Err(Refusal::MalformedScope));
    assert!(case.decide(&case.request().scope(""), 0).unwrap().scopes.is_empty());
}

#[test]
fn a_life_is_the_least_of_what_the_organization_and_the_agent_ask_for() {
    let mut case = case();
    let mut life = |org, agent| {
        case.client.terms.org_life_seconds_max = org;
        case.client.terms.agent_life_seconds_max = agent;
        case.decide(&case.request(), 0).unwrap().life_seconds
    };
    assert_eq!(life(None, None), 3600);
    assert_eq!(life(Some(600), None), 600);
    assert_eq!(life(None, Some(60)), 60);
    assert_eq!(life(Some(600), Some(60)), 60);
    assert_eq!(life(Some(60), Some(600)), 60);
    assert_eq!(life(Some(86_400), Some(7200)), 3600, "nobody asks for more");
    assert_eq!(life(Some(0), Some(-5)), 1, "what was never written shortens and does not break");
}

#[test]
fn a_token_counts_as_issued_after_those_that_were_ended() {
    let at = Timestamp::from_micros;
    let mut terms = case().client.terms;
    assert_eq!(terms.issued_at(at(1000)), at(1000));
    terms.not_before = at(999);
    assert_eq!(terms.issued_at(at(1000)), at(1000));
    terms.not_before = at(1000);
    assert_eq!(terms.issued_at(at(1000)), at(1001));
    terms.not_before = at(5_001_000);
    assert_eq!(terms.issued_at(at(1000)), at(5_001_001));
}

#[test]
fn a_secret_is_refused_from_its_expiry_on() {
    let case = case();
    assert!(case.decide(&case.request(), 999).is_ok());
    assert_eq!(case.decide(&case.request(), 1000), Err(Refusal::ExpiredSecret));
}

#[test]
fn every_doubt_about_the_client_has_one_code() {
    let mut case = case();
    let wrong = TokenRequest::client_credentials("x", "aidp_wrong");
    assert_eq!(case.decide(&wrong, 0), Err(Refusal::WrongSecret));
    let other =
        ClientSecret::generate(&case.client.credentials[0].credential_id, &SystemRng).unwrap();
    let other = TokenRequest::client_credentials("x", other.expose());
    assert_eq!(case.decide(&other, 0), Err(Refusal::WrongSecret));
    let nobody = decide_by_secret(
        None,
        &|_| None,
        &case.request(),
        &case.issuer,
        Timestamp::from_seconds(0),
    );
    assert_eq!(nobody, Err(Refusal::UnknownClient));
    case.client.agent_status = AgentStatus::Suspended;
    assert_eq!(case.decide(&case.request(), 0), Err(Refusal::AgentNotActive));
    case.client.org_status = OrgStatus::Suspended;
    assert_eq!(case.decide(&case.request(), 0), Err(Refusal::OrgNotActive));
    // A stranger without the secret does not learn that the agent is suspended.
    assert_eq!(case.decide(&wrong, 0), Err(Refusal::WrongSecret));
    for refusal in [
        Refusal::UnknownClient,
        Refusal::WrongSecret,
        Refusal::ExpiredSecret,
        Refusal::AgentNotActive,
        Refusal::OrgNotActive,
    ] {
        assert_eq!(refusal.code(), ErrorCode::InvalidClient);
    }
}

/// A client with `secrets` kept as their SHA-256 by another installation, beside its own secret.
fn with_imported(secrets: &[&str]) -> Case {
    let mut case = case();
    for (n, secret) in secrets.iter().enumerate() {
        let credential_id = CredentialId::from_bytes([n as u8 + 1; 16]);
        let digest = hexadecimal(&sha256(&[secret.as_bytes()]));
        let Client { organization_id, agent_id, .. } = &case.client;
        case.client.credentials.push(ClientCredential {
            secret_mac: secret_mac(&PEPPER, organization_id, agent_id, &credential_id, &digest),
            credential_id,
            scheme: SecretScheme::Sha256,
            pepper_version: 1,
            expires_at: Some(Timestamp::from_seconds(1000)),
        });
    }
    case
}

#[test]
fn an_imported_secret_authenticates_and_neither_its_digest_nor_nothing_does() {
    let secrets = ["first", "second", "third", "fourth"];
    let case = with_imported(&secrets);
    let request = |secret: &str| TokenRequest::client_credentials(&case.client.agent_id, secret);
    for (n, secret) in secrets.iter().enumerate() {
        let grant = case.decide(&request(secret), 0).unwrap();
        let credential = CredentialId::from_bytes([n as u8 + 1; 16]);
        assert_eq!(grant.proven_by, ProvenBy::Credential(credential));
        assert_eq!(case.decide(&request(secret), 1000), Err(Refusal::ExpiredSecret));
        let digest = hexadecimal(&sha256(&[secret.as_bytes()]));
        assert_eq!(case.decide(&request(&digest), 0), Err(Refusal::WrongSecret));
    }
    for wrong in ["", "First", "first ", "fifth", &"x".repeat(1 << 20)] {
        assert_eq!(case.decide(&request(wrong), 0), Err(Refusal::WrongSecret), "{wrong:.20}");
    }
    assert!(case.decide(&case.request(), 0).is_ok(), "its own secret still does");
}

#[test]
fn each_of_as_many_secrets_as_an_agent_has_is_tried_and_none_beyond_the_longest() {
    let longest = "x".repeat(limits::SECRET_BYTES_MAX);
    let secrets = ["first", "second", "third", "fourth", longest.as_str()];
    assert_eq!(secrets.len(), limits::LIVE_SECRETS_MAX);
    let mut case = with_imported(&secrets);
    case.client.credentials.remove(0);
    let request = |secret: &str| TokenRequest::client_credentials("x", secret);
    for secret in secrets {
        assert!(case.decide(&request(secret), 0).is_ok(), "{secret:.10}");
    }
    let longer = format!("{longest}x");
    let case = with_imported(&[&longer]);
    assert_eq!(case.decide(&request(&longer), 0), Err(Refusal::WrongSecret));
}

#[test]
fn a_secret_under_a_pepper_that_is_gone_is_wrong() {
    let mut case = case();
    let secret = ClientSecret::parse(&case.secret).unwrap();
    // What takes the place of a missing pepper in the computation authenticates nobody.
    for nobodys in [[0; 32], PEPPER] {
        let Client { organization_id, agent_id, credentials, .. } = &mut case.client;
        let id = secret.credential_id();
        credentials[0].secret_mac =
            secret_mac(&nobodys, organization_id, agent_id, id, secret.expose());
        credentials[0].pepper_version = 2;
        assert_eq!(case.decide(&case.request(), 0), Err(Refusal::WrongSecret));
    }
}

#[test]
fn a_client_that_is_refused_for_what_it_asks_had_proved_itself() {
    let strangers = [Refusal::UnknownClient, Refusal::WrongSecret, Refusal::ExpiredSecret];
    let known = [
        Refusal::AgentNotActive,
        Refusal::OrgNotActive,
        Refusal::MalformedScope,
        Refusal::ScopeNotAllowed,
        Refusal::ResourceNotAllowed,
        Refusal::AudienceUndecided,
    ];
    assert!(!strangers.into_iter().any(Refusal::is_authenticated));
    assert!(known.into_iter().all(Refusal::is_authenticated));
}

#[test]
fn hundred_byte_secrets_that_differ_in_the_last_byte_are_two_secrets() {
    let (one, two) = (format!("{}1", "x".repeat(99)), format!("{}2", "x".repeat(99)));
    let case = with_imported(&[&one]);
    let request = |secret: &str| TokenRequest::client_credentials(&case.client.agent_id, secret);
    assert!(case.decide(&request(&one), 0).is_ok());
    assert_eq!(case.decide(&request(&two), 0), Err(Refusal::WrongSecret));
}

#[test]
fn a_scheme_is_never_taken_for_the_other() {
    let mut case = with_imported(&["first"]);
    // Somebody who writes into the table what the scheme is gains nothing by it.
    for credential in &mut case.client.credentials {
        credential.scheme = match credential.scheme {
            SecretScheme::Own => SecretScheme::Sha256,
            SecretScheme::Sha256 => SecretScheme::Own,
        };
    }
    assert_eq!(case.decide(&case.request(), 0), Err(Refusal::WrongSecret));
    let digest = hexadecimal(&sha256(&[b"first"]));
    for secret in ["first", &digest] {
        let request = TokenRequest::client_credentials(&case.client.agent_id, secret);
        assert_eq!(case.decide(&request, 0), Err(Refusal::WrongSecret));
    }
}

#[test]
fn all_imported_secrets_are_tried_whether_one_of_them_is_right_or_not() {
    use std::cell::Cell;
    let case = with_imported(&["first", "second"]);
    let asked = Cell::new(0);
    let peppers = |_| {
        asked.set(asked.get() + 1);
        Some(PEPPER)
    };
    let request = TokenRequest::client_credentials(&case.client.agent_id, "wrong");
    let now = Timestamp::from_seconds(0);
    let refused = decide_by_secret(Some(&case.client), &peppers, &request, &case.issuer, now);
    assert_eq!((refused, asked.get()), (Err(Refusal::WrongSecret), 2));
    // The right one is no reason to stop.
    let request = TokenRequest::client_credentials(&case.client.agent_id, "first");
    decide_by_secret(Some(&case.client), &peppers, &request, &case.issuer, now).unwrap();
    assert_eq!(asked.get(), 4);
}

#[test]
fn an_answer_is_written_as_serde_json_writes_it() {
    for (issued_token_type, text) in [(None, None), (Some("urn:a:b"), Some("b \"\\\u{1}\u{e9}"))] {
        let answer = TokenResponse {
            access_token: "a.b.c".to_owned(),
            issued_token_type,
            token_type: "DPoP",
            expires_in: -1,
            scope: text.map(str::to_owned),
            id_token: text.map(str::to_owned),
        };
        assert_eq!(answer.to_json(), serde_json::to_string(&answer).unwrap());
    }
}
