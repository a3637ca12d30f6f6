//! What is refused: with which code, and leaving what behind.

use agentidp_core::{
    Config, Database, ErrorCode, Idp, KekSource, NewAgent, NewCredential, NewOrg, OrgId,
    TokenRequest,
};
use agentidp_testkit::{API, Fault, ISSUER, TestIdp};

use super::Engine;

super::on_every_engine!(
    an_unknown_client_and_a_wrong_secret_are_one_answer,
    scopes_and_resources_beyond_the_agents_own_are_refused,
    slugs_are_unique_and_some_are_reserved,
    failed_authentications_are_told_until_they_are_too_many,
    what_one_tick_could_not_tell_the_next_one_tells,
    an_instance_is_made_once,
    another_issuer_or_instance_is_refused,
    a_wrong_kek_opens_nothing,
    an_agent_has_a_handful_of_live_secrets,
    a_planted_signing_key_is_not_believed,
    a_signing_key_is_told_by_its_own_public_half,
    a_private_half_that_was_changed_behind_an_open_instance_is_not_believed,
    refusals_after_authentication_are_all_told,
    instance_administration_is_for_the_system_organization,
);

fn an_unknown_client_and_a_wrong_secret_are_one_answer(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let secret = acme.credential.secret();
    let mut tampered = secret.to_owned();
    tampered.replace_range(20..21, if &secret[20..21] == "A" { "B" } else { "A" });
    let unknown = "01900000-0000-7000-8000-000000000001";
    let refused = [
        TokenRequest::client_credentials(unknown, secret),
        TokenRequest::client_credentials("no id at all", secret),
        TokenRequest::client_credentials("", ""),
        TokenRequest::client_credentials(&acme.agent.id, ""),
        TokenRequest::client_credentials(&acme.agent.id, tampered.as_str()),
        TokenRequest::client_credentials(&acme.agent.id, globex.credential.secret()),
        TokenRequest::client_credentials(&globex.agent.id, secret),
        TokenRequest::client_credentials(&acme.agent.id, "x".repeat(1 << 20).as_str()),
        TokenRequest::client_credentials("y".repeat(1 << 20), secret),
    ];
    for request in &refused {
        let error = test.idp.token(request).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidClient);
        assert_eq!(error.to_string(), "client authentication failed");
    }
    // The log of the organization tells why; strangers to all are told to the system's.
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "token.issued Refused");
    assert_eq!(test.trail(&OrgId::system()).last().unwrap(), "token.issued Refused");
    test.idp.token(&acme.request()).unwrap();
    test.finish();
}

fn scopes_and_resources_beyond_the_agents_own_are_refused(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    for scope in ["tools:write", "tools:read tools:write", "a  b", "\u{e9}", "agents:read"] {
        let error = test.idp.token(&acme.request().scope(scope)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidScope, "{scope}");
    }
    for resource in ["https://evil.example", "https://api.example.com/", "", "not a uri"] {
        let error = test.idp.token(&acme.request().resource(resource)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidTarget, "{resource}");
    }
    let both = acme.request().resource(API).resource(ISSUER);
    assert_eq!(test.idp.token(&both).unwrap_err().code(), ErrorCode::InvalidTarget);
    let refused = test.trail(&acme.org.id).iter().filter(|e| e.ends_with("Refused")).count();
    assert_eq!(refused, 10);
    test.finish();
}

