//! `agentidp db`.

use agentidp_core::{Idp, SchemaStatus};
use clap::Subcommand;

use crate::cli::Global;
use crate::failure::Failure;
use crate::home::{self, Home};
use crate::output::{Fields, Output};

/// What is done with the database.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Tell which schema the database has and whose it is, also where other commands refuse it.
    Status,
    /// Apply the migrations that the database lacks.
    Migrate,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it was refused or failed.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    let place = Home::locate(global)?;
    let settings = place.settings()?;
    let database = place.database(&settings, global)?;
    // Neither verb needs the key.
    let config = database.config()?.instance(settings.instance.clone());
    let before = Idp::schema_status(&config).map_err(home::missing)?;
    let (status, applied) = match verb {
        Verb::Status => (before, None),
        Verb::Migrate => {
            if before.is_outdated() {
                let (from, to) = (before.schema_version, before.schema_version_known);
                output.note(&format!("bringing the schema from version {from} to {to}"));
            }
            let after = Idp::migrate(&config).map_err(home::missing)?;
            let applied = after.schema_version - before.schema_version;
            (after, Some(applied))
        }
    };
    let own = status.instance_id.as_ref() == Some(&settings.instance);
    output.fields(
        &Fields::default()
            .with("engine", status.engine)
            .with("databaseUrl", database.shown())
            .with("schemaVersion", status.schema_version)
            .with("schemaVersionKnown", status.schema_version_known)
            .with("schemaState", state(&status))
            .maybe("migrationsApplied", applied)
            .with("instanceId", &status.instance_id)
            .with("issuer", &status.issuer)
            .with("belongsToHome", own),
    )?;
    if let Some(refusal) = status.refusal() {
        output.note(&format!("note: {refusal}\nhint: {}", refusal.code().hint()));
    }
    Ok(())
}

/// Whether other commands would use it.
fn state(status: &SchemaStatus) -> &'static str {
    match status.refusal() {
        None => "current",
        Some(_) if status.is_outdated() => "outdated",
        Some(_) => "refused",
    }
}
