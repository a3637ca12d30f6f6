//! The log: one line an event on standard error, as JSON or as text.
//!
//! A line names the route and not the path, and nothing of the query, the body or the fields of a
//! request: there lie secrets and tokens. Lines are written by a thread of their own; when it cannot
//! keep up, lines are left out and counted, and nobody waits for a terminal.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use agentidp_core::{Clock as _, SystemClock};
use serde::Serialize;

/// Lines that wait to be written before the next is left out.
const LINES_MAX: usize = 8192;
/// Bytes that are collected before they are written.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is written, and how.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// The form of a line.
    pub format: LogFormat,
    /// Which requests have one.
    pub requests: RequestLog,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Which requests have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestLog {
    /// All of them.
    #[default]
    All,
    /// Those with a status of 400 or more.
    Failed,
    /// None.
    None,
}

/// The log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Log(Arc<Inner>);

struct Inner {
    format: LogFormat,
    requests: RequestLog,
    lines: Option<SyncSender<Line>>,
    left_out: AtomicU64,
}

enum Line {
    Text(String),
    /// All before it are written when this is answered.
    End(SyncSender<()>),
}

/// A request that was answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLine<'a> {
    pub(crate) request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<IpAddr>,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) duration_us: u64,
    /// The stable code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    /// What went wrong inside, which its client was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'a str>,
}

impl Log {
    /// A log on standard error.
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub(crate) fn start(options: &LogOptions) -> io::Result<Log> {
        let (lines, waiting) = sync_channel(LINES_MAX);
        let thread = std::thread::Builder::new().name("agentidp-log".to_owned());
        thread.spawn(move || write(&waiting, &mut io::stderr()))?;
        Ok(Log(Arc::new(Inner {
            format: options.format,
            requests: options.requests,
            lines: Some(lines),
            left_out: AtomicU64::new(0),
        })))
    }

    /// A log that nobody reads, for routes without a server.
    pub(crate) fn nowhere() -> Log {
        Log(Arc::new(Inner {
            format: LogFormat::Text,
            requests: RequestLog::None,
            lines: None,
            left_out: AtomicU64::new(0),
        }))
    }

    /// Tells what happens as it should.
    pub(crate) fn note(&self, text: &str) {
        self.event("info", text);
    }

    /// Tells what does not.
    pub(crate) fn error(&self, text: &str) {
        self.event("error", text);
    }

    /// Whether a request that ended so has a line.
    pub(crate) fn wants(&self, status: u16) -> bool {
        match self.0.requests {
            RequestLog::All => true,
            RequestLog::Failed => status >= 400,
            RequestLog::None => false,
        }
    }

    /// Tells of a request.
    pub(crate) fn request(&self, line: &RequestLine<'_>) {
        let level = if line.status >= 500 { "error" } else { "info" };
        let text = match self.0.format {
            LogFormat::Json => json(level, "request", line),
            LogFormat::Text => request_text(level, line),
        };
        self.send(text);
    }

    /// How many lines were left out because they came too fast.
    pub(crate) fn left_out(&self) -> u64 {
        self.0.left_out.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, at most so long.
    pub(crate) fn finish(&self, timeout: Duration) {
        let Some(lines) = &self.0.lines else { return };
        let (answer, written) = sync_channel(1);
        if lines.send(Line::End(answer)).is_ok() {
            let _ = written.recv_timeout(timeout);
        }
    }

    fn event(&self, level: &str, text: &str) {
        #[derive(Serialize)]
        struct Message<'a> {
            message: &'a str,
        }
        self.send(match self.0.format {
            LogFormat::Json => json(level, "message", &Message { message: text }),
            LogFormat::Text => format!("{} {level} {}\n", SystemClock.now(), one_line(text)),
        });
    }

    fn send(&self, text: String) {
        let Some(lines) = &self.0.lines else { return };
        if lines.try_send(Line::Text(text)).is_err() {
            self.0.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn json(level: &str, event: &str, fields: &impl Serialize) -> String {
    let fields = serde_json::to_string(fields).unwrap_or_default();
    let fields = fields.strip_prefix('{').unwrap_or("}");
    let now = SystemClock.now();
    format!("{{\"time\":\"{now}\",\"level\":\"{level}\",\"event\":\"{event}\",{fields}\n")
}

fn request_text(level: &str, line: &RequestLine<'_>) -> String {
    let mut text = format!(
        "{} {level} {} {} {} {} us request={}",
        SystemClock.now(),
        line.method,
        line.route,
        line.status,
        line.duration_us,
        line.request_id
    );
    if let Some(client) = line.client {
        let _ = write!(text, " client={client}");
    }
    for (name, value) in [("trace", line.trace_id), ("code", line.code)] {
        if let Some(value) = value {
            let _ = write!(text, " {name}={value}");
        }
    }
    if let Some(cause) = line.cause {
        let _ = write!(text, " cause={}", one_line(cause));
    }
    text.push('\n');
    text
}

/// Text that cannot pretend to be another line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Writes lines until nobody is left who could send one.
fn write(waiting: &Receiver<Line>, out: &mut impl io::Write) {
    let mut chunk = String::with_capacity(CHUNK_BYTES);
    let mut next = waiting.recv().ok();
    while let Some(line) = next {
        match line {
            Line::Text(text) => chunk.push_str(&text),
            Line::End(answer) => {
                flush(&mut chunk, out);
                let _ = answer.try_send(());
            }
        }
        next = match waiting.try_recv() {
            Ok(line) if chunk.len() < CHUNK_BYTES => Some(line),
            Ok(line) => {
                flush(&mut chunk, out);
                Some(line)
            }
            Err(TryRecvError::Empty) => {
                flush(&mut chunk, out);
                waiting.recv().ok()
            }
            Err(TryRecvError::Disconnected) => None,
        };
    }
    flush(&mut chunk, out);
}

/// Nobody can be told where standard error takes nothing.
fn flush(chunk: &mut String, out: &mut impl io::Write) {
    let _ = out.write_all(chunk.as_bytes()).and_then(|()| out.flush());
    chunk.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> RequestLine<'static> {
        RequestLine {
            request_id: "r",
            trace_id: Some("t"),
            client: Some("192.0.2.1".parse().unwrap()),
            method: "POST",
            route: "/oauth2/token",
            status: 503,
            duration_us: 17,
            code: Some("database_busy"),
            cause: Some("it is\nbusy"),
        }
    }

    #[test]
    fn a_line_is_one_line_in_either_form() {
        let json = json("error", "request", &line());
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["status"], 503);
        assert_eq!(read["requestId"], "r");
        assert_eq!(json.matches('\n').count(), 1);
        let text = request_text("error", &line());
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with("client=192.0.2.1 trace=t code=database_busy cause=it is busy\n"));
    }

    #[test]
    fn all_lines_are_written_in_their_order_and_the_rest_is_counted() {
        let (sender, waiting) = sync_channel(2);
        let log = |lines| {
            let (requests, left_out) = (RequestLog::All, AtomicU64::new(0));
            Log(Arc::new(Inner { format: LogFormat::Json, requests, lines, left_out }))
        };
        let log = log(Some(sender));
        for text in ["one", "two", "three"] {
            log.note(text);
        }
        assert_eq!(log.left_out(), 1);
        drop(log);
        let mut out = Vec::new();
        write(&waiting, &mut out);
        let out = String::from_utf8(out).unwrap();
        let messages: Vec<String> = out
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(messages, ["one", "two"]);
    }
}