fn slugs_are_unique_and_some_are_reserved(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let code = |slug: &str| test.idp.create_org(NewOrg::new(slug)).unwrap_err().code();
    assert_eq!(code("acme"), ErrorCode::SlugTaken);
    for reserved in [".well-known", "admin", "oauth2", "system"] {
        assert_eq!(code(reserved), ErrorCode::SlugReserved);
    }
    for malformed in ["", "Acme", "a/b", "ac\u{43c}e", &"x".repeat(1 << 20)] {
        assert_eq!(code(malformed), ErrorCode::InvalidInput);
    }
    let named = NewOrg::new("fine").name("n".repeat(1 << 20));
    assert_eq!(test.idp.create_org(named).unwrap_err().code(), ErrorCode::InvalidInput);
    let agent = NewAgent::new("n".repeat(1 << 20));
    let refused = test.idp.org(&acme.org.id).register_agent(agent).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidInput);
    let japanese = NewOrg::new("fine").name("\u{682a}\u{5f0f}\u{4f1a}\u{793e}");
    assert_eq!(test.idp.create_org(japanese).unwrap().name.chars().count(), 4);
    assert_eq!(test.trail(&acme.org.id).len(), 3, "nothing was written to the other's trail");
    test.finish();
}

fn failed_authentications_are_told_until_they_are_too_many(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let wrong = TokenRequest::client_credentials(&acme.agent.id, "aidp_wrong");
    let others = TokenRequest::client_credentials(&globex.agent.id, "aidp_wrong");
    for _ in 0..70 {
        assert!(test.idp.token(&wrong).is_err());
    }
    for _ in 0..3 {
        assert!(test.idp.token(&others).is_err());
    }
    let refusals = |trail: &[String]| trail.iter().filter(|e| e.ends_with("Refused")).count();
    assert_eq!(refusals(&test.trail(&acme.org.id)), 60);
    assert_eq!(refusals(&test.trail(&globex.org.id)), 0);
    test.clock.step(std::time::Duration::from_secs(60));
    assert!(test.idp.token(&wrong).is_err());
    let last = |tenant: &agentidp_testkit::Tenant| {
        let page = agentidp_core::PageRequest::first().limit(500);
        test.idp.org(&tenant.org.id).audit(&page).unwrap().items.pop().unwrap()
    };
    assert_eq!(last(&acme).data["passedOver"], 10, "its own alone");
    // Whom nobody attacks any more is told all the same, while others are attacked on and on.
    test.idp.tick().unwrap();
    test.idp.tick().unwrap();
    assert_eq!(refusals(&test.trail(&globex.org.id)), 1);
    let told = last(&globex);
    assert_eq!((told.data["passedOver"].as_u64(), told.actor), (Some(3), None));
    test.finish();
}

fn what_one_tick_could_not_tell_the_next_one_tells(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let unknown = "01900000-0000-7000-8000-000000000001";
    let stranger = TokenRequest::client_credentials(unknown, "aidp_wrong");
    let wrong = TokenRequest::client_credentials(&acme.agent.id, "aidp_wrong");
    let told = || {
        let page = agentidp_core::PageRequest::first();
        let entries = test.idp.org(&acme.org.id).audit(&page).unwrap().items;
        let passed_over = |entry: &agentidp_core::audit::StoredEntry| {
            entry.data.get("passedOver").and_then(|count| count.as_u64())
        };
        entries.iter().filter_map(passed_over).sum::<u64>()
    };
    for at in 0.. {
        // Strangers take what the minute tells, so that none of acme's is told when it happens.
        (0..60).for_each(|_| assert!(test.idp.token(&stranger).is_err()));
        (0..3).for_each(|_| assert!(test.idp.token(&wrong).is_err()));
        test.clock.step(std::time::Duration::from_secs(60));
        test.store.arm(Fault::BeforeCommit(at));
        let ticked = test.idp.tick();
        let fired = test.store.disarm();
        assert_eq!(ticked.is_err(), fired, "{ticked:?}");
        test.idp.tick().unwrap();
        assert_eq!(told(), 3 * (at + 1), "with commit {at} refused");
        if !fired {
            break;
        }
    }
    test.finish();
}

fn again(test: &TestIdp) -> Config {
    Config::new(Database::Opened(test.store.clone()))
}

