//! `agentidp agent import`.

use std::fmt::Write as _;
use std::path::PathBuf;

use agentidp_core::{ErrorCode, Idp, ImportOptions, ImportReport};
use clap::Args;
use clap::builder::FalseyValueParser;

use crate::command::OrgFlag;
use crate::failure::Failure;
use crate::files;
use crate::output::{Fields, Output, printable};

/// After how many lines it is told how far the import is.
const LINES_BETWEEN_NOTES: u64 = 1000;

/// Agents of another installation.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    org: OrgFlag,
    /// File with an agent on each line, as docs/import.md says; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check all lines and store nothing.
    #[arg(long, env = "AGENTIDP_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,
}

impl Import {
    pub(super) fn run(&self, idp: &Idp, output: &Output) -> Result<(), Failure> {
        let org = self.org.handle(idp)?;
        let mut lines = files::open(&self.file)?;
        let mut progress = |report: &ImportReport| {
            if report.lines.is_multiple_of(LINES_BETWEEN_NOTES) {
                let ImportReport { lines, refused, .. } = report;
                output.note(&format!("{lines} lines so far, {refused} of them refused"));
            }
        };
        let options = ImportOptions::new().dry_run(self.dry_run).progress(&mut progress);
        let report = org.import(&mut *lines, options).map_err(|stopped| {
            Failure::new(stopped.code(), stopped.to_string()).details(fields(stopped.report()))
        })?;
        answer(&report, output)
    }
}

fn answer(report: &ImportReport, output: &Output) -> Result<(), Failure> {
    let fields = fields(report);
    if report.refused == 0 {
        return output.fields(&fields);
    }
    if !output.is_json() {
        output.text(&text(report))?;
    }
    let message = format!("{} of {} lines are refused", report.refused, report.lines);
    let hint = "correct them and import them alone: the others are done";
    let hint = if report.dry_run { "correct them before the import" } else { hint };
    Err(Failure::new(ErrorCode::InvalidInput, message).hint(hint).details(fields))
}

fn fields(report: &ImportReport) -> Fields {
    let refusals = report.refusals.iter().map(|refused| {
        Fields::default()
            .with("line", refused.line)
            .with("code", refused.code.as_str())
            .with("message", &refused.message)
    });
    Fields::default()
        .with("dryRun", report.dry_run)
        .with("lines", report.lines)
        .with("imported", report.imported)
        .with("refused", report.refused)
        .with("refusals", refusals.collect::<Vec<_>>())
}

/// The report for people, with a line for each refused one.
fn text(report: &ImportReport) -> String {
    let mut text = Fields::default()
        .with("dryRun", report.dry_run)
        .with("lines", report.lines)
        .with("imported", report.imported)
        .with("refused", report.refused)
        .lines();
    for refused in &report.refusals {
        let message = printable(&refused.message);
        let _ = writeln!(text, "line {}: {} ({message})", refused.line, refused.code);
    }
    let untold = report.refused.saturating_sub(report.refusals.len() as u64);
    if untold > 0 {
        let _ = writeln!(text, "and {untold} more");
    }
    text
}
