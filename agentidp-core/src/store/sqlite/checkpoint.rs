//! Taking the write-ahead log into the database beside the writer.
//!
//! SQLite does it in the commit that made the log long, which lets everybody wait for some ten
//! milliseconds. Here most of it is done on another connection while the writer goes on; the little that
//! was written meanwhile is done between two batches, when nobody writes more, so that the log starts
//! over and stays short. Where there is no such helper, or it comes too late, SQLite does it as ever.
//!
//! SQLite flushes the database file only at the end of a pass that took in all there was, and one beside a
//! busy writer is overtaken as long as it has much to do. Were there but one, the flush of all that it
//! wrote would be left to the pass between two batches, where everybody waits for it.

use rusqlite::Connection;

use super::writer::Writer;

/// Takes in all of the log that is there, and waits for nobody. Where it cannot, the next one will.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Passes beside the writer. Each has only what was written during the one before, so that from the third on
/// most are done before the next commit, and flush what all of them wrote. One that finds nothing does nothing.
const PASSES_BESIDE: usize = 6;

/// The first SQLite in which a pass may follow a complete one while somebody writes: those before it may then
/// take frames of a log that began anew for done (sqlite.org/wal.html#walresetbug). One from the system,
/// without the feature `bundled`, may be older.
const PASSES_MAY_FOLLOW: i32 = 3_051_003;

/// Takes the log of `writer` into the database.
pub(super) fn run(beside: &Connection, writer: &Writer) {
    let may_follow = rusqlite::version_number() >= PASSES_MAY_FOLLOW;
    let passes = if may_follow { PASSES_BESIDE } else { 1 };
    for _ in 0..passes {
        checkpoint(beside);
    }
    writer.between_batches(checkpoint);
}

fn checkpoint(connection: &Connection) {
    let _ = connection
        .prepare_cached(CHECKPOINT)
        .and_then(|mut pragma| pragma.query_row([], |row| row.get::<_, i64>(0)));
}
