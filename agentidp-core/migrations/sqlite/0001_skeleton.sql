-- The instance itself. One row. `keys_version` counts the changes of `signing_keys`.
CREATE TABLE instance (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    instance_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    kek_kind TEXT NOT NULL,
    kek_salt BLOB,
    root_key_id TEXT NOT NULL,
    root_key BLOB NOT NULL,
    keys_version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;

-- Which organization a public id belongs to. The only way from a stranger's id to a tenant.
CREATE TABLE directory (
    kind TEXT NOT NULL,
    public_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    PRIMARY KEY (kind, public_id)
) STRICT, WITHOUT ROWID;

-- `agents_live` counts the agents that are not decommissioned, so that one more costs the same in a
-- large organization as in a small one. Tokens issued before `tokens_not_before` are void.
CREATE TABLE organizations (
    organization_id TEXT NOT NULL PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    plan_tier TEXT NOT NULL CHECK (plan_tier IN ('free', 'pro', 'enterprise')),
    max_agents INTEGER NOT NULL,
    max_tokens_per_month INTEGER NOT NULL,
    rate_limit_per_minute INTEGER NOT NULL,
    token_life_seconds_max INTEGER,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
    agents_live INTEGER NOT NULL DEFAULT 0,
    tokens_not_before INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Data encryption keys, one per organization and purpose, wrapped by the instance's root key.
CREATE TABLE data_keys (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    data_key_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'decrypt_only', 'destroyed')),
    wrapped_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, data_key_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX data_keys_active ON data_keys (organization_id, purpose) WHERE state = 'active';

CREATE TABLE agents (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    agent_id TEXT NOT NULL,
    did TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    owner TEXT,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    capabilities TEXT NOT NULL DEFAULT '',
    url TEXT,
    token_life_seconds_max INTEGER,
    token_alg TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'suspended', 'decommissioned')),
    tokens_not_before INTEGER NOT NULL DEFAULT 0,
    imported_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, agent_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX agents_by_status ON agents (organization_id, status, agent_id);

CREATE INDEX agents_by_owner ON agents (organization_id, owner, agent_id) WHERE owner IS NOT NULL;

-- Agents that may do in their organization what no scope allows: manage its members and its settings.
CREATE TABLE members (
    organization_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, agent_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
) STRICT, WITHOUT ROWID;

-- Tokens issued in each calendar month (UTC), written as 202611.
CREATE TABLE token_usage (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    month INTEGER NOT NULL,
    issued INTEGER NOT NULL,
    PRIMARY KEY (organization_id, month)
) STRICT, WITHOUT ROWID;

-- Tokens revoked one by one, kept until they would have expired.
CREATE TABLE revoked_tokens (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    jti TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (organization_id, expires_at);
CREATE INDEX revoked_tokens_expired ON revoked_tokens (expires_at);

-- Assertions of clients and proofs of keys that were used: each may be once. The hash is of the kind of
-- it, of whose it is and of its `jti`.
CREATE TABLE single_uses (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    jti_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, jti_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX single_uses_expired ON single_uses (expires_at);

-- An agent's keys. Custodial ones are held here, sealed; the others' private halves the agent holds.
CREATE TABLE agent_keys (
    organization_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    kid TEXT NOT NULL,
    alg TEXT NOT NULL,
    custody TEXT NOT NULL CHECK (custody IN ('custodial', 'held_by_agent')),
    state TEXT NOT NULL CHECK (state IN ('current', 'retired', 'revoked')),
    public_jwk TEXT NOT NULL,
    sealed_private_key BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (organization_id, agent_id, kid),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
) STRICT, WITHOUT ROWID;

-- A secret is kept as a sealed MAC: of the secret itself, or of the SHA-256 that an installation which
-- was imported had kept of it. A public key is kept as it is. Those of an agent lie together, since
-- whoever decides on a token reads them all.
CREATE TABLE credentials (
    organization_id TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('secret', 'public_key')),
    status TEXT NOT NULL CHECK (status IN ('active', 'revoked')),
    scheme TEXT CHECK (scheme IN ('own', 'sha256')),
    pepper_version INTEGER,
    sealed_secret_mac BLOB,
    kid TEXT,
    public_jwk TEXT,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, agent_id, credential_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX credentials_by_id ON credentials (organization_id, credential_id);

-- The instance's own keys: tokens, documents, the audit log. Private halves are sealed under `system`, and
-- destroyed with a key's revocation. Nothing is signed by a key at `signs_until` or later.
CREATE TABLE signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('token', 'document', 'audit')),
    alg TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'retired', 'revoked')),
    public_jwk TEXT NOT NULL,
    sealed_private_key BLOB,
    created_at INTEGER NOT NULL,
    current_at INTEGER,
    signs_until INTEGER,
    retired_at INTEGER,
    revoked_at INTEGER,
    CHECK (state = 'revoked' OR sealed_private_key IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- Keys of one purpose and algorithm succeed one another.
CREATE UNIQUE INDEX signing_keys_one ON signing_keys (purpose, alg, state) WHERE state IN ('next', 'current');

-- Keys of the MAC that client secrets are kept as.
CREATE TABLE peppers (
    version INTEGER NOT NULL PRIMARY KEY,
    sealed_pepper BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Audit entries that are committed but not numbered yet. On SQLite always empty: a writing connection
-- keeps them in memory until the commit that numbers them.
CREATE TABLE audit_pending (
    organization_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (organization_id, event_id)
) STRICT, WITHOUT ROWID;

-- With a rowid: rows are wide and appended, and a clustered key would carry them in its inner pages.
CREATE TABLE audit_logs (
    organization_id TEXT NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    event_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (organization_id, seq)
) STRICT;

-- The event first: events of all organizations are appended at one end, by their time.
CREATE UNIQUE INDEX audit_logs_event ON audit_logs (event_id, organization_id);

-- The end of each organization's log: its size, last chain hash, and the roots of its perfect subtrees.
-- `stopped` is 1 where the head cannot be continued: nothing is numbered there until it is mended.
CREATE TABLE audit_heads (
    organization_id TEXT NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL CHECK (size >= 0),
    hash BLOB NOT NULL,
    frontier BLOB NOT NULL,
    stopped INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Personal values that entries commit to. Erasing a row here keeps every proof valid.
CREATE TABLE audit_disclosures (
    organization_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed_disclosure BLOB NOT NULL,
    PRIMARY KEY (organization_id, event_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriptions (
    organization_id TEXT NOT NULL REFERENCES organizations (organization_id),
    subscription_id TEXT NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, subscription_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE subscription_events (
    organization_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    PRIMARY KEY (organization_id, event_type, subscription_id),
    FOREIGN KEY (organization_id, subscription_id) REFERENCES subscriptions (organization_id, subscription_id)
) STRICT, WITHOUT ROWID;

-- Deliveries that are due: one row for each event and subscription that matched when it committed.
CREATE TABLE outbox (
    organization_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, event_id, subscription_id)
) STRICT, WITHOUT ROWID;

-- A guard against accidents. Whoever owns the database can take them away.
CREATE TRIGGER audit_logs_refuse_update BEFORE UPDATE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is insert-only'); END;

CREATE TRIGGER audit_logs_refuse_delete BEFORE DELETE ON audit_logs
BEGIN SELECT RAISE(ABORT, 'audit_logs is insert-only'); END;
