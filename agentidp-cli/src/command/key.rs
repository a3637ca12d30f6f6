//! `agentidp key`.

use std::fmt::Write as _;

use agentidp_core::{
    Alg, Idp, KeyPurpose, KeyRefusal, KeyRotation, KeyState, SigningKey, SigningKeyError,
};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::cli::Global;
use crate::failure::Failure;
use crate::home;
use crate::output::{Fields, Output};

use super::confirm::Confirm;

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the instance's keys, the oldest first.
    List,
    /// Publish a new key, and let it sign once everybody can have fetched it.
    Rotate(Rotate),
    /// Withdraw a key at once; where it signed, another takes over.
    Revoke(Revoke),
    /// Print the public keys of this instance's tokens as a JWK set.
    Jwks,
}

/// A key to be succeeded.
#[derive(Debug, Args)]
#[command(
    after_help = "The first call publishes a key; `agentidp worker run` lets it sign a day later, or \
a later call of this command does. The old key stays published until all that it signed has expired."
)]
pub(crate) struct Rotate {
    /// What the key signs.
    #[arg(long, value_enum, default_value = "token", env = "AGENTIDP_PURPOSE")]
    purpose: Purpose,
    /// Algorithm: ES256, EdDSA or RS256.
    #[arg(long, default_value = "ES256", env = "AGENTIDP_ALG", value_parser = alg)]
    alg: Alg,
    /// Let it sign at once: those who verify with an older key set refuse its tokens for a while.
    #[arg(long, env = "AGENTIDP_NOW", value_parser = FalseyValueParser::new())]
    now: bool,
}

/// A key to be withdrawn.
#[derive(Debug, Args)]
#[command(
    after_help = "Its tokens are refused here at once, by this instance's other processes within \
seconds, and elsewhere when the key set is fetched again. A name that begins with `-` goes last, \
after `--`."
)]
pub(crate) struct Revoke {
    /// Its name: see `agentidp key list`.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Purpose {
    Token,
    Document,
    Audit,
}

impl From<Purpose> for KeyPurpose {
    fn from(purpose: Purpose) -> KeyPurpose {
        match purpose {
            Purpose::Token => KeyPurpose::Token,
            Purpose::Document => KeyPurpose::Document,
            Purpose::Audit => KeyPurpose::Audit,
        }
    }
}

/// Reads an algorithm's name.
pub(super) fn alg(text: &str) -> Result<Alg, String> {
    Alg::parse(text).ok_or_else(|| "ES256, EdDSA or RS256 is expected".to_owned())
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let idp = home::open(global)?;
    match verb {
        Verb::List => list(&idp, output),
        Verb::Rotate(arguments) => rotate(&idp, arguments, output),
        Verb::Revoke(arguments) => revoke(&idp, arguments, output),
        // A key set is JSON whoever reads it.
        Verb::Jwks => output.text(&format!("{}\n", idp.jwks().to_json())),
    }
}

/// The document of a list.
#[derive(Serialize)]
struct List<'a> {
    items: &'a [SigningKey],
}

fn list(idp: &Idp, output: &Output) -> Result<(), Failure> {
    let keys = idp.keys()?;
    if output.is_json() {
        return output.document(&List { items: &keys });
    }
    let mut text = String::new();
    for key in &keys {
        let (purpose, alg, state) = (key.purpose.as_str(), key.alg.as_str(), key.state.as_str());
        let (kid, made) = (&key.kid, key.created_at);
        let _ = writeln!(text, "{kid}  {purpose:8}  {alg:5}  {state:7}  {made}");
    }
    output.text(&text)
}

fn rotate(idp: &Idp, arguments: &Rotate, output: &Output) -> Result<(), Failure> {
    let rotation = KeyRotation::of(arguments.purpose.into(), arguments.alg);
    let rotation = if arguments.now { rotation.now() } else { rotation };
    let rotated = idp.rotate_key(rotation)?;
    output.fields(
        &fields(&rotated.key)
            .with("signsFrom", rotated.signs_from)
            .maybe("retired", rotated.retired.as_ref()),
    )?;
    if rotated.key.state == KeyState::Next {
        output
            .note("note: it signs when that time has come, by `agentidp worker run` or this again");
    } else if arguments.now {
        output.note("warning: it signs at once; those with an older key set refuse its tokens");
    }
    Ok(())
}

fn revoke(idp: &Idp, arguments: &Revoke, output: &Output) -> Result<(), Failure> {
    let key = idp.keys()?.into_iter().find(|key| key.kid == arguments.kid);
    let unknown = || Failure::from(SigningKeyError::NotFound).hint("see agentidp key list");
    let key = key.ok_or_else(unknown)?;
    if key.purpose == KeyPurpose::Audit {
        return Err(SigningKeyError::Refused(KeyRefusal::AuditKey).into());
    }
    let (kid, purpose, state) = (&key.kid, key.purpose.as_str(), key.state.as_str());
    let action = format!("revoke the {state} {purpose} key `{kid}` and all that it signed");
    if !arguments.confirm.given(&action, output)? {
        return Ok(());
    }
    let revoked = idp.revoke_key(kid)?;
    let successor = revoked.successor.as_ref().map(|key| &key.kid);
    output.fields(&fields(&revoked.key).maybe("successor", successor))?;
    if successor.is_some() {
        output.note("note: the successor signs at once; a key set fetched before does not hold it");
    }
    Ok(())
}

fn fields(key: &SigningKey) -> Fields {
    Fields::default()
        .with("kid", &key.kid)
        .with("alg", key.alg.as_str())
        .with("purpose", key.purpose)
        .with("state", key.state)
        .with("createdAt", key.created_at)
        .maybe("currentAt", key.current_at)
        .maybe("retiredAt", key.retired_at)
        .maybe("revokedAt", key.revoked_at)
}
