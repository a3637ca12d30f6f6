//! What a resource server does: verifies tokens with a key set and nothing else.
//!
//! This needs `agentidp-core` with `default-features = false` and one provider of signatures alone:
//! no database, no HTTP client, no runtime.
//!
//! ```sh
//! agentidp key jwks > jwks.json
//! agentidp token issue .. | cargo run -p agentidp-examples --example verify_token -- \
//!     jwks.json https://idp.example.com https://api.example.com
//! ```

use std::error::Error;
use std::io::{Read as _, Write as _};

use agentidp_core::CryptoProvider;
use agentidp_core::jose::Jwks;
use agentidp_core::verify::Verifier;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [jwks, issuer, audience] = arguments.as_slice() else {
        return Err("usage: verify_token JWKS_FILE ISSUER AUDIENCE < TOKEN".into());
    };

    // Read the set again from time to time: keys rotate, and `Cache-Control` says how often.
    let keys = Jwks::parse(&std::fs::read(jwks)?)?;
    let verifier = Verifier::new(issuer.as_str(), &keys, &CryptoProvider::aws_lc())?;

    let mut token = String::new();
    std::io::stdin().take(16 * 1024).read_to_string(&mut token)?;
    let claims = verifier.verify_access_token(token.trim(), audience)?;

    // Whose agent it is matters as much as what it may do: compare the organization.
    writeln!(
        std::io::stdout(),
        "agent {} of organization {} may {}",
        claims.sub,
        claims.organization_id,
        claims.scope.as_deref().unwrap_or("do nothing in particular"),
    )?;
    Ok(())
}
