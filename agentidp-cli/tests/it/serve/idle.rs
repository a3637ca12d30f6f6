//! Clients that stay connected and ask for nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, socket};

use crate::sandbox::Sandbox;

use super::server::{PATIENCE, Server, pause};

/// How many connections there are, unless it says more: `scripts/soak idle` does.
const CONNECTIONS_VARIABLE: &str = "AGENTIDP_IDLE_CONNECTIONS";
const CONNECTIONS: usize = 500;
/// What a process is to hold: the server, from where, and how many.
const HOLD_VARIABLE: &str = "AGENTIDP_TEST_HOLD";
/// Most connections of one process, which has an address of its own: the server takes 2,000 of each.
const PER_PROCESS_MAX: usize = 1_250;
const PROCESSES_MIN: usize = 4;
/// Most memory that a connection may cost, whether it was used or not.
const KIB_EACH_MAX: u64 = 24;

#[test]
fn idle_connections_of_many_processes_hinder_nobody_and_are_left() {
    let wanted = std::env::var(CONNECTIONS_VARIABLE);
    let wanted = wanted.map_or(CONNECTIONS, |number| number.parse().unwrap());
    // The server needs some for itself.
    let connections = descriptors().saturating_sub(500).min(wanted);
    // All of them are to be there before the first is left.
    let idle = Duration::from_secs(4 + connections as u64 / 400);
    let (sandbox, agent) = Sandbox::with_agent();
    let timeout = format!("{}s", idle.as_secs());
    let arguments = ["--idle-timeout", &timeout, "--admin-listen", "127.0.0.1:0"];
    let server = Server::start(&sandbox, &arguments);
    assert_eq!(server.token_of(&agent).status, 200);
    let before_kib = resident_kib(server.id());
    let begin = Instant::now();
    let processes = connections.div_ceil(PER_PROCESS_MAX).max(PROCESSES_MIN);
    let share = connections.div_ceil(processes);
    let mut holders: Vec<_> =
        (0..processes).map(|number| Holder::start(server.address, number, share)).collect();
    holders.iter_mut().for_each(|holder| holder.says("held"));
    let held = begin.elapsed();
    assert!(held < idle, "too slow to hold them all at once: {held:?}");
    assert!(open(&server) >= connections, "{} of {connections} are open", open(&server));
    // The machine may be busy with other tests: the quickest of a few is the server's own time.
    let asked = (0..5).map(|_| {
        let begin = Instant::now();
        assert_eq!(server.token_of(&agent).status, 200);
        begin.elapsed()
    });
    let quickest = asked.min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    let grown_kib = resident_kib(server.id()).saturating_sub(before_kib);
    let each_kib = grown_kib / connections as u64;
    assert!(each_kib <= KIB_EACH_MAX, "{grown_kib} KiB for {connections} connections");
    println!(
        "{connections} connections, held after {held:?}: a token in {quickest:?}, {grown_kib} KiB"
    );
    holders.iter_mut().for_each(|holder| holder.says("left"));
    assert!(begin.elapsed() >= idle, "left after {:?}", begin.elapsed());
    for holder in holders {
        assert!(holder.child.wait_with_output().unwrap().status.success());
    }
    let begin = Instant::now();
    while open(&server) > 0 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{} are open", open(&server));
        pause();
    }
    assert_eq!(server.token_of(&agent).status, 200);
    server.end();
}

/// A process that holds connections.
struct Holder {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Holder {
    fn start(server: SocketAddr, number: usize, connections: usize) -> Holder {
        // Each has an address of its own where the system has all of 127.0.0.0/8.
        let last = if cfg!(target_os = "linux") { u8::try_from(number + 2).unwrap() } else { 1 };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve::idle::holding_child", "--exact", "--nocapture"])
            .env(HOLD_VARIABLE, format!("{server} 127.0.0.{last} {connections}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Holder { child, said }
    }

    /// Waits until it says so.
    fn says(&mut self, word: &str) {
        let mut line = String::new();
        while self.said.read_line(&mut line).unwrap() > 0 {
            if line.trim_end().ends_with(word) {
                return;
            }
            line.clear();
        }
        panic!("a process did not say `{word}`");
    }
}

/// Holds connections until the server leaves each, if it runs as a child of the test above. Every other
/// one was used before.
#[test]
fn holding_child() {
    let Ok(task) = std::env::var(HOLD_VARIABLE) else { return };
    let task: Vec<_> = task.split(' ').collect();
    let [server, from, connections] = task[..] else { panic!("{task:?}") };
    descriptors();
    let held: Vec<_> = (0..connections.parse().unwrap())
        .map(|number: usize| {
            let mut stream = connect_from(from.parse().unwrap(), server.parse().unwrap());
            if number.is_multiple_of(2) {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: idp\r\n\r\n").unwrap();
                let mut answer = [0; 1024];
                let read = stream.read(&mut answer).unwrap();
                assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{read} bytes");
            }
            stream
        })
        .collect();
    println!("held");
    for mut stream in held {
        // What is left of the answer, and then the end.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < 1024);
    }
    println!("left");
}

fn connect_from(from: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
    rustix::net::connect(&socket, &server).unwrap();
    let stream = TcpStream::from(socket);
    // Longer than any connection may be idle here.
    stream.set_read_timeout(Some(4 * PATIENCE)).unwrap();
    stream
}

/// The connections that the server tells of.
fn open(server: &Server) -> usize {
    let metrics = server.get_as_operator("/metrics").body;
    let number = metrics.lines().find_map(|line| line.strip_prefix("agentidp_connections "));
    number.unwrap().parse().unwrap()
}

#[test]
fn thousands_of_idle_connections_cost_little_and_hinder_nobody() {
    let (sandbox, agent) = Sandbox::with_agent();
    let server = Server::start(&sandbox, &["--max-connections-per-address", "20000"]);
    // As many as the issue names, where the system gives this process so many descriptors.
    let connections = descriptors().saturating_sub(500).min(10_000);
    let silent: Vec<_> = (0..connections).map(|_| server.connect()).collect();
    let begin = Instant::now();
    assert_eq!(server.token_of(&agent).status, 200);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(server.get("/readyz").status, 200);
    let memory_kib = resident_kib(server.id());
    assert!(memory_kib < 100 * 1024, "{memory_kib} KiB for {connections} connections");
    drop(silent);
    server.end();
}

/// Takes as many descriptors as there are, and tells how many.
pub(super) fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let given =
        if setrlimit(Resource::Nofile, most).is_ok() { limit.maximum } else { limit.current };
    given.map_or(usize::MAX, |given| usize::try_from(given).unwrap())
}

/// The memory of a process, where the system tells it.
fn resident_kib(id: u32) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
