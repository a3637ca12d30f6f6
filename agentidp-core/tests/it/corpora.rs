//! Replays the seeds of the fuzz targets, and every seed with a byte changed or cut off, through the
//! same functions: a parser of foreign bytes does not panic.

use std::io::BufReader;
use std::path::PathBuf;

use agentidp_core::audit::{
    ChainFinding, ChainVerifier, Entry, FindingKind, Frontier, LogHead, StoredEntry, chain_hash,
    genesis_hash, leaf_hash,
};
use agentidp_core::base::limits::{IMPORT_LINE_BYTES_MAX, TOKEN_BYTES_MAX};
use agentidp_core::canon::{from_stored, parse_strict, to_canonical};
use agentidp_core::crypto::{CryptoProvider, DataKey, Place, base64url, data_key_id, open};
use agentidp_core::import::ImportLine;
use agentidp_core::jose::{Jwk, Jwks};
use agentidp_core::model::{ClientSecret, ScopeSet, Slug};
use agentidp_core::oidc::{ClientAssertion, bound_key, bound_to};
use agentidp_core::parsers::{dpop_claims, import_lines};
use agentidp_core::verify::{AccessTokenClaims, IdTokenClaims, ProvenRequest, verify_dpop_proof};
use agentidp_core::{
    ActorChain, AgentId, CredentialId, DataKeyId, Jti, NewAgent, OrgId, SecretBytes, SecretString,
    Timestamp, parsers,
};
use agentidp_testkit::{replay, seeds};

use crate::common::Issuer;

/// Targets of other crates, which replay them themselves.
const ELSEWHERE: [&str; 5] = ["access_token", "api_body", "basic", "form", "http_headers"];

const NOW: Timestamp = Timestamp::from_seconds(1_795_316_400);
const REQUEST: ProvenRequest<'static> = ProvenRequest {
    method: "POST",
    url: "https://idp.example.com/oauth2/token",
    access_token: Some("token"),
};
/// The log that the seeds of `trail` are of.
const LOG: &str = "idp.example.com/audit/01900000-0000-7000-8000-000000000001";

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        mod replayed {
            $(#[test] fn $name() { super::$name(); })*
        }

        /// A target that is not here, or has no seeds, would be replayed by nobody.
        #[test]
        fn every_target_is_replayed() {
            let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
            let names = |folder: &str| {
                let files = std::fs::read_dir(fuzz.join(folder)).unwrap();
                let name = |file: std::io::Result<std::fs::DirEntry>| {
                    let path = file.unwrap().path();
                    path.file_stem().unwrap().to_str().unwrap().to_owned()
                };
                let mut names: Vec<_> = files.map(name).collect();
                names.sort();
                names
            };
            let mut here = Vec::from([$(stringify!($name)),*]);
            here.extend(ELSEWHERE);
            here.sort_unstable();
            assert_eq!(names("fuzz_targets"), here);
            assert_eq!(names("corpus"), here);
        }
    };
}

targets!(
    jwt,
    claims,
    proofs,
    jwk,
    jwks,
    key_text,
    envelope,
    import_line,
    strict_json,
    words,
    agent_rules,
    trail,
);

fn jwt() {
    let issuer = Issuer::one();
    replay("jwt", |bytes| {
        if let Ok(token) = std::str::from_utf8(bytes) {
            assert!(issuer.verify(token).is_err());
            assert!(issuer.verify_id(token).is_err());
        }
    });
}

