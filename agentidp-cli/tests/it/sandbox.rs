//! A directory of its own, an empty environment, and the real binary in it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) const ISSUER: &str = "https://idp.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";

/// What a command answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
}

impl Answer {
    /// The document of `--json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A text of the document.
    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }

    /// The code of a refusal, whose hint must be told on standard error too.
    pub(crate) fn refusal(&self) -> String {
        let error = &self.json()["error"];
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        let hint = error["hint"].as_str().unwrap();
        assert!(!hint.is_empty() && self.stderr.contains(&format!("hint: {hint}")), "{self:?}");
        error["code"].as_str().unwrap().to_owned()
    }
}

/// Where commands run.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox { directory: tempfile::tempdir().unwrap(), variables: BTreeMap::new() }
    }

    /// One with an instance in it.
    pub(crate) fn with_instance() -> Sandbox {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.run(&["init", "--issuer", ISSUER]).exit, 0);
        sandbox
    }

    /// One with an instance, the organization `acme`, and an agent of it with a credential.
    pub(crate) fn with_agent() -> (Sandbox, Agent) {
        let sandbox = Sandbox::with_instance();
        let json = |line: &str| {
            let answer = sandbox.run(&line.split(' ').collect::<Vec<_>>());
            assert_eq!(answer.exit, 0, "{answer:?}");
            answer
        };
        json("--json org create --slug acme");
        let agent = json(
            "--json agent register --org acme --name bot --scope tools:read --audience https://api.example.com",
        );
        let id = agent.text("agentId");
        let credential = json(&format!("--json credential issue --org acme --agent {id}"));
        let agent = Agent { id, secret: credential.text("clientSecret") };
        (sandbox, agent)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The home that commands use unless they name another.
    pub(crate) fn home(&self) -> PathBuf {
        self.path().join(".local/share/agentidp")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.home().join("agentidp.db")
    }

    /// Runs `agentidp` with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with_input(arguments, b"")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentidp"));
        command.args(arguments);
        self.finish(command, input)
    }

    /// Runs a line of shell, in which `agentidp` is the binary under test.
    pub(crate) fn shell(&self, line: &str) -> Answer {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.finish(command, b"")
    }

    /// A token for the agent.
    pub(crate) fn token(&self, agent: &Agent) -> Answer {
        let arguments =
            ["--json", "token", "issue", "--client-id", &agent.id, "--client-secret-file", "-"];
        self.run_with_input(&arguments, agent.secret.as_bytes())
    }

    fn finish(&self, mut command: Command, input: &[u8]) -> Answer {
        let binaries = Path::new(env!("CARGO_BIN_EXE_agentidp")).parent().unwrap();
        let mut child = command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
            .env("HOME", self.path())
            .envs(measured())
            .envs(&self.variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who does not read its input closes it early.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Answer {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            exit: output.status.code().unwrap_or(-1),
        }
    }
}

/// Where a binary whose coverage is measured writes what it found; else it would do so where it runs.
pub(crate) fn measured() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("LLVM_PROFILE_FILE").map(|path| ("LLVM_PROFILE_FILE", path))
}

/// An agent and its secret.
pub(crate) struct Agent {
    pub(crate) id: String,
    pub(crate) secret: String,
}
