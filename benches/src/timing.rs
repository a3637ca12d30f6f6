//! Loops against the clock.

use std::time::{Duration, Instant};

/// What a run with several callers came to.
pub(crate) struct Sample {
    pub(crate) count: usize,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) cpu_us: f64,
}

impl Sample {
    /// Where only the rate says something.
    pub(crate) fn of_rate(rate: f64) -> Sample {
        Sample { count: 0, rate, p50_ms: 0.0, p99_ms: 0.0, cpu_us: 0.0 }
    }

    /// The sample of these single durations, taken over `elapsed` by all callers together, which
    /// cost `cpu_seconds` of the processor.
    pub(crate) fn of(mut durations: Vec<Duration>, elapsed: Duration, cpu_seconds: f64) -> Sample {
        durations.sort_unstable();
        let at = |share: f64| {
            let index = (durations.len() as f64 * share) as usize;
            durations.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1000.0)
        };
        Sample {
            count: durations.len(),
            rate: durations.len() as f64 / elapsed.as_secs_f64(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            cpu_us: cpu_seconds * 1e6 / durations.len().max(1) as f64,
        }
    }
}

/// How often `work` runs in a second on one thread.
pub(crate) fn per_second(seconds: f64, mut work: impl FnMut() -> usize) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed().as_secs_f64() < seconds {
        done += work();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

/// Turns that two sides take at least. A machine that others use as well is twice as fast in one second
/// as in the next: what is compared must lie close together.
const TURNS_MIN: usize = 7;
/// How long a turn is at most.
const TURN_SECONDS_MAX: f64 = 1.0;

/// One side beside another, as the medians of their turns.
pub(crate) struct ByTurns {
    pub(crate) ours: Sample,
    pub(crate) theirs: f64,
    /// Ours to theirs in the same turn.
    pub(crate) ratio: f64,
}

/// Measures both sides by turns, after one that does not count: `seconds` of ours in all, and what
/// `theirs` takes for the share of a turn that it is told.
pub(crate) fn by_turns(
    seconds: f64,
    mut ours: impl FnMut(f64) -> Sample,
    mut theirs: impl FnMut(f64) -> f64,
) -> ByTurns {
    let turns = TURNS_MIN.max((seconds / TURN_SECONDS_MAX) as usize);
    let turn = seconds / turns as f64;
    let both: Vec<(Sample, f64)> =
        (0..=turns).map(|_| (ours(turn), theirs(turn / 2.0))).skip(1).collect();
    let of = |what: &dyn Fn(&Sample) -> f64| median(both.iter().map(|(ours, _)| what(ours)));
    ByTurns {
        ours: Sample {
            count: both.iter().map(|(ours, _)| ours.count).sum(),
            rate: of(&|ours| ours.rate),
            p50_ms: of(&|ours| ours.p50_ms),
            p99_ms: of(&|ours| ours.p99_ms),
            cpu_us: of(&|ours| ours.cpu_us),
        },
        theirs: median(both.iter().map(|(_, theirs)| *theirs)),
        ratio: median(both.iter().map(|(ours, theirs)| ours.rate / theirs)),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Processor time that this process has used, in all its threads.
pub(crate) fn cpu_seconds() -> f64 {
    /// Ticks a second in `/proc`, on every Linux that we know.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// The process's peak resident memory.
pub(crate) fn peak_memory_megabytes() -> u64 {
    status_megabytes("VmHWM:")
}

/// The process's resident memory now.
pub(crate) fn memory_megabytes() -> u64 {
    status_megabytes("VmRSS:")
}

fn status_megabytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        / 1024
}
