//! Our side: tokens issued through the library, each answered after its durable commit.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use agentidp_core::{
    Alg, AsyncIdp, Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, PlanTier, TokenRequest,
};

use crate::per_second;
use crate::timing::{Sample, cpu_seconds};

const API: &str = "https://api.example.com";
/// Agents that the callers act for.
const AGENTS: usize = 16;

/// An instance with agents, ready to be measured.
pub(crate) struct Bed {
    idp: Idp,
    clients: Vec<(String, String)>,
}

impl Bed {
    pub(crate) fn sqlite(home: &Path, alg: Alg) -> Bed {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = NEXT.fetch_add(1, Ordering::Relaxed);
        let config = Config::sqlite(home.join(format!("{name}.db")));
        Self::open(config.kek(KekSource::file(home.join("kek.key"))), alg)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(url: &str, alg: Alg) -> Bed {
        let url = crate::postgres::fresh_database(url);
        let kek = std::env::temp_dir().join(format!("agentidp-bench-{}.key", std::process::id()));
        Self::open(Config::postgres(url).kek(KekSource::file(kek)), alg)
    }

    fn open(config: Config, alg: Alg) -> Bed {
        let idp = Idp::open(config.issuer("https://idp.example.com").token_alg(alg));
        let idp = idp.expect("an instance");
        let org = idp.create_org(NewOrg::new("bench").plan(PlanTier::Enterprise)).expect("an org");
        let org = idp.org(&org.id);
        let clients = (0..AGENTS).map(|n| {
            let agent = NewAgent::new(format!("agent {n}")).scope("tools:read").audience(API);
            let agent = org.register_agent(agent).expect("an agent");
            let credential = org.issue_credential(&agent.id, NewCredential::default());
            (agent.id.to_string(), credential.expect("a credential").secret().to_owned())
        });
        Bed { clients: clients.collect(), idp }
    }

    fn request(&self, caller: usize) -> TokenRequest {
        let (id, secret) = self.clients.get(caller % AGENTS).expect("a client");
        TokenRequest::client_credentials(id, secret.as_str()).scope("tools:read")
    }

    /// Tokens of `callers` that each act for one agent.
    pub(crate) fn issue(&self, callers: usize, seconds: f64) -> Sample {
        for client in 0..AGENTS {
            self.idp.token(&self.request(client)).expect("a token");
        }
        issue(&self.idp, callers, seconds, |caller, _| self.request(caller))
    }

    /// Tokens of `callers` tasks of an asynchronous host, on as many threads as there are cores.
    pub(crate) fn issue_asynchronously(&self, callers: usize, seconds: f64) -> Sample {
        for client in 0..AGENTS {
            self.idp.token(&self.request(client)).expect("a token");
        }
        let idp = AsyncIdp::new(self.idp.clone()).expect("threads");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let tasks: Vec<_> = (0..callers)
            .map(|caller| {
                let idp = idp.clone();
                let (id, secret) = self.clients.get(caller % AGENTS).cloned().expect("a client");
                runtime.spawn(async move {
                    let mut durations = Vec::new();
                    while start.elapsed().as_secs_f64() < seconds {
                        let began = Instant::now();
                        let request = TokenRequest::client_credentials(&id, secret.as_str());
                        let token = idp.token(request.scope("tools:read")).await;
                        token.expect("a place").expect("a token");
                        durations.push(began.elapsed());
                    }
                    durations
                })
            })
            .collect();
        let all = tasks.into_iter().flat_map(|task| runtime.block_on(task).expect("a caller"));
        let all = all.collect();
        Sample::of(all, start.elapsed(), cpu_seconds() - cpu)
    }

    /// Verifications a second of one thread.
    pub(crate) fn verify(&self, seconds: f64) -> f64 {
        let token = self.idp.token(&self.request(0)).expect("a token").access_token;
        let verifier = self.idp.verifier();
        per_second(seconds, || verifier.verify_access_token(&token, API).map_or(0, |_| 1))
    }
}

/// `callers` threads that each ask for a token as soon as they have the last one: `request` makes
/// what a caller asks in each of its rounds.
pub(crate) fn issue(
    idp: &Idp,
    callers: usize,
    seconds: f64,
    request: impl Fn(usize, usize) -> TokenRequest + Sync,
) -> Sample {
    let start_line = Barrier::new(callers + 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                let (request, start_line) = (&request, &start_line);
                scope.spawn(move || {
                    start_line.wait();
                    let start = Instant::now();
                    let mut durations = Vec::new();
                    while start.elapsed().as_secs_f64() < seconds {
                        let request = request(caller, durations.len());
                        let began = Instant::now();
                        idp.token(&request).expect("a token");
                        durations.push(began.elapsed());
                    }
                    durations
                })
            })
            .collect();
        start_line.wait();
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let all = threads.into_iter().flat_map(|thread| thread.join().expect("a caller"));
        let all = all.collect();
        Sample::of(all, start.elapsed(), cpu_seconds() - cpu)
    })
}
