//! `agentidp audit`.

use std::fmt::Write as _;

use agentidp_core::audit::{ChainReport, Outcome, StoredEntry};
use agentidp_core::{Cursor, ErrorCode, Idp, PageRequest};
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::failure::Failure;
use crate::home::{self, Home};
use crate::output::{Fields, Output, printable};

use super::OrgFlag;

/// After how many entries it is told how far the verification is.
const ENTRIES_BETWEEN_NOTES: u64 = 100_000;

/// What is done with the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the trail of an organization, a page at a time, the oldest entry first.
    List(List),
    /// Verify the whole trail of an organization. Exit code 3: it is broken, or the instance does not open.
    Verify(Verify),
}

/// A page of the trail.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    org: OrgFlag,
    /// Most entries, up to 500.
    #[arg(long, value_name = "N", env = "AGENTIDP_LIMIT")]
    limit: Option<usize>,
    /// Where an earlier page ended: its nextCursor.
    #[arg(long, env = "AGENTIDP_CURSOR")]
    cursor: Option<String>,
}

/// A trail to verify.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    org: OrgFlag,
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`] when it failed, or the trail is broken.
pub(crate) fn run(verb: &Verb, global: &Global, output: &Output) -> Result<(), Failure> {
    match verb {
        Verb::List(list) => {
            let idp = home::open(global)?;
            let mut request = PageRequest::first();
            if let Some(limit) = list.limit {
                request = request.limit(limit);
            }
            if let Some(cursor) = &list.cursor {
                request = request.after(Cursor::new(cursor));
            }
            let page = list.org.handle(&idp)?.audit(&request)?;
            if output.is_json() {
                return output.document(&page);
            }
            output.text(&page.items.iter().map(line).collect::<String>())?;
            if let Some(next) = &page.next_cursor {
                output.note(&format!("there is more: --cursor {}", next.as_str()));
            }
            Ok(())
        }
        Verb::Verify(verify) => {
            let mut progress = |done: u64| {
                if done.is_multiple_of(ENTRIES_BETWEEN_NOTES) {
                    output.note(&format!("{done} entries verified"));
                }
            };
            match home::open(global) {
                Ok(idp) => {
                    report(&verify.org.handle(&idp)?.verify_audit_telling(&mut progress)?, output)
                }
                Err(failure) => match unopened(verify, &failure, global, &mut progress)? {
                    None => Err(failure),
                    Some(found) => {
                        let message = format!("the instance does not open: {}", failure.message());
                        broken(message, found, output).map_err(|it| it.hint(failure.advice()))
                    }
                },
            }
        }
    }
}

/// What is found of the trail where the instance does not open: it is read without a key. That it is not
/// the trail of a sound instance is the answer in any case. Nothing where that says nothing of the trail.
fn unopened(
    verify: &Verify,
    failure: &Failure,
    global: &Global,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Fields>, Failure> {
    let place = Home::locate(global)?;
    let settings = place.settings()?;
    let database = place.database(&settings, global)?;
    let config = database.config()?.instance(settings.instance).issuer(settings.issuer);
    let passes = |code: ErrorCode| match code {
        // A migration waits, or somebody writes.
        ErrorCode::SchemaOutdated | ErrorCode::DatabaseBusy => true,
        // A server, which may answer the next time.
        ErrorCode::DatabaseUnavailable | ErrorCode::DatabaseFailed => database.file().is_none(),
        _ => false,
    };
    if failure.library_code().is_some_and(passes) {
        return Ok(None);
    }
    let fields = Fields::default().with("valid", false);
    match Idp::examine_trail(&config, verify.org.name(), progress) {
        Ok(report) => Ok(Some(fields.and(found(&report)))),
        Err(error) if passes(error.code()) => Ok(None),
        Err(error) => Ok(Some(fields.with("unreadable", error.to_string()))),
    }
}

/// An entry on a line: when, what, how it ended, and who did it to what.
fn line(entry: &StoredEntry) -> String {
    let outcome = match entry.outcome {
        Outcome::Success => "success",
        Outcome::Refused => "refused",
    };
    let actor = entry.actor.as_ref().map_or("-", |actor| actor.as_str());
    let target = entry.target.as_deref().map_or_else(|| "-".to_owned(), printable);
    let time = entry.time.to_string();
    let what = printable(&entry.event_type);
    let mut line = String::new();
    let _ = writeln!(line, "{time:27}  {what:20}  {outcome}  {actor:36}  {target}");
    line
}

fn report(report: &ChainReport, output: &Output) -> Result<(), Failure> {
    let fields = Fields::default().with("valid", report.valid).and(found(report));
    if report.valid {
        return output.fields(&fields);
    }
    let count = report.findings_count;
    broken(format!("the audit trail does not verify: {count} findings"), fields, output)
}

fn broken(message: String, found: Fields, output: &Output) -> Result<(), Failure> {
    if !output.is_json() {
        output.fields(&found)?;
    }
    Err(Failure::new(ErrorCode::AuditBroken, message).details(found))
}

/// What a verification found.
fn found(report: &ChainReport) -> Fields {
    Fields::default()
        .with("size", report.size)
        .with("root", &report.root)
        .maybe("brokenAtEventId", report.broken_at_event_id.as_ref())
        .with("findings", &report.findings)
        .with("findingsCount", report.findings_count)
        .with("limits", report.limits)
}
