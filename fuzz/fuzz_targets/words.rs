//! Identifiers, times, slugs, issuers, scopes, secrets, cursors and key-encryption keys: what is read
//! has one spelling, or is written in one that is read as the same.
#![no_main]

use agentidp_core::crypto::base64url;
use agentidp_core::model::{ClientSecret, ScopeSet, Slug};
use agentidp_core::{AgentId, CredentialId, Issuer, Jti, Timestamp, parsers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(id) = AgentId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(jti) = Jti::parse(text) {
        assert!(jti.time().is_none_or(|time| time <= Timestamp::MAX));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok::<_, <Timestamp as std::str::FromStr>::Err>(time));
    }
    if let Ok(slug) = Slug::parse(text) {
        assert_eq!(slug.as_str(), text);
    }
    if let Ok(issuer) = Issuer::parse(text) {
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
        let again = parsers::kek(&base64url(key.expose())).expect("our own text");
        assert_eq!(again.expose(), key.expose());
    }
});
