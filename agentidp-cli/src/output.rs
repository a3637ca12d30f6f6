//! stdout is data, stderr is talk.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::cli::Global;
use crate::failure::Failure;

/// Where a command's answer goes, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    /// As the global flags ask.
    pub(crate) fn new(global: &Global) -> Output {
        Output { json: global.json, quiet: global.quiet, verbose: global.verbose }
    }

    /// For a command line that could not be read.
    pub(crate) fn bare(json: bool) -> Output {
        Output { json, quiet: false, verbose: false }
    }

    /// Whether the answer is one JSON document.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Answers with fields: a document, or a line for each.
    ///
    /// # Errors
    /// [`Failure`] when standard output does not take it.
    pub(crate) fn fields(&self, fields: &Fields) -> Result<(), Failure> {
        if self.json { self.document(fields) } else { self.text(&fields.lines()) }
    }

    /// Answers with a JSON document.
    ///
    /// # Errors
    /// [`Failure`] when standard output does not take it.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(document)
            .map_err(|error| Failure::stream("the document", &io::Error::other(error)))?;
        self.text(&format!("{text}\n"))
    }

    /// Answers with this text.
    ///
    /// # Errors
    /// [`Failure`] when standard output does not take it.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::stream("standard output", &error))
    }

    /// Says something to the person at the terminal.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Says something that only `-v` wants to know. `-q` wins.
    pub(crate) fn detail(&self, text: &str) {
        if self.verbose && !self.quiet {
            say(text);
        }
    }

    /// Tells of a failure, which `-q` does not silence.
    pub(crate) fn failure(&self, failure: &Failure) {
        say(&format!("error: {}\nhint: {}", failure.message(), failure.advice()));
        if self.json {
            // Where standard output fails as well, the exit code has to do.
            let _ = self.document(&failure.document());
        }
    }
}

/// Writes a line to standard error. Nobody can be told when that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Named values in the order in which they are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(&'static str, Shown)>);

/// What a field holds.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Shown {
    Value(Value),
    Fields(Fields),
}

impl Fields {
    /// One more field.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Serialize) -> Fields {
        // What is shown are texts, numbers and lists of them: nothing that JSON cannot hold.
        self.0.push((name, Shown::Value(serde_json::to_value(value).unwrap_or_default())));
        self
    }

    /// One more field, which holds fields in their order.
    #[must_use]
    pub(crate) fn nested(mut self, name: &'static str, fields: Fields) -> Fields {
        self.0.push((name, Shown::Fields(fields)));
        self
    }

    /// One more field, where there is something to say.
    #[must_use]
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Serialize>) -> Fields {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// These fields and then those.
    #[must_use]
    pub(crate) fn and(mut self, those: Fields) -> Fields {
        self.0.extend(those.0);
        self
    }

    /// A line for each field, the values below one another.
    pub(crate) fn lines(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.0 {
            let value = match value {
                Shown::Value(value) => shown(value),
                Shown::Fields(fields) => fields.lines().trim_end().replace('\n', ", "),
            };
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        text
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (*name, value)))
    }
}

/// A value for people.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Text without what would steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_stand_below_one_another() {
        let fields = Fields::default()
            .with("organizationId", "x")
            .with("maxAgents", 10)
            .maybe("none", None::<u8>)
            .with("scopes", ["a", "b"])
            .with("name", "a\u{1b}[2J");
        assert_eq!(
            fields.lines(),
            "organizationId  x\nmaxAgents       10\nscopes          a b\nname            a\u{fffd}[2J\n"
        );
        let json = serde_json::to_string(&fields).unwrap();
        assert!(json.starts_with("{\"organizationId\":\"x\",\"maxAgents\":10,\"scopes\":["));
    }
}
