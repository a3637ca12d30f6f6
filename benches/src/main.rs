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
use timing::{Sample, per_second};

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
    println!("{cores} cores, {seconds} s a row; rates are per second\n");

    let lone = limits::sqlite(home.path(), 1, seconds);
    let grouped = limits::sqlite(home.path(), 128, seconds);
    println!(
        "raw SQLite FULL, 4 rows an issuance: {lone:.0} one a commit, {grouped:.0} 128 a commit\n"
    );

    let picked = |name: &str, among: &[String]| {
        !words.iter().any(|word| among.contains(word)) || words.iter().any(|word| word == name)
    };
    let algs = [Alg::EdDsa, Alg::Es256].map(|alg| alg.to_string());
    let counts = CALLERS.map(|callers| callers.to_string());
    for alg in [Alg::EdDsa, Alg::Es256] {
        if !picked(alg.as_str(), &algs) {
            continue;
        }
        let callers = CALLERS.into_iter().filter(|count| picked(&count.to_string(), &counts));
        let callers: Vec<usize> = callers.collect();
        let sign = limits::sign(alg, seconds);
        let verify = limits::verify(alg, seconds);
        let limit = cores as f64 / (1.0 / sign + 1.0 / grouped);
        println!(
            "## {alg}: raw sign {sign:.0}, raw verify {verify:.0}, limit of issuance {limit:.0}\n"
        );
        on_sqlite(home.path(), alg, &callers, seconds, &Bounds { lone, limit, verify });
        #[cfg(feature = "postgres")]
        if let Ok(url) = std::env::var("AGENTIDP_BENCH_POSTGRES_URL") {
            println!(
                "| PostgreSQL | tokens/s | of raw | p50 ms | p99 ms | CPU us |\n|---|---|---|---|---|---|"
            );
            for callers in callers {
                let raw = postgres::raw(&url, callers, seconds);
                let sample = Bed::postgres(&url, alg).issue(callers, seconds);
                let of = format!("{:.0} % of {raw:.0}", 100.0 * sample.rate / raw);
                row(&format!("{callers} callers"), &sample, &of);
            }
            println!();
        }
    }
    println!("peak memory {} MB", timing::peak_memory_megabytes());
}

/// What the machine can do at most: commits of one issuance, issuances, verifications.
struct Bounds {
    lone: f64,
    limit: f64,
    verify: f64,
}

/// Issuance for threads that wait and for tasks of an asynchronous host, and verification.
fn on_sqlite(home: &Path, alg: Alg, callers: &[usize], seconds: f64, bounds: &Bounds) {
    println!(
        "| SQLite FULL | tokens/s | of the limit | p50 ms | p99 ms | CPU us |\n|---|---|---|---|---|---|"
    );
    for &callers in callers {
        let sample = Bed::sqlite(home, alg).issue(callers, seconds);
        let of = if callers == 1 { bounds.lone } else { bounds.limit };
        let of_what = if callers == 1 { " (of the lone-commit rate)" } else { "" };
        let of = format!("{:.0} %{of_what}", 100.0 * sample.rate / of);
        row(&format!("{callers} callers"), &sample, &of);
    }
    for &callers in callers.iter().filter(|callers| **callers > 1) {
        let sample = Bed::sqlite(home, alg).issue_asynchronously(callers, seconds);
        let of = format!("{:.0} %", 100.0 * sample.rate / bounds.limit);
        row(&format!("{callers} tasks"), &sample, &of);
    }
    if callers.len() == CALLERS.len() {
        let ours = Bed::sqlite(home, alg).verify(seconds);
        let of = 100.0 * ours / bounds.verify;
        println!("| verification, 1 thread | {ours:.0} | {of:.0} % of raw | | | |\n");
    }
}

fn row(name: &str, sample: &Sample, of: &str) {
    println!(
        "| {name} | {:.0} | {of} | {:.2} | {:.2} | {:.0} |",
        sample.rate, sample.p50_ms, sample.p99_ms, sample.cpu_us
    );
}
