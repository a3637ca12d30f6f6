//! The two promises of the instance's keys, over random histories of several processes: rotations,
//! revocations, ticks, tokens, crashes, and a clock that goes forwards and back.
//!
//! A failure prints its seed and the shortest history that shows it. `KEY_HISTORIES_SEED` repeats a
//! run; `KEY_HISTORIES` is the number of histories.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentidp_core::base::limits::{KEYS_STALE_MAX, SKEW_SECONDS};
use agentidp_core::jose::parse_compact;
use agentidp_core::store::SqliteStore;
use agentidp_core::{
    Alg, Clock, Config, Database, Idp, KekSource, KeyPolicy, KeyPurpose, KeyRotation, KeyState,
    NewAgent, Rng, SigningKey, SigningKeyError, SystemRng, Timestamp,
};
use agentidp_testkit::{API, Fault, FaultStore, TestClock, TestIdp};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::Engine;
use super::introspection::Member;

/// Algorithms whose keys are made in no time.
const CURVES: &[Alg] = &[Alg::Es256, Alg::EdDsa];
/// A key for RS256 takes a tenth of a second: few and short histories have them.
#[cfg(feature = "aws-lc")]
const WITH_RSA: &[Alg] = &[Alg::Rs256, Alg::Es256];

const LEAD: Duration = Duration::from_secs(24 * 3600);
const PERIOD: Duration = Duration::from_secs(7 * 24 * 3600);

/// One event of a history, at one of the processes.
#[derive(Debug, Clone)]
struct Event {
    process: usize,
    what: What,
    /// What fails while it happens.
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
enum What {
    Rotate { alg: Alg, now: bool },
    Revoke { any: usize },
    Tick,
    Issue,
    Forward { seconds: u64 },
    Back { seconds: u64 },
}

impl What {
    /// Whether somebody asks for a key to sign before it was published for long enough.
    fn is_hurry(&self) -> bool {
        matches!(self, What::Rotate { now: true, .. } | What::Revoke { .. })
    }
}

fn history(algs: &'static [Alg]) -> impl Strategy<Value = Vec<Event>> {
    let span = |spans: &'static [u64]| proptest::sample::select(spans);
    let what = prop_oneof![
        3 => (proptest::sample::select(algs), prop::bool::weighted(0.4))
            .prop_map(|(alg, now)| What::Rotate { alg, now }),
        2 => (0_usize..8).prop_map(|any| What::Revoke { any }),
        6 => Just(What::Tick),
        6 => Just(What::Issue),
        7 => span(&[1, 6, 1200, 3599, 7200, 43_200, 86_400, 90_120, 90_120, 518_400, 8_000_000])
            .prop_map(|seconds| What::Forward { seconds }),
        3 => span(&[1, 10, 7200, 86_400, 259_200, 259_200, 8_000_000])
            .prop_map(|seconds| What::Back { seconds }),
    ];
    let fault = prop_oneof![
        (0_u64..14).prop_map(Fault::Statement),
        (0_u64..3).prop_map(Fault::BeforeCommit),
        (0_u64..3).prop_map(Fault::AfterCommit),
    ];
    let event = (0_usize..PROCESSES, what, prop::option::weighted(0.2, fault))
        .prop_map(|(process, what, fault)| Event { process, what, fault });
    let events_max = if algs.contains(&Alg::Rs256) { 25 } else { 60 };
    prop::collection::vec(event, 10..events_max)
}

const PROCESSES: usize = 3;

/// What a bystander knows of a key.
struct Known {
    state: KeyState,
    gone: bool,
}

/// A token that somebody holds.
struct Held {
    token: String,
    kid: String,
    iat: i64,
    exp: i64,
    /// Whether the clock has ever shown a time at which it is expired for everybody.
    over: bool,
}

/// A process that serves the instance. What fails, fails for it alone where it has a store of its own.
struct Process {
    idp: Idp,
    store: Arc<FaultStore>,
}

impl Process {
    /// Opens the instance: in a file with a store of its own, as processes do.
    fn open(test: &TestIdp, file: Option<&Path>, clock: &Arc<TestClock>) -> Process {
        let store = match file {
            Some(path) => Arc::new(FaultStore::new(Arc::new(SqliteStore::open(path).unwrap()))),
            None => Arc::clone(&test.store),
        };
        let policy = KeyPolicy::default().rotate_every(PERIOD).publish_before(LEAD);
        let config = Config::new(Database::Opened(store.clone()))
            .kek(KekSource::file(test.kek_path()))
            .clock(clock.clone());
        Process { idp: Idp::open_existing(config.key_policy(policy)).unwrap(), store }
    }
}

/// An instance, its processes, and a bystander who writes down what it sees.
struct World {
    test: TestIdp,
    /// Where the database lies, if in a file.
    file: Option<PathBuf>,
    algs: &'static [Alg],
    /// Agents, each of which has its tokens signed in another way.
    askers: Vec<(Alg, Member)>,
    processes: Vec<Process>,
    /// Those that were killed.
    crashed: Vec<Process>,
    bystander: Idp,
    bystanders_clock: Arc<TestClock>,
    known: HashMap<String, Known>,
    held: Vec<Held>,
}

impl World {
    fn new(engine: Engine, algs: &'static [Alg]) -> World {
        let (store, file, guard) = engine.open();
        let test = TestIdp::over(store, file.clone(), guard);
        if algs.contains(&Alg::Rs256) {
            test.idp.rotate_key(KeyRotation::tokens(Alg::Rs256).now()).unwrap();
        }
        let acme = test.tenant("acme").org.id;
        let asker = |alg: &Alg| {
            let agent = NewAgent::new("asker").scope("tools:read").audience(API).token_alg(*alg);
            let asker = Member::new(&test, &acme, agent);
            test.canary(&asker.secret);
            (*alg, asker)
        };
        let askers = algs.iter().map(asker).collect();
        let bystanders_clock = Arc::new(TestClock::default());
        let open = |clock| Process::open(&test, file.as_deref(), clock);
        let processes = (0..PROCESSES).map(|_| open(&test.clock)).collect();
        let bystander = open(&bystanders_clock).idp;
        let (known, held, crashed) = (HashMap::new(), Vec::new(), Vec::new());
        let mut world = World {
            test,
            file,
            algs,
            askers,
            processes,
            crashed,
            bystander,
            bystanders_clock,
            known,
            held,
        };
        let start = world.now();
        world.look(start, true);
        world
    }

