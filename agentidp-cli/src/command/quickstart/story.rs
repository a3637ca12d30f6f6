//! How the story is told.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::failure::Failure;
use crate::output::{Fields, Output};

use super::directory::Directory;
use super::run::{AUDIENCE, ORG, Outcome, SCOPE};

/// Tells each step and how long it took; with `--json` it keeps silent.
pub(super) struct Story<'a> {
    output: &'a Output,
    steps: u32,
    began: Instant,
    step_began: Instant,
}

impl<'a> Story<'a> {
    pub(super) fn new(output: &'a Output) -> Story<'a> {
        let now = Instant::now();
        Story { output, steps: 0, began: now, step_began: now }
    }

    pub(super) fn title(&self, text: &str) -> Result<(), Failure> {
        self.tell(&format!("{text}\n"))
    }

    /// Tells that a step is done, and what came of it.
    pub(super) fn step(&mut self, what: &str, came_of_it: &Fields) -> Result<(), Failure> {
        self.steps += 1;
        let took = self.step_began.elapsed().as_secs_f64() * 1000.0;
        let mut text = format!("\n{}. {what:<58} {took:>7.1} ms\n", self.steps);
        for line in came_of_it.lines().lines() {
            let _ = writeln!(text, "   {line}");
        }
        self.tell(&text)?;
        self.step_began = Instant::now();
        Ok(())
    }

    /// Tells how to go on.
    pub(super) fn ending(&self, directory: &Directory, outcome: &Outcome) -> Result<(), Failure> {
        let took = self.began.elapsed().as_secs_f64() * 1000.0;
        let mut text = format!("\nAll of it holds, after {took:.0} ms. Go on from here:\n\n");
        for command in commands(directory, outcome) {
            let _ = writeln!(text, "  {command}");
        }
        self.tell(&text)
    }

    fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.output.is_json() { Ok(()) } else { self.output.text(text) }
    }
}

/// Commands that work as they stand, in any shell of this machine.
fn commands(directory: &Directory, outcome: &Outcome) -> Vec<String> {
    let program = std::env::args_os().next().unwrap_or_else(|| "agentidp".into());
    let mut agentidp = quoted(Path::new(&program));
    if std::env::var_os("AGENTIDP_DATABASE_URL").is_some() {
        agentidp.insert_str(0, "env -u AGENTIDP_DATABASE_URL ");
    }
    let home = format!("{agentidp} --home {}", quoted(directory.home().directory()));
    let (secret, jwks) = (quoted(&directory.secret()), quoted(&directory.jwks()));
    let token = quoted(&directory.token());
    let (agent, issuer) = (&outcome.agent, &outcome.issuer);
    vec![
        format!(
            "{home} token issue --client-id {agent} --client-secret-file {secret} --scope {SCOPE}"
        ),
        format!(
            "{agentidp} token verify --jwks {jwks} --issuer {issuer} --audience {AUDIENCE} - < {token}"
        ),
        format!("{home} agent show {agent} --org {ORG}"),
        format!("{home} audit list --org {ORG}"),
        format!("{home} audit verify --org {ORG}"),
    ]
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted(Path::new("/a/b-c_d.e")), "/a/b-c_d.e");
        assert_eq!(quoted(Path::new("/a b")), "'/a b'");
        assert_eq!(quoted(Path::new("it's $x")), "'it'\\''s $x'");
    }
}
