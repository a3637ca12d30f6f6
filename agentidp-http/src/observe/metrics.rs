//! What the server counts. Labels are bounded: routes are templates, methods and statuses classes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Upper ends of the histogram's buckets, in microseconds.
pub(super) const BUCKETS_US: [u64; 14] = [
    250, 500, 1_000, 2_000, 4_000, 6_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    2_500_000, 10_000_000,
];
/// Most routes that are told apart: there are fewer, and what comes beyond is one.
const ROUTES_MAX: usize = 256;
/// What has no route.
pub(crate) const NO_ROUTE: &str = "none";

/// The methods that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodLabel {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Other,
}

impl MethodLabel {
    pub(super) const ALL: [MethodLabel; 6] = [
        MethodLabel::Get,
        MethodLabel::Post,
        MethodLabel::Put,
        MethodLabel::Patch,
        MethodLabel::Delete,
        MethodLabel::Other,
    ];

    /// That of a method, which strangers may invent.
    pub(crate) fn of(method: &axum::http::Method) -> MethodLabel {
        match method.as_str() {
            "GET" | "HEAD" => MethodLabel::Get,
            "POST" => MethodLabel::Post,
            "PUT" => MethodLabel::Put,
            "PATCH" => MethodLabel::Patch,
            "DELETE" => MethodLabel::Delete,
            _ => MethodLabel::Other,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            MethodLabel::Get => "GET",
            MethodLabel::Post => "POST",
            MethodLabel::Put => "PUT",
            MethodLabel::Patch => "PATCH",
            MethodLabel::Delete => "DELETE",
            MethodLabel::Other => "other",
        }
    }
}

/// The counters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    started_at: Instant,
    routes: RwLock<HashMap<Box<str>, Arc<RouteCounts>>>,
    credentials_expiring: OnceLock<AtomicU64>,
}

/// What was counted of one route.
#[derive(Default)]
pub(super) struct RouteCounts {
    /// By method, then by the hundreds of the status, 1 to 5.
    pub(super) answers: [[AtomicU64; 5]; 6],
    pub(super) buckets: [AtomicU64; BUCKETS_US.len()],
    pub(super) count: AtomicU64,
    pub(super) sum_us: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        Metrics(Arc::new(Inner {
            started_at: Instant::now(),
            routes: RwLock::default(),
            credentials_expiring: OnceLock::new(),
        }))
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(
        &self,
        route: &str,
        method: MethodLabel,
        status: u16,
        duration: Duration,
    ) {
        let counts = self.of(route);
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        if let Some(counter) = counts.answers.get(method as usize).and_then(|all| all.get(class)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|end| *end < us);
        if let Some(bucket) = counts.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        counts.count.fetch_add(1, Ordering::Relaxed);
        counts.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// So many credentials expire soon.
    pub(crate) fn credentials_expire_soon(&self, count: u64) {
        self.0.credentials_expiring.get_or_init(AtomicU64::default).store(count, Ordering::Relaxed);
    }

    /// How many that were when they were last counted.
    pub(super) fn credentials_expiring(&self) -> Option<u64> {
        self.0.credentials_expiring.get().map(|count| count.load(Ordering::Relaxed))
    }

    /// For how long the server runs.
    pub(super) fn uptime(&self) -> Duration {
        self.0.started_at.elapsed()
    }

    /// The routes in the order of their names.
    pub(super) fn routes(&self) -> Vec<(Box<str>, Arc<RouteCounts>)> {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut routes: Vec<_> =
            routes.iter().map(|(name, counts)| (name.clone(), Arc::clone(counts))).collect();
        routes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        routes
    }

    fn of(&self, route: &str) -> Arc<RouteCounts> {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = routes.get(route) {
            return Arc::clone(counts);
        }
        let route = if routes.len() < ROUTES_MAX { route } else { NO_ROUTE };
        drop(routes);
        let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(route.into()).or_default())
    }
}
