//! `kill -9` of a process that issues under load: every answered token has its entry, and the chain
//! verifies. AGENTIDP_KILL_ROUNDS sets how often; scripts/soak asks for a hundred.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use agentidp_core::base::pause;
use agentidp_core::{
    Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, OrgId, PageRequest, PlanTier,
    TokenRequest,
};

const THREADS: usize = 8;
const START_UP_MAX: Duration = Duration::from_secs(20);
const API: &str = "https://api.example.com";

/// Tells a copy of this program that it is to issue until it is killed.
const ISSUE_VARIABLE: &str = "AGENTIDP_TEST_ISSUE_UNTIL_KILLED";

#[test]
fn kill_while_issuing_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    kill_while_issuing(home.path(), &format!("file:{}", home.path().join("a.db").display()));
}

#[cfg(feature = "postgres")]
#[test]
fn kill_while_issuing_on_postgres() {
    let home = tempfile::tempdir().unwrap();
    let database = agentidp_testkit::TestDatabase::new();
    kill_while_issuing(home.path(), &database.url());
}

fn rounds() -> u64 {
    std::env::var("AGENTIDP_KILL_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap())
}

fn config(home: &Path, place: &str) -> Config {
    let config = match place.strip_prefix("file:") {
        Some(path) => Config::sqlite(path),
        #[cfg(feature = "postgres")]
        None => Config::postgres(place),
        #[cfg(not(feature = "postgres"))]
        None => unreachable!("{place}"),
    };
    config.kek(KekSource::file(home.join("kek.key"))).issuer("https://idp.example.com")
}

fn kill_while_issuing(home: &Path, place: &str) {
    let idp = Idp::open(config(home, place)).unwrap();
    let org = idp.create_org(NewOrg::new("acme").plan(PlanTier::Enterprise)).unwrap().id;
    let handle = idp.org(&org);
    let agent = handle.register_agent(NewAgent::new("bot").audience(API)).unwrap().id;
    let secret = handle.issue_credential(&agent, NewCredential::default()).unwrap();
    let client = format!("{agent} {}", secret.secret());
    drop(idp);
    let mut answered = HashSet::new();
    for round in 0..rounds() {
        let before = answered.len();
        answered.extend(issue_and_kill(home, place, &client, round));
        let idp = Idp::open_existing(config(home, place)).unwrap();
        let report = idp.org(&org).verify_audit().unwrap();
        assert!(report.valid, "round {round}: {report:?}");
        let recorded = recorded(&idp, &org);
        let lost: Vec<_> = answered.difference(&recorded).collect();
        assert!(lost.is_empty(), "round {round}: answered and not recorded: {lost:?}");
        assert!(answered.len() > before, "round {round}: nothing was issued before the kill");
    }
}

/// The `jti`s of the tokens that a child was answered before it was killed.
fn issue_and_kill(home: &Path, place: &str, client: &str, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::kill_child", "--exact", "--nocapture"])
        .env(ISSUE_VARIABLE, format!("{}\n{place}\n{client}", home.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (first, issued) = mpsc::sync_channel(1);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        // A line that the kill cut short has no end, and so no checksum to tell.
        let tokens = lines.map_while(Result::ok);
        let tokens = tokens.filter_map(|line| line.strip_prefix("token ").map(str::to_owned));
        let tokens = tokens.filter_map(|line| line.strip_suffix(" end").map(str::to_owned));
        let tell = |_: &String| {
            let _ = first.try_send(());
        };
        tokens.inspect(tell).collect::<Vec<_>>()
    });
    // Start-up takes 50 ms, or seconds on a busy machine; the moments after it differ from round to
    // round.
    let _ = issued.recv_timeout(START_UP_MAX);
    pause(Duration::from_millis((round * 37) % 200));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Issues until it is killed, if it runs as a child of the tests above.
#[test]
fn kill_child() {
    let Ok(task) = std::env::var(ISSUE_VARIABLE) else { return };
    let mut lines = task.lines();
    let (home, place) = (lines.next().unwrap(), lines.next().unwrap());
    let (agent, secret) = lines.next().unwrap().split_once(' ').unwrap();
    let idp = Idp::open_existing(config(Path::new(home), place)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let request = TokenRequest::client_credentials(agent, secret);
                loop {
                    let token = idp.token(&request).unwrap();
                    let claims = idp.verifier().verify_access_token(&token.access_token, API);
                    // One write a line: what the pipe has, was answered.
                    let line = format!("token {} end\n", claims.unwrap().jti);
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// The `jti`s that the trail tells of.
fn recorded(idp: &Idp, org: &OrgId) -> HashSet<String> {
    let mut recorded = HashSet::new();
    let mut page = PageRequest::first().limit(500);
    loop {
        let entries = idp.org(org).audit(&page).unwrap();
        recorded.extend(entries.items.into_iter().filter_map(|entry| entry.target));
        let Some(cursor) = entries.next_cursor else { return recorded };
        page = PageRequest::first().limit(500).after(cursor);
    }
}
