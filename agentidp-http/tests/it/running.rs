//! A server that listens in this process, on the clock of a test.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agentidp_core::Idp;
use agentidp_http::{LogOptions, RequestLog, ServeError, ServeOptions, serve};
use axum::http::HeaderName;

use crate::served::Answer;

/// Longest time that anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(5);

pub(crate) struct Running {
    public: SocketAddr,
    admin: SocketAddr,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// Serves the instance at addresses that the system chooses, with background work all the time.
    pub(crate) fn start(idp: Idp) -> Running {
        Running::start_with(idp, |_| {})
    }

    /// The same, where some of that is chosen otherwise.
    pub(crate) fn start_with(idp: Idp, choose: impl FnOnce(&mut ServeOptions)) -> Running {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = ServeOptions::new(any);
        options.admin_listen = Some(any);
        options.tick_interval = STEP;
        options.log = LogOptions { requests: RequestLog::None, ..LogOptions::default() };
        choose(&mut options);
        let (ready, listening) = mpsc::channel();
        let serving = std::thread::spawn(move || {
            serve(idp, options, move |at| ready.send(at).expect("who waits for it"))
        });
        let at = listening.recv_timeout(PATIENCE).expect("it listens");
        Running { public: at.public, admin: at.admin.expect("both"), serving }
    }

    /// What is answered to a request of that head, which is followed by nothing.
    pub(crate) fn ask(&self, head: &str) -> Answer {
        let answer = exchange(self.public, &format!("{head}\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let (status, fields) = head.split_once("\r\n").expect("fields");
        let status = status.split(' ').nth(1).expect("a status").parse().expect("a status");
        let fields = fields.split("\r\n").map(|field| {
            let (name, value) = field.split_once(": ").expect("a field");
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        });
        Answer { status, headers: fields.collect(), body: body.to_owned() }
    }

    /// What is there, where there is something.
    pub(crate) fn get(&self, path: &str) -> String {
        body_of(self.public, &format!("GET {path} HTTP/1.1\r\nHost: idp\r\n"), "")
    }

    /// What a form is answered that is granted.
    pub(crate) fn post(&self, path: &str, authorization: &str, form: &str) -> String {
        let length = form.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: idp\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
        );
        body_of(self.public, &head, form)
    }

    /// Waits until all is done that is due now: the round that has begun knows an older time.
    pub(crate) fn works(&self) {
        let (done, begin) = (self.rounds(), Instant::now());
        while self.rounds() < done + 2 {
            assert!(begin.elapsed() < PATIENCE, "the background work does not go on");
            agentidp_core::base::pause(STEP);
        }
    }

    /// Rounds of the background work, of which none failed.
    fn rounds(&self) -> u64 {
        let metrics = body_of(self.admin, "GET /metrics HTTP/1.1\r\nHost: idp\r\n", "");
        let of = |result: &str| {
            let name = format!("agentidp_worker_ticks_total{{result=\"{result}\"}} ");
            let number = metrics.lines().find_map(|line| line.strip_prefix(&name));
            number.expect("a sample").parse::<u64>().expect("a number")
        };
        assert_eq!(of("failed"), 0);
        of("done")
    }

    /// Ends it as a service manager does. Whatever else serves in this process ends with it.
    pub(crate) fn end(self) {
        let own = std::process::id().to_string();
        assert!(Command::new("kill").args(["-TERM", &own]).status().expect("kill").success());
        self.serving.join().expect("no panic").expect("it started");
    }
}

fn body_of(address: SocketAddr, head: &str, body: &str) -> String {
    let answer = exchange(address, &format!("{head}Connection: close\r\n\r\n{body}"));
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
    body.to_owned()
}

/// What comes back for those bytes, until the connection ends.
fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(bytes.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
