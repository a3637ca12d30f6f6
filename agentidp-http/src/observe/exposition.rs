//! The counters as Prometheus reads them (text format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::metrics::{BUCKETS_US, MethodLabel, RouteCounts};
use crate::app::App;

/// The content type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route whose answers are counted as tokens.
const TOKEN_ROUTE: &str = "/oauth2/token";

/// All that is counted.
pub(super) fn exposition(app: &App) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    let routes = app.metrics().routes();
    text.family("build_info", "gauge", "The version that runs.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("uptime_seconds", "gauge", "For how long the server runs.");
    text.number("uptime_seconds", &[], app.metrics().uptime().as_secs_f64());
    requests(&mut text, &routes);
    durations(&mut text, &routes);
    tokens(&mut text, &routes);
    text.family("requests_in_flight", "gauge", "Requests that are being answered.");
    text.sample("requests_in_flight", &[], app.in_flight().now() as u64);
    text.family("connections", "gauge", "Connections of the public listener.");
    text.sample("connections", &[], app.connections().load(Ordering::Relaxed) as u64);
    text.family("library_jobs", "gauge", "Verbs of the library that run or wait for a thread.");
    text.sample("library_jobs", &[], app.jobs() as u64);
    text.family(
        "rate_limited_total",
        "counter",
        "Requests that a rate limit refused, by its scope.",
    );
    for (scope, refused) in app.rates().refused() {
        text.sample("rate_limited_total", &[("scope", scope)], refused);
    }
    let (done, failed) = app.health().ticks();
    text.family("worker_ticks_total", "counter", "Rounds of the background work.");
    text.sample("worker_ticks_total", &[("result", "done")], done);
    text.sample("worker_ticks_total", &[("result", "failed")], failed);
    if let Some(count) = app.metrics().credentials_expiring() {
        let help =
            "Active credentials that expire within seven days, counted every quarter of an hour.";
        text.family("credentials_expiring_soon", "gauge", help);
        text.sample("credentials_expiring_soon", &[], count);
    }
    text.family("log_lines_left_out_total", "counter", "Lines that the log had no room for.");
    text.sample("log_lines_left_out_total", &[], app.log().left_out());
    text.0
}

type Routes = [(Box<str>, std::sync::Arc<RouteCounts>)];

fn requests(text: &mut Text, routes: &Routes) {
    const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    text.family(
        "http_requests_total",
        "counter",
        "Requests answered, by route, method and status.",
    );
    for (route, counts) in routes {
        for (method, answers) in MethodLabel::ALL.iter().zip(&counts.answers) {
            for (class, count) in CLASSES.iter().zip(answers) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels =
                        [("route", &**route), ("method", method.as_str()), ("status", class)];
                    text.sample("http_requests_total", &labels, count);
                }
            }
        }
    }
}

fn durations(text: &mut Text, routes: &Routes) {
    const NAME: &str = "http_request_duration_seconds";
    text.family(NAME, "histogram", "Time from a request's head to its answer's, by route.");
    for (route, counts) in routes {
        let mut below = 0;
        for (end, count) in BUCKETS_US.iter().zip(&counts.buckets) {
            below += count.load(Ordering::Relaxed);
            let end = seconds(*end).to_string();
            text.sample(&format!("{NAME}_bucket"), &[("route", route), ("le", &end)], below);
        }
        // Read after the buckets, so that it is never below the last of them.
        let count = counts.count.load(Ordering::Relaxed).max(below);
        text.sample(&format!("{NAME}_bucket"), &[("route", route), ("le", "+Inf")], count);
        let sum = seconds(counts.sum_us.load(Ordering::Relaxed));
        text.number(&format!("{NAME}_sum"), &[("route", route)], sum);
        text.sample(&format!("{NAME}_count"), &[("route", route)], count);
    }
}

/// Answers of the token endpoint, whatever path the issuer has before it.
fn tokens(text: &mut Text, routes: &Routes) {
    let sum = |class: usize| -> u64 {
        let of = |answers: &[AtomicU64; 5]| {
            answers.get(class).map_or(0, |count| count.load(Ordering::Relaxed))
        };
        let token_routes = routes.iter().filter(|(route, _)| route.ends_with(TOKEN_ROUTE));
        token_routes.flat_map(|(_, counts)| counts.answers.iter()).map(of).sum()
    };
    text.family("tokens_issued_total", "counter", "Tokens that the token endpoint issued.");
    text.sample("tokens_issued_total", &[], sum(1));
    text.family("token_requests_failed_total", "counter", "Requests for tokens without one.");
    for (reason, class) in [("refused", 3), ("fault", 4)] {
        text.sample("token_requests_failed_total", &[("reason", reason)], sum(class));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of microseconds needs no more than 53 bits")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP agentidp_{name} {help}\n# TYPE agentidp_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.name(name, labels);
        let _ = writeln!(self.0, " {value}");
    }

    fn number(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.name(name, labels);
        let _ = writeln!(self.0, " {value}");
    }

    fn name(&mut self, name: &str, labels: &[(&str, &str)]) {
        let _ = write!(self.0, "agentidp_{name}");
        for (number, (label, value)) in labels.iter().enumerate() {
            let opening = if number == 0 { '{' } else { ',' };
            // Routes are our own texts; `{` and `}` in them need no escape.
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = write!(self.0, "{opening}{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
    }
}
