//! Lines of bounded length out of whatever is read.

use std::io::{self, BufRead};

use crate::base::limits;

/// Reads lines, of which none is kept that is longer than an import's may be.
pub(crate) struct Lines<'a> {
    source: &'a mut dyn BufRead,
    line: Vec<u8>,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Text(&'a [u8]),
    TooLong,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(source: &'a mut dyn BufRead) -> Lines<'a> {
        Lines { source, line: Vec::new() }
    }

    /// The next line, unless there is none.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut too_long, mut anything) = (false, false);
        loop {
            let bytes = match self.source.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                break;
            }
            anything = true;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.split_at_checked(end.unwrap_or(bytes.len())).map_or(bytes, |p| p.0);
            too_long |= self.line.len() + part.len() > limits::IMPORT_LINE_BYTES_MAX;
            if !too_long {
                self.line.extend_from_slice(part);
            }
            let used = end.map_or(part.len(), |end| end + 1);
            self.source.consume(used);
            if end.is_some() {
                break;
            }
        }
        Ok(match (anything, too_long) {
            (false, _) => None,
            (true, true) => Some(Line::TooLong),
            (true, false) => Some(Line::Text(self.line.strip_suffix(b"\r").unwrap_or(&self.line))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_and_the_long_ones_are_passed_over() {
        let most = "x".repeat(limits::IMPORT_LINE_BYTES_MAX);
        let text = format!("one\r\n\n{most}\n{most}y\nlast");
        for chunk in [1, 7, 1 << 20] {
            let mut source = io::BufReader::with_capacity(chunk, text.as_bytes());
            let mut lines = Lines::new(&mut source);
            assert_eq!(lines.next().unwrap(), Some(Line::Text(b"one")));
            assert_eq!(lines.next().unwrap(), Some(Line::Text(b"")));
            assert_eq!(lines.next().unwrap(), Some(Line::Text(most.as_bytes())));
            assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
            assert_eq!(lines.next().unwrap(), Some(Line::Text(b"last")));
            assert_eq!(lines.next().unwrap(), None);
        }
    }
}
