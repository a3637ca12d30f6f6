-- Requests that were made under a key of their caller's (Idempotency-Key), so that asking twice does
-- once. What is sealed is the digest of the request, and the answer once there is one: it may hold a
-- secret that is shown once. `expires_at` tells one use of a key from the next.
CREATE TABLE idempotency_keys (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    caller TEXT NOT NULL,
    key_digest BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'answered')),
    sealed_answer BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, caller, key_digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (organization_id, expires_at);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);
