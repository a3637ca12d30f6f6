//! Each step in the life of a key with every statement, every read and every commit failing once. That a
//! change which is committed cannot be read again at once, the next who asks makes good.

use agentidp_core::{Idp, KeyPolicy, KeyState};
use agentidp_testkit::TestIdp;

use super::Engine;
use super::faults::{successes_in, sweep_passing_over};
use super::keys::{DAY, ES256, HOUR, config, current, es256, issue, states, told, verifies};

super::on_every_engine!(every_step_is_all_or_nothing, ticks_are_all_or_nothing_step_by_step);

fn every_step_is_all_or_nothing(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    let settled = |test: &TestIdp, event: &str, times: usize| {
        assert_eq!(successes_in(&told(test), event), times);
        let (token, kid) = issue(&test.idp, &acme);
        assert!(kid == current(&test.idp) && verifies(&test.reopen(), &token));
    };
    // Made and promoted, in a hurry.
    let verb = |_| test.idp.rotate_key(ES256.now()).map(drop).map_err(|error| error.code());
    sweep_passing_over(&test, verb, |test, times| {
        settled(test, "key.retired", times);
        test.clock.step(2 * DAY);
        test.idp.tick().unwrap();
        assert_eq!(states(&test.idp), [KeyState::Current]);
    });
    // Made and published.
    let made = successes_in(&told(&test), "key.created");
    let verb = |_| test.idp.rotate_key(ES256).map(drop).map_err(|error| error.code());
    sweep_passing_over(&test, verb, |test, times| {
        settled(test, "key.created", made + times);
        for key in es256(&test.idp).iter().filter(|key| key.state == KeyState::Next) {
            test.idp.revoke_key(&key.kid).unwrap();
        }
        // However many statements there are, the schedule makes no key of its own.
        test.clock.step(HOUR);
        test.idp.tick().unwrap();
    });
    // Revoked, and succeeded.
    let revoked = successes_in(&told(&test), "key.revoked");
    let verb = |_| {
        let signing = test.store.aside(|| current(&test.idp));
        test.idp.revoke_key(&signing).map(drop).map_err(|error| error.code())
    };
    sweep_passing_over(&test, verb, |test, times| {
        settled(test, "key.revoked", revoked + times);
        assert_eq!(states(&test.idp).iter().filter(|s| **s == KeyState::Current).count(), 1);
    });
    // The lease of a key that signs.
    let verb = |_| {
        test.clock.step(2 * HOUR);
        test.idp.token(&acme.request()).map(drop).map_err(|error| error.code())
    };
    sweep_passing_over(&test, verb, |test, _| {
        assert!(verifies(&test.idp, &issue(&test.idp, &acme).0))
    });
    test.finish();
}

fn ticks_are_all_or_nothing_step_by_step(engine: Engine) {
    let test = engine.idp();
    let acme = test.tenant("acme");
    // Each time one key is due to be promoted and two, most times, to be removed.
    let prepare = |test: &TestIdp| {
        let hurried = test.idp.rotate_key(ES256).unwrap();
        assert_eq!(hurried.key.state, KeyState::Next);
        test.clock.step(2 * DAY);
    };
    prepare(&test);
    // By its schedule it turns no other key in the meantime.
    let seldom = KeyPolicy::default().rotate_every(365 * DAY);
    let ticking = Idp::open_existing(config(&test).key_policy(seldom)).unwrap();
    let verb = |_| ticking.tick().map(drop).map_err(|error| error.code());
    let mut ended = 0;
    sweep_passing_over(&test, verb, |test, times| {
        let (token, kid) = issue(&test.idp, &acme);
        assert!(kid == current(&test.idp) && verifies(&test.reopen(), &token));
        if times > ended {
            ended = times;
            assert!(!states(&test.idp).contains(&KeyState::Next), "all that was due is done");
            prepare(test);
        }
    });
    assert_eq!(successes_in(&told(&test), "key.rotated"), ended);
    test.finish();
}
