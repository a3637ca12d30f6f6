-- Each log has a number, by which its entries are found: an index on the names of organizations is four
-- times as large, and each token of another organization writes a page of it.
CREATE TABLE audit_heads_numbered (
    organization_id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL CHECK (size >= 0),
    hash BLOB NOT NULL,
    frontier BLOB NOT NULL,
    stopped INTEGER NOT NULL DEFAULT 0,
    log_number INTEGER PRIMARY KEY
) STRICT;

INSERT INTO audit_heads_numbered (organization_id, size, hash, frontier, stopped)
SELECT organization_id, size, hash, frontier, stopped FROM audit_heads ORDER BY organization_id;

DROP TABLE audit_heads;
ALTER TABLE audit_heads_numbered RENAME TO audit_heads;

-- An entry without a head is refused here rather than left behind.
CREATE TABLE audit_logs_numbered (
    organization_id TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    event_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    counted_in INTEGER,
    log_number INTEGER NOT NULL,
    PRIMARY KEY (log_number, seq)
) STRICT;

INSERT INTO audit_logs_numbered
    (organization_id, seq, event_id, entry, previous_hash, hash, counted_in, log_number)
SELECT l.organization_id, l.seq, l.event_id, l.entry, l.previous_hash, l.hash, l.counted_in, h.log_number
FROM audit_logs l LEFT JOIN audit_heads h ON h.organization_id = l.organization_id
ORDER BY l.rowid;

DROP TABLE audit_logs;
ALTER TABLE audit_logs_numbered RENAME TO audit_logs;

CREATE UNIQUE INDEX audit_logs_event ON audit_logs (event_id, log_number);

CREATE TRIGGER audit_logs_refuse_update BEFORE UPDATE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is insert-only'); END;

CREATE TRIGGER audit_logs_refuse_delete BEFORE DELETE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is insert-only'); END;
