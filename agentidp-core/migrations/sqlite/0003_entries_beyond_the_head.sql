-- A head may lag behind its log by a few entries, and the count of a month with it: what lies beyond the
-- head tells the rest. `counted_in` is the month (202611) in which such an entry is one more token.
ALTER TABLE audit_logs ADD COLUMN counted_in INTEGER;
