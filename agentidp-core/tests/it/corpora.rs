//! Replays the seeds of the fuzz targets, and every seed with a byte changed or cut off, through the
//! same functions: a parser of foreign bytes does not panic.

use std::path::PathBuf;

use agentidp_core::base::limits::TOKEN_BYTES_MAX;
use agentidp_core::canon::parse_strict;
use agentidp_core::crypto::{CryptoProvider, DataKey, Place, base64url, data_key_id, open};
use agentidp_core::import::ImportLine;
use agentidp_core::jose::{Jwk, Jwks};
use agentidp_core::model::{ClientSecret, ScopeSet, Slug};
use agentidp_core::oidc::ClientAssertion;
use agentidp_core::parsers::dpop_claims;
use agentidp_core::verify::{AccessTokenClaims, IdTokenClaims, verify_dpop_proof};
use agentidp_core::{
    ActorChain, AgentId, CredentialId, DataKeyId, Jti, NewAgent, OrgId, SecretBytes, SecretString,
    Timestamp, parsers,
};
use agentidp_testkit::{replay, seeds};

use crate::common::Issuer;

/// What the fuzz targets check, in the files that they have it from.
#[path = "../../../fuzz/bodies/agent_rules.rs"]
mod agent_rules;
#[path = "../../../fuzz/bodies/claims.rs"]
mod claims;
#[path = "../../../fuzz/bodies/import_line.rs"]
mod import_line;
#[path = "../../../fuzz/bodies/trail.rs"]
mod trail;

use claims::{NOW, REQUEST};

/// Targets of other crates, which replay them themselves.
const ELSEWHERE: [&str; 5] = ["access_token", "api_body", "basic", "form", "http_headers"];

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
    replay("claims", claims::check);
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
    assert_eq!(read, 6, "of the seeds these are right");
    replay("import_line", import_line::check);
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
    replay("agent_rules", agent_rules::check);
}

fn trail() {
    let seeds = seeds("trail");
    let texts = seeds.iter().filter_map(|seed| std::str::from_utf8(seed).ok());
    let logs = texts.filter(|text| trail::log(text)).count();
    let edges = seeds.iter().filter(|seed| trail::edge(seed)).count();
    assert_eq!((logs, edges), (3, 2), "of the seeds these are right");
    replay("trail", trail::check);
}
