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

/// How often `work` runs in a second on one thread, after a short warm-up. The median of three.
pub(crate) fn per_second(seconds: f64, mut work: impl FnMut() -> usize) -> f64 {
    let mut rates: Vec<f64> = (0..4)
        .map(|_| {
            let start = Instant::now();
            let mut done = 0;
            while start.elapsed().as_secs_f64() < seconds / 4.0 {
                done += work();
            }
            done as f64 / start.elapsed().as_secs_f64()
        })
        .skip(1)
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(1).copied().unwrap_or_default()
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
