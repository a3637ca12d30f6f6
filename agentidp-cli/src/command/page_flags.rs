//! `--limit` and `--cursor`: which page of a list.

use agentidp_core::{Cursor, Page, PageRequest};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// Which page of a list is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct PageFlags {
    /// Most items, up to 500.
    #[arg(long, value_name = "N", env = "AGENTIDP_LIMIT")]
    limit: Option<usize>,
    /// Where an earlier page ended: its nextCursor.
    #[arg(long, env = "AGENTIDP_CURSOR")]
    cursor: Option<String>,
}

impl PageFlags {
    /// The page that is asked for.
    pub(super) fn request(&self) -> PageRequest {
        let mut request = PageRequest::first();
        if let Some(limit) = self.limit {
            request = request.limit(limit);
        }
        if let Some(cursor) = &self.cursor {
            request = request.after(Cursor::new(cursor));
        }
        request
    }
}

/// Answers with a page: one document, or a line for each item and word of what follows.
///
/// # Errors
/// [`Failure`] when standard output does not take it.
pub(super) fn show<T: Serialize>(
    page: &Page<T>,
    line: impl Fn(&T) -> String,
    output: &Output,
) -> Result<(), Failure> {
    if output.is_json() {
        return output.document(page);
    }
    output.text(&page.items.iter().map(line).collect::<String>())?;
    if let Some(next) = &page.next_cursor {
        output.note(&format!("there is more: --cursor {}", next.as_str()));
    }
    Ok(())
}
