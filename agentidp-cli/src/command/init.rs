//! `agentidp init`.

use clap::Args;

use crate::cli::Global;
use crate::failure::Failure;
use crate::home::{Home, KekKind};
use crate::init;
use crate::output::{Fields, Output};

/// A new instance.
#[derive(Debug, Args)]
#[command(
    after_help = "The home holds config.toml, agentidp.db (unless --database-url names another \
database) and kek.key (with --kek file). Whoever has the database and the key has all secrets; \
without the key nobody has any."
)]
pub(crate) struct Arguments {
    /// URL that names this instance in tokens and DIDs: https, or http for the host `localhost`.
    #[arg(long, value_name = "URL", env = "AGENTIDP_ISSUER")]
    issuer: String,
    /// Source of the key that protects all others.
    #[arg(
        long,
        value_name = "SOURCE",
        value_enum,
        default_value = "file",
        env = "AGENTIDP_KEK_SOURCE"
    )]
    kek: KekKind,
}

/// Makes the instance.
///
/// # Errors
/// [`Failure`] when there is one already, or it cannot be made.
pub(crate) fn run(arguments: &Arguments, global: &Global, output: &Output) -> Result<(), Failure> {
    let home = Home::locate(global)?;
    let made = init::make(&home, &arguments.issuer, arguments.kek, global)?;
    let status = made.idp.status();
    output.fields(
        &Fields::default()
            .with("home", home.directory().display().to_string())
            .with("issuer", &status.issuer)
            .with("did", &status.did)
            .with("databaseUrl", made.database.shown())
            .with("auditKey", made.idp.audit_key()?),
    )?;
    if made.database.has_password() {
        output.note("note: config.toml does not keep the password; set AGENTIDP_DATABASE_URL");
    }
    if arguments.kek == KekKind::File {
        let path = home.kek_path();
        output.note(&format!("note: back up `{}` apart from the database", path.display()));
    }
    output.detail(&format!("the instance is {}", status.instance_id));
    Ok(())
}
