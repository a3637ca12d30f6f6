-- Requests that were made under a key of their caller's (Idempotency-Key), so that asking twice does
-- once. What is sealed is the digest of the request, and the answer once there is one: it may hold a
-- secret that is shown once. `expires_at` tells one use of a key from the next.
CREATE TABLE idempotency_keys (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    caller TEXT COLLATE "C" NOT NULL,
    key_digest BYTEA NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'answered')),
    sealed_answer BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, caller, key_digest)
);

CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (organization_id, expires_at);
CREATE INDEX idempotency_keys_expired ON idempotency_keys (expires_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON idempotency_keys
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance_sees ON idempotency_keys FOR SELECT
    USING (current_setting('app.instance', true) = 'on');
CREATE POLICY instance_purges ON idempotency_keys FOR DELETE
    USING (current_setting('app.instance', true) = 'on');