fn claims() {
    let (mut access, mut id, mut dpop, mut chains) = (0, 0, 0, 0);
    for seed in seeds("claims") {
        access += usize::from(AccessTokenClaims::from_payload(&seed).is_ok());
        id += usize::from(IdTokenClaims::from_payload(&seed).is_ok());
        dpop += usize::from(dpop_claims(&seed, REQUEST, NOW).is_ok());
        let chain = ActorChain::from_claim(parse_strict(&seed, TOKEN_BYTES_MAX).ok().as_ref());
        chains += usize::from(chain.is_some_and(|chain| chain.actors().len() > 1));
    }
    assert_eq!((access, id, dpop, chains), (3, 2, 2, 1), "of the seeds these are right");
    replay("claims", |bytes| {
        if let Ok(claims) = AccessTokenClaims::from_payload(bytes) {
            assert_eq!(AccessTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
        }
        if let Ok(claims) = IdTokenClaims::from_payload(bytes) {
            assert_eq!(IdTokenClaims::from_payload(&claims.to_payload()), Ok(claims));
        }
        if let Ok(proven) = dpop_claims(bytes, REQUEST, NOW) {
            assert!(proven.single_use.until > NOW);
        }
        if let Ok(value) = parse_strict(bytes, TOKEN_BYTES_MAX) {
            for act in [Some(&value), value.get("act")] {
                if let Some(chain) = ActorChain::from_claim(act) {
                    assert_eq!(ActorChain::from_claim(chain.to_claim().as_ref()), Some(chain));
                }
            }
            if let Ok(Some(jkt)) = bound_key(Some(&value)) {
                assert_eq!(bound_to(jkt), value);
            }
        }
    });
}

/// Assertions, and proofs that bring their own key. A changed byte breaks every one.
fn proofs() {
    let provider = CryptoProvider::default_provider();
    let is_proof = |text: &str| verify_dpop_proof(text, REQUEST, &provider, NOW).is_ok();
    let is_assertion = |text: &str| ClientAssertion::parse(&SecretString::from(text)).is_ok();
    let texts = seeds("proofs").into_iter().map(|seed| String::from_utf8(seed).unwrap());
    let texts: Vec<_> = texts.collect();
    assert_eq!(texts.iter().filter(|text| is_proof(text)).count(), 2);
    assert_eq!(texts.iter().filter(|text| is_assertion(text)).count(), 2);
    replay("proofs", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        is_assertion(text);
        assert!(texts.iter().any(|seed| seed == text) || !is_proof(text));
    });
}

fn jwk() {
    replay("jwk", |bytes| {
        if let Ok(key) = Jwk::parse(bytes) {
            assert_eq!(Jwk::parse(key.to_value().to_string().as_bytes()), Ok(key));
        }
    });
}

fn jwks() {
    replay("jwks", |bytes| {
        if let Ok(set) = Jwks::parse(bytes) {
            let again = Jwks::parse(set.to_json().as_bytes()).unwrap();
            assert_eq!(again.keys(), set.keys());
        }
    });
}

fn key_text() {
    let text = |seed: &[u8]| String::from_utf8(seed.to_vec()).unwrap();
    let read = seeds("key_text").iter().filter(|seed| Jwk::from_text(&text(seed)).is_ok()).count();
    assert_eq!(read, 7, "of the seeds these are right");
    replay("key_text", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(key) = Jwk::from_text(text)
        {
            assert_eq!(Jwk::from_text(&key.to_value().to_string()), Ok(key));
        }
    });
}

fn envelope() {
    let id = DataKeyId::from_bytes([0; 16]);
    let key = DataKey::new(id, SecretBytes::new(vec![0; 32])).unwrap();
    let organization_id = OrgId::system();
    let place = Place { organization_id: &organization_id, table: "t", column: "c", row: "r" };
    replay("envelope", |bytes| {
        assert!(open(&key, &place, bytes).is_err());
        let _ = data_key_id(bytes);
    });
}

fn import_line() {
    let mut read = 0;
    for seed in seeds("import_line") {
        read += usize::from(ImportLine::parse(&seed).is_ok());
    }
    assert_eq!(read, 5, "of the seeds these are right");
    replay("import_line", |bytes| {
        // The buffer is small, so that lines lie across its end.
        let lines = import_lines(&mut BufReader::with_capacity(7, bytes));
        let split = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            (line.len() <= IMPORT_LINE_BYTES_MAX).then(|| text.to_vec())
        });
        assert_eq!(lines, Vec::from_iter(split));
        for line in lines.iter().flatten() {
            if let Err(refused) = ImportLine::parse(line) {
                assert!(refused.to_string().len() < 400);
            }
        }
    });
}

