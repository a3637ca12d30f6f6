//! Whether an instance with many tenants is as fast as one with few:
//! `cargo run --release -p agentidp-bench -- scale`. `AGENTIDP_BENCH_ORGS` and
//! `AGENTIDP_BENCH_AGENTS` set how many, `AGENTIDP_BENCH_TOKENS` how many tokens the memory row takes,
//! `AGENTIDP_BENCH_POSTGRES_URL` where a PostgreSQL is to be measured as well.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use agentidp_core::{
    AgentFilter, Alg, Config, Cursor, Idp, KekSource, NewAgent, NewCredential, NewOrg, OrgId,
    PageRequest, PlanTier, TokenRequest,
};

use crate::issuance::issue;
use crate::per_second;
use crate::timing::{ByTurns, Sample, by_turns, memory_megabytes};

const API: &str = "https://api.example.com";
const CALLERS: usize = 64;
/// Threads that fill the instances.
const FILLERS: usize = 16;

/// How many there are of each in the large instance, and how many tokens the memory row takes.
struct Size {
    organizations: usize,
    agents: usize,
    tokens: usize,
}

impl Size {
    fn of_environment() -> Size {
        let number = |name: &str, default| {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        Size {
            organizations: number("AGENTIDP_BENCH_ORGS", 10_000),
            agents: number("AGENTIDP_BENCH_AGENTS", 200_000),
            tokens: number("AGENTIDP_BENCH_TOKENS", 1_000_000),
        }
    }
}

/// An instance with its organizations and the clients that will ask.
struct Crowd {
    idp: Idp,
    organizations: Vec<OrgId>,
    clients: Vec<(String, String)>,
    /// How many tokens were asked for so far: the next one is the next client's.
    asked: AtomicUsize,
}

impl Crowd {
    /// `organizations` with `agents` in all, of which `clients`, spread over them evenly, have a secret.
    fn fill(config: Config, organizations: usize, agents: usize, clients: usize) -> Crowd {
        let config = config.issuer("https://idp.example.com").token_alg(Alg::EdDsa);
        let idp = Idp::open(config).expect("an instance");
        let (each, with_secret) = (agents / organizations, clients / organizations);
        let filled = Mutex::new((Vec::new(), Vec::new()));
        std::thread::scope(|scope| {
            for filler in 0..FILLERS {
                let (idp, filled) = (&idp, &filled);
                scope.spawn(move || {
                    for number in (filler..organizations).step_by(FILLERS) {
                        let (org, own) = tenant(idp, number, each, with_secret);
                        let mut filled = filled.lock().expect("no filler panics");
                        filled.0.push(org);
                        filled.1.extend(own);
                    }
                });
            }
        });
        let (mut organizations, clients) = filled.into_inner().expect("no filler panics");
        organizations.sort_by(|a: &OrgId, b: &OrgId| a.as_str().cmp(b.as_str()));
        Crowd { idp, organizations, clients, asked: AtomicUsize::new(0) }
    }

    /// Once round all clients, so that what is measured is a working set and not its first reading.
    fn warm(&self) {
        std::thread::scope(|scope| {
            for share in self.clients.chunks(self.clients.len().div_ceil(FILLERS)) {
                scope.spawn(move || {
                    for (id, secret) in share {
                        self.idp.token(&request(id, secret)).expect("a token");
                    }
                });
            }
        });
    }