    /// The whole database is verified while those that crashed have not done anything since.
    fn end(self) {
        let World { test, processes, crashed, bystander, .. } = self;
        drop((processes, bystander));
        test.finish();
        drop(crashed);
    }

    fn now(&self) -> Timestamp {
        self.test.clock.now()
    }

    fn keys(&self) -> Vec<SigningKey> {
        let mut keys = self.bystander.keys().unwrap();
        keys.retain(|key| key.purpose == KeyPurpose::Token);
        keys
    }

    fn live(&mut self, event: &Event) {
        let before = self.now();
        let store = Arc::clone(&self.processes[event.process].store);
        if let Some(fault) = event.fault {
            store.arm(fault);
        }
        let done = self.happen(event);
        let failed = store.disarm();
        assert!(done || failed, "{event:?} fails by itself");
        self.look(before, event.what.is_hurry());
        if failed {
            // A crash leaves what the next tick goes on from.
            self.crash(event.process);
            let before = self.now();
            self.processes[event.process].idp.tick().unwrap();
            self.look(before, false);
            self.issue(event.process);
        }
    }

    /// Kills a process whose database is a file, and starts another in its place. The one that is killed
    /// never comes to close the file: what it would have written on its way out stays unwritten.
    fn crash(&mut self, process: usize) {
        if let Some(file) = &self.file {
            let next = Process::open(&self.test, Some(file), &self.test.clock);
            self.crashed.push(std::mem::replace(&mut self.processes[process], next));
        }
    }

    fn happen(&mut self, event: &Event) -> bool {
        let idp = &self.processes[event.process].idp;
        match event.what {
            What::Rotate { alg, now } => {
                let rotation = KeyRotation::tokens(alg);
                let rotated = idp.rotate_key(if now { rotation.now() } else { rotation });
                matches!(rotated, Ok(_) | Err(SigningKeyError::Refused(_)))
            }
            What::Revoke { any } => {
                let keys = self.keys();
                let kid = &keys[any % keys.len()].kid;
                let revoked = idp.revoke_key(kid).is_ok();
                let name = Some(kid.as_str());
                let published = idp.jwks().keys().iter().any(|key| key.kid() == name);
                assert!(!(revoked && published), "a revoked key is published by who revoked it");
                revoked
            }
            What::Tick => idp.tick().is_ok(),
            What::Issue => self.issue(event.process),
            What::Forward { seconds } => {
                self.test.clock.step(Duration::from_secs(seconds));
                self.compare(seconds);
                true
            }
            What::Back { seconds } => {
                let now = self.now().minus(Duration::from_secs(seconds));
                self.test.clock.set(now);
                self.compare(seconds);
                true
            }
        }
    }

    fn issue(&mut self, process: usize) -> bool {
        // By turns, so that a history says who asks.
        let (alg, asker) = &self.askers[self.held.len() % self.askers.len()];
        let Ok(response) = self.processes[process].idp.token(&asker.request()) else {
            return false;
        };
        let token = response.access_token;
        let parsed = parse_compact(&token).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(parsed.payload()).unwrap();
        let seconds = |name: &str| claims[name].as_i64().unwrap();
        let (iat, exp) = (seconds("iat"), seconds("exp"));
        let kid = parsed.header().kid().unwrap().to_owned();
        let signing = self.keys().into_iter().find(|key| key.kid == kid).expect("its key is there");
        assert_eq!(signing.state, KeyState::Current, "signed by a key that signs");
        assert_eq!(signing.alg, *alg, "signed as the agent has it signed");
        assert!(self.known.contains_key(&kid), "signed by a key that was seen published");
        self.held.push(Held { token, kid, iat, exp, over: false });
        true
    }

