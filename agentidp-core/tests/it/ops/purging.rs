//! What is kept for a while is forgotten when it is over, however much there is, and nothing before.

use std::time::Duration;

use agentidp_core::base::limits::PURGE_BATCH_MAX as BATCH;
use agentidp_core::store::{Scope, Store, StoreError, Value};
use agentidp_core::{Clock, ErrorCode, OrgId, Timestamp};
use agentidp_testkit::{Fault, TestIdp};

use super::Engine;

super::on_every_engine!(
    a_tick_forgets_all_that_is_over_and_nothing_else,
    a_batch_that_fails_is_left_to_the_next_tick_and_keeps_no_other,
    who_ends_a_token_forgets_a_batch_of_its_own_organization,
);

/// A table whose rows are kept for a while.
struct Kept {
    insert: &'static str,
    count: &'static str,
    /// Whether its rows have their names as text.
    is_text: bool,
}

const TOKENS: Kept = Kept {
    insert: "INSERT INTO revoked_tokens (organization_id, jti, expires_at) VALUES (?1, ?2, ?3)",
    count: "SELECT COUNT(*) FROM revoked_tokens WHERE organization_id = ?1",
    is_text: true,
};

/// Assertions of clients and proofs of keys.
const USES: Kept = Kept {
    insert: "INSERT INTO single_uses (organization_id, jti_hash, expires_at) VALUES (?1, ?2, ?3)",
    count: "SELECT COUNT(*) FROM single_uses WHERE organization_id = ?1",
    is_text: false,
};

const ANSWERS: Kept = Kept {
    insert: "INSERT INTO idempotency_keys
            (organization_id, caller, key_digest, state, sealed_answer, expires_at)
        VALUES (?1, 'caller', ?2, 'answered', ?2, ?3)",
    count: "SELECT COUNT(*) FROM idempotency_keys WHERE organization_id = ?1",
    is_text: false,
};

const ALL: [&Kept; 3] = [&TOKENS, &USES, &ANSWERS];

const HOUR: Duration = Duration::from_secs(3600);

/// Adds so many rows of the organization that are over at `expires_at`.
fn add(test: &TestIdp, organization: &OrgId, kept: &Kept, count: u64, expires_at: Timestamp) {
    let store: &dyn Store = &*test.store;
    let scope = Scope::Org(organization.clone());
    let expires_at = expires_at.as_micros();
    let added = store.write::<_, StoreError>("add", &scope, |tx| {
        for number in 0..count {
            let text = format!("{expires_at}/{number}");
            let name = if kept.is_text { Value::Text(&text) } else { Value::Blob(text.as_bytes()) };
            tx.execute(kept.insert, &[name, Value::Int(expires_at)])?;
        }
        Ok(())
    });
    added.unwrap();
}

fn left(test: &TestIdp, organization: &OrgId, kept: &Kept) -> u64 {
    u64::try_from(test.count(organization, kept.count)).unwrap()
}

fn a_tick_forgets_all_that_is_over_and_nothing_else(engine: Engine) {
    const NOT_OVER: u64 = 7;
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let forgotten = || {
        let tick = test.idp.tick().unwrap();
        assert_eq!(tick.tokens_forgotten, tick.answers_forgotten);
        tick.tokens_forgotten
    };
    // The second time they make full batches, and no more.
    for (ours, theirs) in [(2 * BATCH + 203, BATCH + 3), (BATCH + 100, BATCH - 100)] {
        let now = test.clock.now();
        for kept in ALL {
            for (tenant, over) in [(&acme, ours), (&globex, theirs)] {
                add(&test, &tenant.org.id, kept, over, now);
                add(&test, &tenant.org.id, kept, NOT_OVER, now.plus(HOUR));
            }
        }
        let each_has = |count| {
            for kept in ALL {
                assert_eq!(left(&test, &acme.org.id, kept), count, "{}", kept.count);
                assert_eq!(left(&test, &globex.org.id, kept), count, "{}", kept.count);
            }
        };
        assert_eq!(forgotten(), ours + theirs, "one tick is enough");
        each_has(NOT_OVER);
        assert_eq!(forgotten(), 0);
        each_has(NOT_OVER);
        test.clock.step(HOUR);
        assert_eq!(forgotten(), 2 * NOT_OVER);
        each_has(0);
    }
    test.finish();
}

fn a_batch_that_fails_is_left_to_the_next_tick_and_keeps_no_other(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme").org.id;
    let now = test.clock.now();
    for kept in ALL {
        add(&test, &acme, kept, 3 * BATCH, now);
    }
    // The second transaction of the tick is the second batch of tokens.
    test.store.arm(Fault::BeforeCommit(1));
    let failed = test.idp.tick().unwrap_err();
    assert!(test.store.disarm());
    assert_eq!(failed.code(), ErrorCode::DatabaseFailed);
    assert_eq!(ALL.map(|kept| left(&test, &acme, kept)), [2 * BATCH, 0, 0]);
    let tick = test.idp.tick().unwrap();
    assert_eq!((tick.tokens_forgotten, tick.answers_forgotten), (2 * BATCH, 0));
    assert_eq!(ALL.map(|kept| left(&test, &acme, kept)), [0, 0, 0]);
    test.finish();
}

fn who_ends_a_token_forgets_a_batch_of_its_own_organization(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let now = test.clock.now();
    add(&test, &acme.org.id, &TOKENS, 2 * BATCH + 3, now);
    add(&test, &globex.org.id, &TOKENS, 5, now);
    let mut ended = 0;
    for over in [BATCH + 3, 3, 0] {
        let token = test.idp.token(&acme.request()).unwrap().access_token;
        assert!(test.idp.org(&acme.org.id).revoke_token(&token).unwrap());
        ended += 1;
        assert_eq!(left(&test, &acme.org.id, &TOKENS), over + ended);
        assert_eq!(left(&test, &globex.org.id, &TOKENS), 5, "another's are its own matter");
    }
    test.finish();
}
