//! `cargo run --release -p agentidp-bench`: durable issuance and verification as ratios to what the
//! same machine can do at most, measured in the same run. `AGENTIDP_BENCH_SECONDS` sets the length of
//! a row; the words `EdDSA`, `ES256` and numbers of callers pick rows: `-- EdDSA 64`; `-- scale` measures
//! a large instance beside a small one; `-- signer ADDRESS` is a part of scripts/bench-http.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on says so and ends"
)]

mod issuance;
mod limits;
#[cfg(feature = "postgres")]
mod postgres;
mod scale;
mod signer;
mod timing;

use std::path::Path;

use agentidp_core::Alg;
use issuance::Bed;
use limits::{RawKey, RawTables};
use timing::{ByTurns, Sample, by_turns, per_second};

/// That of the binary `agentidp`, for both sides of each row.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Callers that issue at the same time.
const CALLERS: [usize; 4] = [1, 8, 64, 256];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "signer") {
        return signer::run(words.last().expect("an address"));
    }
    let seconds = std::env::var("AGENTIDP_BENCH_SECONDS").ok().and_then(|s| s.parse().ok());
    let seconds: f64 = seconds.unwrap_or(3.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let home = tempfile::tempdir().expect("a directory for the databases");
    if std::env::args().any(|word| word == "scale") {
        return scale::run(home.path(), seconds);
    }
    println!("{cores} cores, {seconds} s a row, both sides by turns; rates are per second\n");

    let picked = |name: &str, among: &[String]| {
        !words.iter().any(|word| among.contains(word)) || words.iter().any(|word| word == name)
    };
    let algs = [Alg::EdDsa, Alg::Es256].map(|alg| alg.to_string());
    let counts = CALLERS.map(|callers| callers.to_string());
    let machine = Machine {
        cores: cores as f64,
        lone: RawTables::new(home.path(), 1),
        grouped: RawTables::new(home.path(), 128),
    };
    for alg in [Alg::EdDsa, Alg::Es256] {
        if !picked(alg.as_str(), &algs) {
            continue;
        }
        println!("## {alg}\n");
        let callers = CALLERS.into_iter().filter(|count| picked(&count.to_string(), &counts));
        let callers: Vec<usize> = callers.collect();
        on_sqlite(home.path(), alg, &callers, seconds, &machine);
        #[cfg(feature = "postgres")]
        if let Ok(url) = std::env::var("AGENTIDP_BENCH_POSTGRES_URL") {
            on_postgres(&url, alg, &callers, seconds);
        }
    }
    println!("peak memory {} MB", timing::peak_memory_megabytes());
}

/// What the machine can do at most.
struct Machine {
    cores: f64,
    /// One issuance in a commit.
    lone: RawTables,
    /// Many.
    grouped: RawTables,
}

impl Machine {
    /// Issuances a second, if all cores did nothing but sign and write rows.
    fn limit(&self, key: &RawKey, seconds: f64) -> f64 {
        let (sign, write) = (key.sign(seconds / 2.0), self.grouped.issue(seconds / 2.0));
        self.cores / (1.0 / sign + 1.0 / write)
    }
}

/// Issuance for threads that wait and for tasks of an asynchronous host, and verification.
fn on_sqlite(home: &Path, alg: Alg, callers: &[usize], seconds: f64, machine: &Machine) {
    head("SQLite FULL", "beside the limit");
    let key = RawKey::new(alg);
    let limit = |seconds: f64| machine.limit(&key, seconds);
    for &callers in callers {
        let bed = Bed::sqlite(home, alg);
        let ours = |seconds: f64| bed.issue(callers, seconds);
        if callers == 1 {
            row("1 caller", &by_turns(seconds, ours, |seconds| machine.lone.issue(seconds)));
        } else {
            row(&format!("{callers} callers"), &by_turns(seconds, ours, limit));
        }
    }
    for &callers in callers.iter().filter(|callers| **callers > 1) {
        let bed = Bed::sqlite(home, alg);
        let ours = |seconds: f64| bed.issue_asynchronously(callers, seconds);
        row(&format!("{callers} tasks"), &by_turns(seconds, ours, limit));
    }
    if callers.len() == CALLERS.len() {
        let bed = Bed::sqlite(home, alg);
        let ours = |seconds: f64| Sample::of_rate(bed.verify(seconds));
        row("verification, 1 thread", &by_turns(seconds, ours, |seconds| key.verify(seconds)));
    }
    println!();
}

#[cfg(feature = "postgres")]
fn on_postgres(url: &str, alg: Alg, callers: &[usize], seconds: f64) {
    head("PostgreSQL", "beside raw");
    for &callers in callers {
        let raw = postgres::Raw::new(url);
        let bed = Bed::postgres(url, alg);
        let ours = |seconds: f64| bed.issue(callers, seconds);
        let by_turns = by_turns(seconds, ours, |seconds| raw.commit(callers, seconds));
        let plural = if callers == 1 { "" } else { "s" };
        row(&format!("{callers} caller{plural}"), &by_turns);
    }
    println!();
}

fn head(engine: &str, beside: &str) {
    println!(
        "| {engine} | tokens/s | {beside} | p50 ms | p99 ms | CPU us |\n|---|---|---|---|---|---|"
    );
}

fn row(name: &str, both: &ByTurns) {
    let Sample { rate, p50_ms, p99_ms, cpu_us, .. } = both.ours;
    let (of, theirs) = (100.0 * both.ratio, both.theirs);
    print!("| {name} | {rate:.0} | {of:.0} % of {theirs:.0} |");
    if both.ours.count == 0 {
        println!(" | | |");
    } else {
        println!(" {p50_ms:.2} | {p99_ms:.2} | {cpu_us:.0} |");
    }
}
