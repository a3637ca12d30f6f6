//! What stands behind the question mark: known names, each once.

use agentidp_core::base::limits;
use agentidp_core::{Cursor, ErrorCode, PageRequest};
use url::form_urlencoded;

use crate::answer::Problem;

/// Longest query that is read, in bytes.
const QUERY_BYTES_MAX: usize = 4096;
/// Longest value in it, in characters.
const VALUE_CHARS_MAX: usize = 256;

/// The parameters of a request.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query, which may have the parameters `known`.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Query, Problem> {
        let text = query.unwrap_or_default();
        if text.len() > QUERY_BYTES_MAX {
            return Err(refused("the query is too long"));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&&*name) {
                let known = known.join("`, `");
                return Err(refused(match known.is_empty() {
                    true => "there are no parameters here".to_owned(),
                    false => format!("an unknown parameter: those here are `{known}`"),
                }));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(refused(format!("`{name}` stands there twice")));
            }
            if value.chars().count() > VALUE_CHARS_MAX || value.chars().any(char::is_control) {
                return Err(refused(format!("`{name}` is not a value that it can have")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(pairs))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Which page is asked for.
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        let mut page = PageRequest::first();
        if let Some(limit) = self.get("limit") {
            // Digits alone: `+5` would be read as a number too.
            let number =
                limit.bytes().all(|byte| byte.is_ascii_digit()).then(|| limit.parse().ok());
            let allowed = 1..=limits::PAGE_ITEMS_MAX;
            let items = number.flatten().filter(|items| allowed.contains(items));
            page = page.limit(items.ok_or_else(|| refused("limit: 1 to 500 are expected"))?);
        }
        if let Some(cursor) = self.get("cursor") {
            page = page.after(Cursor::new(cursor));
        }
        Ok(page)
    }

    /// The flag of that name, which is off unless given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(refused(format!("{name}: `true` or `false` is expected"))),
        }
    }
}

/// A parameter that cannot be had like that.
pub(crate) fn refused(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidInput, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["limit", "cursor"];

    #[test]
    fn parameters_are_known_ones_and_each_stands_once() {
        let read = |text: &str| Query::read(Some(text), KNOWN);
        assert_eq!(read("limit=5&cursor=a%20b").unwrap().get("cursor"), Some("a b"));
        assert!(Query::read(None, KNOWN).unwrap().get("limit").is_none());
        let long = format!("cursor={}", "a".repeat(VALUE_CHARS_MAX + 1));
        let huge = format!("cursor={}", "a".repeat(QUERY_BYTES_MAX));
        for bad in ["limit=1&limit=1", "organization=x", "cursor=%00", "limit", &long, &huge] {
            let refused = read(bad).and_then(|query| query.page().map(|_| ()));
            assert_eq!(refused.unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn a_limit_is_a_number_of_items_that_a_page_may_have() {
        let page = |limit: &str| Query::read(Some(&format!("limit={limit}")), KNOWN)?.page();
        for (good, items) in [("1", 1), ("500", 500), ("007", 7)] {
            assert_eq!(page(good).unwrap().items(), items);
        }
        for bad in ["", "0", "501", "-1", "%2B5", "5.0", "5e1", "99999999999999999999"] {
            assert_eq!(page(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn a_flag_is_true_or_false() {
        let flag = |text: &str| Query::read(Some(text), &["all"])?.flag("all");
        assert!(flag("all=true").unwrap());
        assert!(!flag("all=false").unwrap() && !flag("").unwrap());
        assert!(flag("all=1").is_err() && flag("all=").is_err());
    }
}
