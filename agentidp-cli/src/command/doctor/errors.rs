//! The table of errors.

use std::fmt::Write as _;

use crate::code::{Code, Row};
use crate::failure::Failure;
use crate::output::{Fields, Output};

/// Prints every code.
///
/// # Errors
/// [`Failure`] when standard output does not take it.
pub(super) fn print(output: &Output) -> Result<(), Failure> {
    let rows: Vec<Row> = Code::rows().collect();
    if output.is_json() {
        return output.document(&Fields::default().with("items", rows));
    }
    let mut text =
        String::from("code                  http  oauth                    exit  meaning\n");
    for row in &rows {
        let http = row.http_status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let (code, oauth, exit) = (row.code, row.oauth_error.unwrap_or("-"), row.exit_code);
        let _ = writeln!(text, "{code:20}  {http:4}  {oauth:23}  {exit:4}  {}", row.meaning);
        let _ = writeln!(text, "{:20}  hint: {}", "", row.hint);
    }
    output.text(&text)
}