    /// Tokens a second, each caller going round among its own share of the clients.
    fn issue(&self, seconds: f64) -> Sample {
        let begun = self.asked.load(Ordering::Relaxed);
        let sample = issue(&self.idp, CALLERS, seconds, |caller, round| {
            let at = (begun + caller + round * CALLERS) % self.clients.len();
            let (id, secret) = self.clients.get(at).expect("a client");
            request(id, secret)
        });
        self.asked.store(begun + sample.count, Ordering::Relaxed);
        sample
    }
}

fn request(id: &str, secret: &str) -> TokenRequest {
    TokenRequest::client_credentials(id, secret).scope("tools:read")
}

/// An organization with `agents`, the first `clients` of which have a secret.
fn tenant(
    idp: &Idp,
    number: usize,
    agents: usize,
    clients: usize,
) -> (OrgId, Vec<(String, String)>) {
    let new = NewOrg::new(format!("org-{number}")).plan(PlanTier::Enterprise);
    let org = idp.create_org(new).expect("an organization");
    let handle = idp.org(&org.id);
    let mut own = Vec::with_capacity(clients);
    for agent in 0..agents {
        let new = NewAgent::new(format!("agent {agent}")).scope("tools:read").audience(API);
        let agent_id = handle.register_agent(new).expect("an agent").id;
        if agent < clients {
            let credential = handle.issue_credential(&agent_id, NewCredential::default());
            let secret = credential.expect("a credential").secret().to_owned();
            own.push((agent_id.to_string(), secret));
        }
    }
    (org.id, own)
}

/// Measures a small and a large instance in one run, and prints their ratios; on each engine there is.
pub(crate) fn run(home: &Path, seconds: f64) {
    let size = Size::of_environment();
    let kek = |name: &str| KekSource::file(home.join(format!("{name}.key")));
    let file = |name: &str| Config::sqlite(home.join(format!("{name}.db"))).kek(kek(name));
    beside("SQLite FULL", &size, [file("small"), file("large")], seconds);
    #[cfg(feature = "postgres")]
    if let Ok(url) = std::env::var("AGENTIDP_BENCH_POSTGRES_URL") {
        let database = |name: &str| {
            Config::postgres(crate::postgres::fresh_database(&url)).kek(kek(&format!("pg-{name}")))
        };
        beside("PostgreSQL", &size, [database("small"), database("large")], seconds);
    }
}

/// A small and a large instance by turns: first the tokens, then what an administrator does.
fn beside(engine: &str, size: &Size, [small, large]: [Config; 2], seconds: f64) {
    // As many clients in both: what differs is how much lies around them.
    let clients = agentidp_core::base::limits::CLIENT_CACHE_MAX.min(size.agents);
    let begun = Instant::now();
    let small = Crowd::fill(small, 10, clients.min(10_000), clients.min(10_000));
    let large = Crowd::fill(large, size.organizations, size.agents, clients);
    println!(
        "## {} organizations and {} agents beside 10 and {}; {} of them ask; the cache holds {}; filled in {:.0} s\n",
        size.organizations,
        size.agents,
        small.clients.len(),
        large.clients.len(),
        agentidp_core::base::limits::CLIENT_CACHE_MAX,
        begun.elapsed().as_secs_f64(),
    );
    println!("| {engine}, EdDSA | small | large | ratio |\n|---|---|---|---|");
    small.warm();
    large.warm();
    let issuing = |crowd: &Crowd, seconds: f64| crowd.issue(seconds);
    let tokens = compare("tokens/s, 64 callers", &small, &large, 10.0 * seconds, issuing);
    let (there, here) = (tokens.ours.cpu_us, small.issue(seconds).cpu_us);
    println!("| processor us a token | {here:.0} | {there:.0} | |");
    creation(&small, &large, seconds);
    pages(&small, &large, seconds);
    memory(&large, size.tokens);
}

/// What is made by one caller.
fn creation(small: &Crowd, large: &Crowd, seconds: f64) {
    let registering = |crowd: &Crowd, seconds: f64| {
        let org = crowd.idp.org(crowd.organizations.last().expect("an organization"));
        let register = || org.register_agent(NewAgent::new("one more")).map_or(0, |_| 1);
        Sample::of_rate(per_second(seconds, register))
    };
    compare("agents registered/s, 1 caller", small, large, seconds, registering);
    let made = AtomicUsize::new(0);
    let creating = |crowd: &Crowd, seconds: f64| {
        let new = || NewOrg::new(format!("more-{}", made.fetch_add(1, Ordering::Relaxed)));
        Sample::of_rate(per_second(seconds, || crowd.idp.create_org(new()).map_or(0, |_| 1)))
    };
    compare("organizations created/s, 1 caller", small, large, seconds, creating);
}

/// Pages of lists, from where they begin and from further on.
fn pages(small: &Crowd, large: &Crowd, seconds: f64) {
    let organizations = |crowd: &Crowd, seconds: f64| {
        let middle = crowd.organizations.get(crowd.organizations.len() / 2);
        let after = Cursor::new(middle.expect("an organization").as_str());
        let page = PageRequest::first().limit(4).after(after);
        let list = || crowd.idp.list_orgs(&page).map_or(0, |page| page.items.len() / 4);
        Sample::of_rate(per_second(seconds, list))
    };
    compare("pages of 4 organizations/s, in the middle", small, large, seconds, organizations);
    let agents = |crowd: &Crowd, seconds: f64| {
        let org = crowd.idp.org(crowd.organizations.last().expect("an organization"));
        let first = PageRequest::first().limit(500);
        let first = org.list_agents(&AgentFilter::All, &first).expect("agents");
        let page = PageRequest::first().limit(100).after(first.next_cursor.expect("more of them"));
        let list =
            || org.list_agents(&AgentFilter::All, &page).map_or(0, |page| page.items.len() / 100);
        Sample::of_rate(per_second(seconds, list))
    };
    compare("pages of 100 agents/s, after the first 500", small, large, seconds, agents);
    let entries = |crowd: &Crowd, seconds: f64| {
        let org = crowd.idp.org(crowd.organizations.last().expect("an organization"));
        let first = PageRequest::first().limit(100);
        let list = || org.audit(&first).map_or(0, |page| page.items.len() / 100);
        Sample::of_rate(per_second(seconds, list))
    };
    compare("pages of 100 audit entries/s", small, large, seconds, entries);
}

/// The process's memory before and after many tokens.
fn memory(crowd: &Crowd, tokens: usize) {
    let before = memory_megabytes();
    let mut issued = 0;
    let mut seen = Vec::new();
    while issued < tokens {
        issued += crowd.issue(2.0).count;
        seen.push(memory_megabytes());
    }
    println!(
        "\nmemory: {before} MB before, {} MB half way, {} MB after {issued} tokens",
        seen.get(seen.len() / 2).copied().unwrap_or(before),
        seen.last().copied().unwrap_or(before),
    );
}

/// The large instance beside the small one, by turns.
fn compare(
    name: &str,
    small: &Crowd,
    large: &Crowd,
    seconds: f64,
    measure: impl Fn(&Crowd, f64) -> Sample,
) -> ByTurns {
    let theirs = |seconds: f64| measure(small, 2.0 * seconds).rate;
    let both = by_turns(seconds, |seconds| measure(large, seconds), theirs);
    let (rate, ratio) = (both.ours.rate, 100.0 * both.ratio);
    println!("| {name} | {:.0} | {rate:.0} | {ratio:.0} % |", both.theirs);
    both
}
