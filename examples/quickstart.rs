//! The main job in one process: an organization, an agent, a credential, a token, and the proof.
//!
//! ```sh
//! cargo run -p agentidp-examples --example quickstart
//! ```

use std::error::Error;
use std::io::Write as _;

use agentidp_core::{
    Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, PageRequest, TokenRequest,
};

const API: &str = "https://api.example.com";

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let home = tempfile::tempdir()?;
    let idp = Idp::open(
        Config::sqlite(home.path().join("agentidp.db"))
            .kek(KekSource::file(home.path().join("kek.key")))
            .issuer("https://idp.example.com"),
    )?;

    let org = idp.create_org(NewOrg::new("acme").name("Acme Ltd"))?;
    let acme = idp.org(&org.id);
    let agent = acme.register_agent(
        NewAgent::new("invoice-bot").scope("invoices:read").scope("openid").audience(API),
    )?;
    writeln!(out, "{} is {}", agent.name, agent.did)?;

    // The secret is in this answer and nowhere else.
    let credential = acme.issue_credential(&agent.id, NewCredential::default())?;
    let token = idp.token(
        &TokenRequest::client_credentials(&agent.client_id, credential.secret())
            .scope("invoices:read openid"),
    )?;

    let claims = idp.verifier().verify_access_token(&token.access_token, API)?;
    writeln!(out, "its token is for {:?} with {:?}", claims.aud, claims.scope)?;
    writeln!(out, "it has an ID token as well: {}", token.id_token.is_some())?;

    for entry in acme.audit(&PageRequest::first())?.items {
        writeln!(out, "trail: {} {:?}", entry.event_type, entry.outcome)?;
    }
    writeln!(out, "the trail verifies: {}", acme.verify_audit()?.valid)?;
    Ok(())
}
