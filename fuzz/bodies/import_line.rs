//! The lines of an import are told apart. Each is read or refused, and a refusal repeats nothing of it.

use std::io::BufReader;

use agentidp_core::base::limits::IMPORT_LINE_BYTES_MAX;
use agentidp_core::import::ImportLine;
use agentidp_core::parsers::import_lines;

pub(crate) fn check(bytes: &[u8]) {
    // The buffer is small, so that lines lie across its end.
    let lines = import_lines(&mut BufReader::with_capacity(7, bytes));
    let split = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        (line.len() <= IMPORT_LINE_BYTES_MAX).then(|| text.to_vec())
    });
    assert_eq!(lines, Vec::from_iter(split));
    for line in lines.iter().flatten() {
        if let Err(refused) = ImportLine::parse(line) {
            assert!(refused.to_string().len() < 400);
        }
    }
}