fn an_instance_is_made_once(engine: Engine) {
    let test = engine.idp();
    let home = tempfile::tempdir().unwrap();
    let kek = || KekSource::file(home.path().join("kek.key"));
    let error = Idp::create(again(&test).kek(kek()).issuer(ISSUER)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AlreadyInitialized);
    assert!(!home.path().join("kek.key").exists(), "no key for an instance that was not made");
    test.finish();
}

fn another_issuer_or_instance_is_refused(engine: Engine) {
    let test = engine.idp();
    let kek = || KekSource::env("AGENTIDP_TEST_NO_SUCH_KEK");
    let other = again(&test).kek(kek()).issuer("https://other.example");
    assert_eq!(Idp::open(other).unwrap_err().code(), ErrorCode::DatabaseForeign);
    let id = agentidp_core::InstanceId::parse("01900000-0000-7000-8000-000000000001").unwrap();
    let other = again(&test).kek(kek()).instance(id);
    assert_eq!(Idp::open_existing(other).unwrap_err().code(), ErrorCode::DatabaseForeign);
    let no_kek = again(&test).issuer(ISSUER);
    assert_eq!(Idp::open(no_kek).unwrap_err().code(), ErrorCode::ConfigInvalid);
    test.finish();
}

fn a_wrong_kek_opens_nothing(engine: Engine) {
    let test = engine.idp();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("other.key");
    agentidp_core::crypto::Kek::create_file(&path, &agentidp_core::SystemRng).unwrap();
    let error = Idp::open_existing(again(&test).kek(KekSource::file(path))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::KekUnavailable);
    let missing = again(&test).kek(KekSource::env("AGENTIDP_TEST_NO_SUCH_KEK"));
    assert_eq!(Idp::open_existing(missing).unwrap_err().code(), ErrorCode::KekUnavailable);
    // A database whose key file was lost does not get a new one that opens nothing.
    let lost = home.path().join("lost.key");
    let error = Idp::open(again(&test).kek(KekSource::file(&lost)).issuer(ISSUER)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::KekUnavailable);
    assert!(!lost.exists());
    test.finish();
}

fn an_agent_has_a_handful_of_live_secrets(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let org = test.idp.org(&acme.org.id);
    let issue = || org.issue_credential(&acme.agent.id, NewCredential::default());
    for _ in 0..4 {
        issue().unwrap();
    }
    let before = org.agent(&acme.agent.id).unwrap();
    test.clock.step(std::time::Duration::from_secs(5));
    assert_eq!(issue().unwrap_err().code(), ErrorCode::LimitReached);
    assert_eq!(org.agent(&acme.agent.id).unwrap(), before, "nothing but the refusal's entry");
    let dead = NewCredential::default().expires_in(std::time::Duration::ZERO);
    let dead = org.issue_credential(&acme.agent.id, dead).unwrap_err();
    assert_eq!(dead.code(), ErrorCode::InvalidInput);
    assert_eq!(test.trail(&acme.org.id).last().unwrap(), "credential.generated Refused");
    test.finish();
}

// As somebody would who may write to the database and has no key.
const PLANT: &str = "INSERT INTO signing_keys
        (kid, purpose, alg, state, public_jwk, sealed_private_key, created_at)
    SELECT ?2, 'token', 'ES256', 'retired', ?3, sealed_private_key, 0
    FROM signing_keys WHERE ?1 <> '' AND purpose = 'token' AND alg = 'ES256'";

fn a_planted_signing_key_is_not_believed(engine: Engine) {
    use agentidp_core::store::{Scope, Store, StoreError, Value};
    let test = engine.idp();
    let provider = agentidp_core::CryptoProvider::default_provider();
    let key = provider.generate(agentidp_core::Alg::Es256, &agentidp_core::SystemRng).unwrap();
    let public = provider.signer(&key).unwrap().public_key().clone();
    let (kid, jwk) = (public.thumbprint(), public.to_jwk().to_string());
    let store: &dyn Store = &*test.store;
    let planted = store.write::<_, StoreError>("plant", &Scope::Org(OrgId::system()), |tx| {
        tx.execute(PLANT, &[Value::Text(&kid), Value::Text(&jwk)])
    });
    assert_eq!(planted.unwrap(), 1);
    let opened = Idp::open_existing(again(&test).kek(KekSource::file(test.kek_path())));
    assert_eq!(opened.unwrap_err().code(), ErrorCode::SealBroken);
    test.finish();
}

