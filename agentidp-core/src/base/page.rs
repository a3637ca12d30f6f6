//! Lists are read a page at a time, by key and not by offset.

use serde::Serialize;

use super::limits;

/// Where the next page begins. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor from the text of an earlier page's `nextCursor`.
    pub fn new(text: impl Into<String>) -> Cursor {
        Cursor(text.into())
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which page is asked for.
///
/// ```
/// use agentidp_core::PageRequest;
/// assert_eq!(PageRequest::first().items(), 50);
/// assert_eq!(PageRequest::first().limit(100_000).items(), 500);
/// ```
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

impl PageRequest {
    /// The first page, of the usual length.
    pub fn first() -> PageRequest {
        PageRequest::default()
    }

    /// At most `items` items, held between 1 and [`limits::PAGE_ITEMS_MAX`].
    #[must_use]
    pub fn limit(mut self, items: usize) -> PageRequest {
        self.limit = Some(items);
        self
    }

    /// The page that begins at `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> PageRequest {
        self.cursor = Some(cursor);
        self
    }

    /// How many items at most.
    pub fn items(&self) -> usize {
        self.limit.unwrap_or(limits::PAGE_ITEMS).clamp(1, limits::PAGE_ITEMS_MAX)
    }

    /// Where the page begins, if not at the start.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// The page of at most `items` of `rows`, of which one more was read than it holds: by the `key`
    /// of that one the next page begins.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn cut(mut rows: Vec<T>, items: usize, key: impl Fn(&T) -> &str) -> Page<T> {
        let next_cursor = rows.get(items).map(|next| Cursor::new(key(next)));
        rows.truncate(items);
        Page { items: rows, next_cursor }
    }
}
