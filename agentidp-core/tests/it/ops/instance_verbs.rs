//! Every verb of an instance, and the test in which two organizations try it: what one does, asks or has
//! is nothing of the other's. Those of an organization's handle are tried in `foreign`.

use std::time::Duration;

use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{ErrorCode, Idp, RateLimited, RateScope, TokenRequest};

use super::Engine;
use super::authority::bearer;
use super::examine::{MOVE_HEAD, config};
use super::public_api;

super::on_every_engine!(
    a_limit_is_told_whose_request_it_is_and_holds_for_that_one,
    a_trail_is_examined_that_is_named,
    a_handle_says_whose_agent_it_acts_for,
);

/// A verb, the file of the test that tries it by two organizations, and the test.
const BY_TWO: &[(&str, &str, &str)] = &[
    ("agent_info", "introspection.rs", "agent_info_tells_of_the_bearer_by_a_token_with_openid"),
    ("caller", "instance_verbs.rs", "a_handle_says_whose_agent_it_acts_for"),
    ("create_org", "authority.rs", "organizations_are_made_by_agents_of_the_system_alone"),
    (
        "credentials_expiring",
        "credentials.rs",
        "what_expires_soon_is_counted_for_all_organizations",
    ),
    ("examine", "examine.rs", "one_broken_trail_is_named_and_the_others_are_verified"),
    ("examine_trail", "instance_verbs.rs", "a_trail_is_examined_that_is_named"),
    ("find_org", "authority.rs", "a_token_reaches_its_own_organization_alone"),
    (
        "introspect",
        "introspection.rs",
        "everybody_else_learns_that_it_is_not_active_and_nothing_more",
    ),
    ("keys", "keys.rs", "keys_are_managed_by_whoever_may"),
    (
        "limit_rate",
        "instance_verbs.rs",
        "a_limit_is_told_whose_request_it_is_and_holds_for_that_one",
    ),
    ("list_orgs", "orgs.rs", "organizations_are_managed_by_the_instance_alone"),
    ("on_behalf_of", "authority.rs", "a_token_reaches_its_own_organization_alone"),
    ("once", "once.rs", "each_caller_has_keys_of_its_own"),
    ("org", "authority.rs", "a_token_reaches_its_own_organization_alone"),
    ("revoke", "revocation.rs", "anothers_token_is_refused_whoever_has_it"),
    ("revoke_key", "keys.rs", "keys_are_managed_by_whoever_may"),
    ("rotate_key", "keys.rs", "keys_are_managed_by_whoever_may"),
    ("tick", "keys.rs", "keys_are_managed_by_whoever_may"),
    ("token", "exchange.rs", "tokens_that_are_not_handed_to_the_client_are_refused"),
    ("verifier", "tenants.rs", "a_resource_of_one_organization_refuses_the_agents_of_another"),
];

/// Those that know of no organization, and why.
const OF_NO_ORGANIZATION: &[(&str, &str)] = &[
    ("audit_key", "the key of the instance's own log"),
    ("create", "makes the instance"),
    ("dpop_nonce", "the same for everybody"),
    ("examine_machine", "looks at the machine"),
    ("jwks", "the instance's keys, which are public"),
    ("migrate", "the schema of all"),
    ("open", "opens the instance"),
    ("open_existing", "opens the instance"),
    ("probe", "whether the database answers"),
    ("schema_status", "the schema of all"),
    ("status", "what the instance is called"),
];

/// A verb that is added is added here too, with the test that tries it by two organizations.
#[test]
fn no_verb_of_an_instance_is_left_out() {
    let of_two = BY_TWO.iter().map(|(verb, ..)| *verb);
    let mut here: Vec<&str> =
        of_two.chain(OF_NO_ORGANIZATION.iter().map(|(verb, _)| *verb)).collect();
    here.sort_unstable();
    assert_eq!(here, public_api::verbs("Idp"));
}

#[test]
fn each_test_that_is_named_has_two_organizations() {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ops");
    for (verb, file, test) in BY_TWO {
        let text = std::fs::read_to_string(home.join(file)).unwrap();
        let begin = text.find(&format!("\nfn {test}(")).unwrap_or_else(|| panic!("{file}: {test}"));
        let body = text[begin..].split("\n}\n").next().unwrap();
        assert!(body.contains("two_orgs()") || body.contains("globex"), "{verb}: {body}");
    }
}

fn a_limit_is_told_whose_request_it_is_and_holds_for_that_one(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let limited = acme.org.id.clone();
    test.idp.limit_rate(move |organization, per_minute_max| {
        if *organization != limited {
            return Ok(());
        }
        let (scope, retry_after) = (RateScope::Organization, Duration::from_secs(1));
        Err(RateLimited { scope, per_minute_max, retry_after })
    });
    let refused = test.idp.token(&acme.request()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    test.idp.token(&globex.request()).unwrap();
    // Who does not prove to be of an organization takes nothing of what it may send.
    let stranger = TokenRequest::client_credentials(&acme.agent.id, globex.credential.secret());
    assert_eq!(test.idp.token(&stranger).unwrap_err().code(), ErrorCode::InvalidClient);
    test.finish();
}

fn a_trail_is_examined_that_is_named(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    test.idp.token(&globex.request()).unwrap();
    assert_eq!([&acme, &globex].map(|tenant| test.trail(&tenant.org.id).len()), [3, 4]);
    let examined = |named: &str| Idp::examine_trail(&config(&test), named, &mut |_| {});
    let told = |named: &str| {
        let report = examined(named).unwrap();
        (report.valid, report.size)
    };
    assert_eq!((told("acme"), told(globex.org.id.as_str())), ((true, 3), (true, 4)));
    assert_eq!(examined("initech").unwrap_err().code(), ErrorCode::NotFound);
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(acme.org.id.clone());
    let cut =
        store.write::<_, StoreError>("cut", &scope, |tx| tx.execute(MOVE_HEAD, &[Value::Int(1)]));
    assert_eq!(cut, Ok(1));
    assert!(!told("acme").0);
    assert_eq!(told("globex"), (true, 4), "one that is broken says nothing of another");
}

fn a_handle_says_whose_agent_it_acts_for(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    assert!(test.idp.caller().agent().is_none());
    for tenant in [&acme, &globex] {
        let theirs = bearer(&test, &tenant.org.id, &["agents:read"]);
        let agent = theirs.caller().agent().unwrap();
        assert_eq!(agent.organization_id, tenant.org.id);
    }
    test.finish();
}