    /// What each process publishes when it had the time to notice what the others did.
    fn compare(&self, seconds_passed: u64) {
        if Duration::from_secs(seconds_passed) < KEYS_STALE_MAX {
            return;
        }
        let published = self.bystanders_view().jwks();
        for process in &self.processes {
            assert_eq!(process.idp.jwks(), published, "a process has not noticed");
        }
    }

    /// The bystander, who looks at the database each time: its clock jumps.
    fn bystanders_view(&self) -> &Idp {
        self.bystanders_clock.set(Timestamp::from_seconds(0));
        let _ = self.bystander.jwks();
        self.bystanders_clock.set(self.now());
        &self.bystander
    }

    /// Looks at everything after an event that began at `before`.
    fn look(&mut self, before: Timestamp, hurry: bool) {
        let (keys, now, first) = (self.keys(), self.now(), self.known.is_empty());
        for (kid, known) in &mut self.known {
            if !known.gone && !keys.iter().any(|key| key.kid == *kid) {
                assert!(
                    known.state >= KeyState::Retired,
                    "{kid} is gone and was {:?}",
                    known.state
                );
                known.gone = true;
            }
        }
        for key in &keys {
            let was = self.known.get(&key.kid).map(|known| (known.state, known.gone));
            if let Some((state, gone)) = was {
                assert!(!gone, "{} came back", key.kid);
                assert!(key.state >= state, "{} went from {state:?} to {:?}", key.kid, key.state);
            } else if !first {
                assert!(key.created_at >= before && key.created_at <= now, "made when it says");
            }
            let begins = key.state == KeyState::Current && was.is_none_or(|w| w.0 < key.state);
            if begins && !hurry {
                assert!(was.is_some(), "{} signs and was never only published", key.kid);
                assert!(now >= key.created_at.plus(LEAD), "{} signs too early", key.kid);
            }
            self.known.insert(key.kid.clone(), Known { state: key.state, gone: false });
        }
        for alg in CURVES.iter().chain(self.algs) {
            let current = |key: &&SigningKey| key.alg == *alg && key.state == KeyState::Current;
            assert_eq!(keys.iter().filter(current).count(), 1, "one key signs {alg}");
        }
        self.look_at_tokens(now);
    }

    fn look_at_tokens(&mut self, now: Timestamp) {
        let verifier = self.bystanders_view().verifier();
        let jwks = self.bystander.jwks();
        for held in &mut self.held {
            held.over |= now.as_seconds() >= held.exp + SKEW_SECONDS;
            let known = &self.known[&held.kid];
            let published = jwks.keys().iter().any(|key| key.kid() == Some(held.kid.as_str()));
            let verified = verifier.verify_access_token(&held.token, API).is_ok();
            if known.state == KeyState::Revoked || known.gone {
                assert!(!published && !verified, "a token of a withdrawn key is believed");
            } else if !held.over {
                assert!(published, "a token outlives the publication of {}", held.kid);
                let begun = held.iat <= now.as_seconds() + SKEW_SECONDS;
                assert_eq!(verified, begun, "a token of {} is refused", held.kid);
            }
            assert!(!known.gone || known.state == KeyState::Revoked || held.over, "gone too soon");
        }
    }
}

fn run(engine: Engine, algs: &'static [Alg], cases: u32) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let mut random = [0; 8];
    SystemRng.fill(&mut random).unwrap();
    let seed = number("KEY_HISTORIES_SEED").unwrap_or(u64::from_le_bytes(random));
    let cases = number("KEY_HISTORIES").and_then(|n| u32::try_from(n).ok()).unwrap_or(cases);
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&history(algs), |history| {
        let mut world = World::new(engine, algs);
        for event in &history {
            world.live(event);
        }
        assert!(world.issue(0), "whatever happened, tokens are issued");
        world.end();
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("KEY_HISTORIES_SEED={seed}: {error}");
    }
}

#[test]
fn both_promises_hold_in_memory() {
    run(Engine::Memory, CURVES, 40);
}

#[test]
fn both_promises_hold_in_a_file_that_processes_share_and_crash_over() {
    run(Engine::File, CURVES, 8);
}

#[cfg(feature = "aws-lc")]
#[test]
fn both_promises_hold_for_keys_of_rs256() {
    run(Engine::Memory, WITH_RSA, 5);
}

#[cfg(feature = "postgres")]
#[test]
fn both_promises_hold_on_postgres() {
    run(Engine::Postgres, CURVES, 4);
}
