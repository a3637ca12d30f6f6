//! The life of a signing key, with a clock that runs ahead: published, signing, retired, gone.
//!
//! ```sh
//! cargo run -p agentidp-examples --example rotate_keys
//! ```

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use agentidp_core::{
    Alg, Clock, Config, Idp, KekSource, KeyRotation, NewAgent, NewCredential, NewOrg, SystemClock,
    Timestamp, TokenRequest,
};

/// The system's clock, and so many hours ahead.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::SeqCst) * 3600;
        Timestamp::from_seconds(SystemClock.now().as_seconds() + ahead)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let home = tempfile::tempdir()?;
    let clock = Arc::new(Ahead::default());
    let config = Config::sqlite(home.path().join("agentidp.db"))
        .kek(KekSource::file(home.path().join("kek.key")))
        .issuer("https://idp.example.com")
        .clock(clock.clone());
    let idp = Idp::open(config)?;

    let org = idp.create_org(NewOrg::new("acme"))?;
    let acme = idp.org(&org.id);
    let agent = acme.register_agent(NewAgent::new("bot").audience("https://api.example.com"))?;
    let credential = acme.issue_credential(&agent.id, NewCredential::default())?;
    let token = |idp: &Idp| {
        let request = TokenRequest::client_credentials(&agent.client_id, credential.secret());
        idp.token(&request).map(|response| response.access_token)
    };

    // A key is published first: whoever verifies tokens is to have fetched it before it signs.
    let next = idp.rotate_key(KeyRotation::tokens(Alg::Es256))?;
    writeln!(out, "published {}, signs from {}", next.key.kid, next.signs_from)?;
    let signed_by_the_old = token(&idp)?;

    // A host calls `tick` every minute or so, in any number of processes.
    for hours in [24, 48, 60] {
        clock.0.store(hours, Ordering::SeqCst);
        for change in idp.tick()?.keys {
            writeln!(out, "hour {hours}: {} {}", change.kid, change.event.as_str())?;
        }
        let verified = idp.verifier().verify_access_token(&token(&idp)?, "https://api.example.com");
        writeln!(out, "hour {hours}: a new token verifies: {}", verified.is_ok())?;
    }
    let expired = idp.verifier().verify_access_token(&signed_by_the_old, "https://api.example.com");
    writeln!(
        out,
        "the old key's token: {}",
        expired.err().map_or(String::new(), |e| e.to_string())
    )?;

    // In an emergency: withdrawn at once, and another takes over.
    let lost = token(&idp)?;
    let revoked = idp.revoke_key(&next.key.kid)?;
    let refused = idp.verifier().verify_access_token(&lost, "https://api.example.com").is_err();
    writeln!(out, "revoked {}, its tokens are refused: {refused}", revoked.key.kid)?;
    let successor = revoked.successor.map(|key| key.kid).unwrap_or_default();
    writeln!(out, "its successor {successor} signs already")?;
    Ok(())
}