/// Changes what the instance keeps of its keys, as somebody would who may write to the database.
fn tamper(test: &TestIdp, sql: &'static str, params: &[agentidp_core::store::Value<'_>]) {
    use agentidp_core::store::{Scope, Store, StoreError};
    let store: &dyn Store = &*test.store;
    let system = Scope::Org(OrgId::system());
    let changed = store.write::<_, StoreError>("tamper", &system, |tx| tx.execute(sql, params));
    assert_eq!(changed, Ok(1), "{sql}");
}

const PUBLISH_ANOTHER: &str = "UPDATE signing_keys SET public_jwk = ?2
    WHERE ?1 <> '' AND purpose = 'token' AND alg = 'ES256'";

fn a_signing_key_is_told_by_its_own_public_half(engine: Engine) {
    use agentidp_core::store::Value;
    let test = engine.idp();
    let provider = agentidp_core::CryptoProvider::default_provider();
    let key = provider.generate(agentidp_core::Alg::Es256, &agentidp_core::SystemRng).unwrap();
    let jwk = provider.signer(&key).unwrap().public_key().to_jwk().to_string();
    tamper(&test, PUBLISH_ANOTHER, &[Value::Text(&jwk)]);
    let opened = Idp::open_existing(again(&test).kek(KekSource::file(test.kek_path())));
    assert_eq!(opened.unwrap_err().code(), ErrorCode::SealBroken);
    test.finish();
}

// What opens elsewhere does not open here.
const MOVE_PRIVATE_HALF: &str = "UPDATE signing_keys SET sealed_private_key =
        (SELECT k.sealed_private_key FROM signing_keys k WHERE k.purpose = 'audit')
    WHERE ?1 <> '' AND purpose = 'token' AND alg = 'ES256'";
const COUNT_CHANGE: &str = "UPDATE instance SET keys_version = keys_version + 1 WHERE ?1 <> ''";

fn a_private_half_that_was_changed_behind_an_open_instance_is_not_believed(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let token = test.idp.token(&acme.request().resource(ISSUER)).unwrap().access_token;
    tamper(&test, MOVE_PRIVATE_HALF, &[]);
    tamper(&test, COUNT_CHANGE, &[]);
    assert_eq!(test.idp.probe().unwrap_err().code(), ErrorCode::SealBroken);
    // By the keys that it has it goes on for as long as it believes them, and then admits nobody.
    test.clock.step(agentidp_core::base::limits::KEYS_STALE_MAX);
    let refused = test.idp.on_behalf_of(&token).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::SealBroken);
    test.finish();
}

fn refusals_after_authentication_are_all_told(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let wrong = TokenRequest::client_credentials(&acme.agent.id, "aidp_wrong");
    for _ in 0..65 {
        assert!(test.idp.token(&wrong).is_err());
    }
    for _ in 0..3 {
        assert!(test.idp.token(&acme.request().scope("nope")).is_err());
    }
    let page = agentidp_core::PageRequest::first().limit(500);
    let page = test.idp.org(&acme.org.id).audit(&page).unwrap();
    let told =
        page.items.iter().filter(|e| e.data.get("reason") == Some(&"scope_not_allowed".into()));
    assert_eq!(told.count(), 3);
    test.finish();
}

fn instance_administration_is_for_the_system_organization(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let admin = || NewAgent::new("admin").scope("admin:orgs");
    let refused = test.idp.org(&acme.org.id).register_agent(admin()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::InvalidScope);
    test.idp.org(&OrgId::system()).register_agent(admin()).unwrap();
    test.finish();
}
