//! A server of a sandbox's instance, and a client that writes its requests byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::sandbox::{Agent, Sandbox};

/// Longest time that anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. Killed when dropped, if it has not ended.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
    said: Arc<Mutex<String>>,
    listening: Option<JoinHandle<()>>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Server {
    pub(super) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Server {
        Server::start_with(sandbox, arguments, |_| {})
    }

    /// One whose process gets more than arguments.
    pub(super) fn start_with(
        sandbox: &Sandbox,
        arguments: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentidp"));
        command.args(["--json", "serve"]);
        for (flag, value) in [("--listen", "127.0.0.1:0"), ("--log-format", "json")] {
            if !arguments.contains(&flag) {
                command.args([flag, value]);
            }
        }
        command.args(arguments).current_dir(sandbox.path()).env_clear();
        command.env("HOME", sandbox.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        more(&mut command);
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let listening = std::thread::spawn(move || {
            for line in stderr.lines() {
                *heard.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("it does not listen: {line}")
        });
        let address = |name: &str| told[name].as_str().map(|text| text.parse().unwrap());
        let (listen, admin) = (address("listen").unwrap(), address("adminListen"));
        Server { child, address: listen, admin, said, listening: Some(listening) }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Sends bytes over a connection of their own, and reads until it ends.
    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) -> Reply {
        send(self.connect(), bytes)
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.send(get(path))
    }

    /// As [`get`](Self::get), where the operator asks.
    pub(super) fn get_as_operator(&self, path: &str) -> Reply {
        send(connect(self.admin.expect("it listens there")), get(path))
    }

    /// Asks for a token.
    pub(super) fn token(&self, id: &str, secret: &str) -> Reply {
        self.send(token_request(id, secret, "Connection: close\r\n"))
    }

    pub(super) fn token_of(&self, agent: &Agent) -> Reply {
        self.token(&agent.id, &agent.secret)
    }

    pub(super) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits for its end: the exit code, and what it said.
    pub(super) fn ended(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            pause();
        };
        self.listening.take().unwrap().join().unwrap();
        (status.code(), self.said.lock().unwrap().clone())
    }

    /// Waits until it has said so.
    pub(super) fn says(&self, text: &str) {
        let begin = Instant::now();
        while !self.said.lock().unwrap().contains(text) {
            assert!(begin.elapsed() < PATIENCE, "it does not say {text}");
            pause();
        }
    }

    /// Ends it, and what it said.
    pub(super) fn end(self) -> String {
        self.signal("-TERM");
        let (code, said) = self.ended();
        assert_eq!(code, Some(0), "{said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.listening.is_some() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        line.unwrap_or_default()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Reads what a connection answered; status 0 where it ended without a word.
    pub(super) fn parse(bytes: &[u8]) -> Reply {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Writes what the server takes, and reads until it ends the connection.
pub(super) fn send(mut stream: TcpStream, bytes: impl AsRef<[u8]>) -> Reply {
    // Who refuses early does not read to the end.
    let _ = stream.write_all(bytes.as_ref());
    Reply::parse(&rest(&mut stream))
}

/// All that comes until the connection ends.
pub(super) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    match stream.read_to_end(&mut read) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection does not end: {error}"),
    }
    read
}

pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: idp\r\nConnection: close\r\n\r\n")
}

/// A request for a token, with `fields` beside what it needs.
pub(super) fn token_request(id: &str, secret: &str, fields: &str) -> String {
    let fields = format!("{}{fields}", basic(id, secret));
    form_request("/oauth2/token", &fields, "grant_type=client_credentials")
}

/// A request with a form, with `fields` beside what it needs.
pub(super) fn form_request(path: &str, fields: &str, form: &str) -> String {
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: idp\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{fields}\r\n{form}"
    )
}

/// The field by which a client shows its secret.
pub(super) fn basic(id: &str, secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{id}:{secret}")))
}

/// The field by which somebody shows a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub(super) fn pause() {
    agentidp_core::base::pause(Duration::from_millis(20));
}