fn strict_json() {
    replay("strict_json", |bytes| {
        if let Ok(value) = parse_strict(bytes, 64 * 1024) {
            assert_eq!(parse_strict(value.to_string().as_bytes(), 1024 * 1024), Ok(value));
        }
    });
}

/// What is read has one spelling, but for times and scopes, which are written in one.
fn words() {
    replay("words", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if let Ok(id) = AgentId::parse(text) {
            assert_eq!(id.as_str(), text);
        }
        if let Ok(jti) = Jti::parse(text) {
            assert!(jti.time().is_none_or(|time| time <= Timestamp::MAX));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        if let Ok(slug) = Slug::parse(text) {
            assert_eq!(slug.as_str(), text);
        }
        if let Ok(issuer) = agentidp_core::Issuer::parse(text) {
            assert_eq!(issuer.as_str(), text);
        }
        if let Ok(scopes) = ScopeSet::parse(text) {
            assert_eq!(ScopeSet::parse(&scopes.to_string()), Ok(scopes));
        }
        if let Some(secret) = ClientSecret::parse(text) {
            assert_eq!(secret.expose(), text);
        }
        if let Ok(id) = CredentialId::parse(text) {
            assert_eq!(CredentialId::from_bytes(id.to_bytes()), id);
        }
        if let Ok(number) = parsers::trail_cursor(text) {
            assert_eq!(parsers::trail_cursor(&number.to_string()), Ok(number));
        }
        if let Ok(key) = parsers::kek(text) {
            let again = parsers::kek(&base64url(key.expose())).unwrap();
            assert_eq!(again.expose(), key.expose());
        }
    });
}

fn agent_rules() {
    let fits = |agent: NewAgent| usize::from(parsers::agent(agent).is_ok());
    let (mut words, mut urls) = (0, 0);
    for seed in seeds("agent_rules") {
        let (text, bot) = (String::from_utf8(seed).unwrap(), NewAgent::new("bot"));
        words += fits(bot.clone().audience(&text).capability(&text).scope(&text));
        urls += fits(bot.url(&text));
    }
    assert_eq!((words, urls), (5, 3), "of the seeds these are right");
    replay("agent_rules", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let bot = || NewAgent::new("bot");
        let kept = [
            parsers::agent(NewAgent::new(text)).map(|agent| vec![agent.name]),
            parsers::agent(bot().description(text)).map(|agent| Vec::from_iter(agent.description)),
            parsers::agent(bot().owner(text)).map(|agent| Vec::from_iter(agent.owner)),
            parsers::agent(bot().url(text)).map(|agent| Vec::from_iter(agent.url)),
            parsers::agent(bot().audience(text)).map(|agent| agent.audiences),
            parsers::agent(bot().capability(text)).map(|agent| agent.capabilities),
            parsers::agent(bot().scope(text)).map(|agent| vec![agent.scopes.to_string()]),
        ];
        for kept in kept.into_iter().flatten() {
            assert_eq!(kept, [text]);
            assert!(!text.is_empty() && !text.chars().any(char::is_control));
        }
        // Lists, of which each line is an item: what is kept of one is kept again.
        if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::audience)) {
            let again = agent.audiences.iter().fold(bot(), NewAgent::audience);
            assert_eq!(parsers::agent(again).map(|again| again.audiences), Ok(agent.audiences));
        }
        if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::capability)) {
            let again = agent.capabilities.iter().fold(bot(), NewAgent::capability);
            assert_eq!(
                parsers::agent(again).map(|again| again.capabilities),
                Ok(agent.capabilities)
            );
        }
        if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::scope)) {
            let again = agent.scopes.iter().fold(bot(), NewAgent::scope);
            assert_eq!(parsers::agent(again).map(|again| again.scopes), Ok(agent.scopes));
        }
    });
}

fn trail() {
    let seeds = seeds("trail");
    let texts = seeds.iter().filter_map(|seed| std::str::from_utf8(seed).ok());
    let logs = texts.filter(|text| log(text)).count();
    let edges = seeds.iter().filter(|seed| edge(seed)).count();
    assert_eq!((logs, edges), (3, 2), "of the seeds these are right");
    replay("trail", |bytes| {
        edge(bytes);
        if let Ok(text) = std::str::from_utf8(bytes) {
            log(text);
        }
    });
}

/// The right edge of a tree, behind its size. Tells whether it is one.
fn edge(bytes: &[u8]) -> bool {
    let Some((size, edge)) = bytes.split_first_chunk::<8>() else { return false };
    // A size is stored in 63 bits.
    let read = Frontier::from_bytes(u64::from_be_bytes(*size) >> 1, edge);
    let Ok(mut frontier) = read else { return false };
    assert_eq!(frontier.to_bytes(), edge);
    frontier.append(&leaf_hash(bytes));
    assert_eq!(Frontier::from_bytes(frontier.size(), &frontier.to_bytes()), Ok(frontier));
    true
}

/// Rows of a log, one a line: the entry, and behind tabs its event, number, predecessor and hash, where
/// they are others than those of a sound log. Tells whether the log is valid.
fn log(text: &str) -> bool {
    let (mut rows, mut sound) = (Vec::new(), true);
    let (mut previous, mut frontier) = (genesis_hash(LOG), Frontier::default());
    for (seq, line) in (0_u64..).zip(text.split('\n')) {
        let mut fields = line.split('\t');
        let entry = fields.next().unwrap_or_default();
        let mut given = || fields.next().filter(|field| !field.is_empty());
        let leaf = leaf_hash(entry.as_bytes());
        let hash = chain_hash(&previous, &leaf);
        let event = given().map_or_else(|| event_of(entry), str::to_owned);
        let number = given().and_then(|field| field.parse().ok()).unwrap_or(seq);
        let link = given().map_or(previous.to_vec(), |field| field.as_bytes().to_vec());
        let stored = given().map_or(hash.to_vec(), |field| field.as_bytes().to_vec());
        sound &= number == seq && link == previous && stored == hash;
        rows.push((number, event, entry, link, stored));
        frontier.append(&leaf);
        previous = hash;
    }
    let head = LogHead { hash: previous.to_vec(), frontier };
    let mut verifier = ChainVerifier::new(LOG, Some(head));
    for (number, event, entry, link, stored) in &rows {
        verifier.push(*number, event, entry, link, stored);
    }
    let report = verifier.finish();
    assert_eq!(report.size, rows.len() as u64);
    assert_eq!(report.valid, report.findings.is_empty());
    assert!(sound || !report.valid);
    // Rows that link to one another may yet be of another log. Only the first findings are told.
    if report.findings.len() as u64 == report.findings_count {
        let foreign = |finding: &ChainFinding| finding.kind == FindingKind::Foreign;
        assert_eq!(report.findings.iter().all(foreign), sound);
    }
    report.valid
}

/// The event of a stored entry. What is read of the entry is written and read again as the same.
fn event_of(entry: &str) -> String {
    let Ok(read) = from_stored::<StoredEntry>(entry) else { return String::new() };
    let written = Entry::new(LOG, &read.event_id, read.time, &read.event_type, read.outcome)
        .actor(read.actor.as_ref().map(AgentId::as_str))
        .target(read.target.as_deref());
    if let Ok(text) = written.to_bytes() {
        assert_eq!(to_canonical(&written).as_deref(), Ok(text.as_bytes()));
        let without_data = StoredEntry { data: Default::default(), ..read.clone() };
        assert_eq!(from_stored::<StoredEntry>(&text), Ok(without_data));
    }
    read.event_id.to_string()
}
