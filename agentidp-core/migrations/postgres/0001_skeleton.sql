-- The instance itself. One row. `keys_version` counts the changes of `signing_keys`.
CREATE TABLE instance (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    instance_id TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    kek_kind TEXT COLLATE "C" NOT NULL,
    kek_salt BYTEA,
    root_key_id TEXT COLLATE "C" NOT NULL,
    root_key BYTEA NOT NULL,
    keys_version BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL
);

-- Which organization a public id belongs to. The only way from a stranger's id to a tenant.
CREATE TABLE directory (
    kind TEXT COLLATE "C" NOT NULL,
    public_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, public_id)
);

-- `agents_live` counts the agents that are not decommissioned, so that one more costs the same in a
-- large organization as in a small one. Tokens issued before `tokens_not_before` are void.
CREATE TABLE organizations (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    plan_tier TEXT COLLATE "C" NOT NULL CHECK (plan_tier IN ('free', 'pro', 'enterprise')),
    max_agents BIGINT NOT NULL,
    max_tokens_per_month BIGINT NOT NULL,
    rate_limit_per_minute BIGINT NOT NULL,
    token_life_seconds_max BIGINT,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'suspended', 'deleted')),
    agents_live BIGINT NOT NULL DEFAULT 0,
    tokens_not_before BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Data encryption keys, one per organization and purpose, wrapped by the instance's root key.
CREATE TABLE data_keys (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    data_key_id TEXT COLLATE "C" NOT NULL,
    purpose TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'decrypt_only', 'destroyed')),
    wrapped_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, data_key_id)
);

CREATE UNIQUE INDEX data_keys_active ON data_keys (organization_id, purpose) WHERE state = 'active';

CREATE TABLE agents (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    agent_id TEXT COLLATE "C" NOT NULL,
    did TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    owner TEXT COLLATE "C",
    scopes TEXT COLLATE "C" NOT NULL,
    audiences TEXT COLLATE "C" NOT NULL,
    capabilities TEXT COLLATE "C" NOT NULL DEFAULT '',
    url TEXT COLLATE "C",
    token_life_seconds_max BIGINT,
    token_alg TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'suspended', 'decommissioned')),
    tokens_not_before BIGINT NOT NULL DEFAULT 0,
    imported_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, agent_id)
);

CREATE INDEX agents_by_status ON agents (organization_id, status, agent_id);

CREATE INDEX agents_by_owner ON agents (organization_id, owner, agent_id) WHERE owner IS NOT NULL;

-- Agents that may do in their organization what no scope allows: manage its members and its settings.
CREATE TABLE members (
    organization_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, agent_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
);

-- Tokens issued in each calendar month (UTC), written as 202611.
CREATE TABLE token_usage (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    month BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    PRIMARY KEY (organization_id, month)
);

-- Tokens revoked one by one, kept until they would have expired.
CREATE TABLE revoked_tokens (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    jti TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, jti)
);

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (organization_id, expires_at);
CREATE INDEX revoked_tokens_expired ON revoked_tokens (expires_at);

-- Assertions of clients and proofs of keys that were used: each may be once. The hash is of the kind of
-- it, of whose it is and of its `jti`.
CREATE TABLE single_uses (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    jti_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, jti_hash)
);

CREATE INDEX single_uses_expired ON single_uses (expires_at);

-- An agent's keys. Custodial ones are held here, sealed; the others' private halves the agent holds.
CREATE TABLE agent_keys (
    organization_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    kid TEXT COLLATE "C" NOT NULL,
    alg TEXT COLLATE "C" NOT NULL,
    custody TEXT COLLATE "C" NOT NULL CHECK (custody IN ('custodial', 'held_by_agent')),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('current', 'retired', 'revoked')),
    public_jwk TEXT COLLATE "C" NOT NULL,
    sealed_private_key BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (organization_id, agent_id, kid),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
);

-- A secret is kept as a sealed MAC: of the secret itself, or of the SHA-256 that an installation which
-- was imported had kept of it. A public key is kept as it is. Those of an agent lie together, since
-- whoever decides on a token reads them all.
CREATE TABLE credentials (
    organization_id TEXT COLLATE "C" NOT NULL,
    credential_id TEXT COLLATE "C" NOT NULL,
    agent_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('secret', 'public_key')),
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'revoked')),
    scheme TEXT COLLATE "C" CHECK (scheme IN ('own', 'sha256')),
    pepper_version BIGINT,
    sealed_secret_mac BYTEA,
    kid TEXT COLLATE "C",
    public_jwk TEXT COLLATE "C",
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, agent_id, credential_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, agent_id)
);

CREATE UNIQUE INDEX credentials_by_id ON credentials (organization_id, credential_id);

-- The instance's own keys: tokens, documents, the audit log. Private halves are sealed under `system`, and
-- destroyed with a key's revocation. Nothing is signed by a key at `signs_until` or later.
CREATE TABLE signing_keys (
    kid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('token', 'document', 'audit')),
    alg TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('next', 'current', 'retired', 'revoked')),
    public_jwk TEXT COLLATE "C" NOT NULL,
    sealed_private_key BYTEA,
    created_at BIGINT NOT NULL,
    current_at BIGINT,
    signs_until BIGINT,
    retired_at BIGINT,
    revoked_at BIGINT,
    CHECK (state = 'revoked' OR sealed_private_key IS NOT NULL)
);

-- Keys of one purpose and algorithm succeed one another.
CREATE UNIQUE INDEX signing_keys_one ON signing_keys (purpose, alg, state) WHERE state IN ('next', 'current');

-- Keys of the MAC that client secrets are kept as.
CREATE TABLE peppers (
    version BIGINT NOT NULL PRIMARY KEY,
    sealed_pepper BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Audit entries that are committed but not numbered yet. On SQLite it is empty after each commit.
CREATE TABLE audit_pending (
    organization_id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    entry TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, event_id)
);

CREATE TABLE audit_logs (
    organization_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL CHECK (seq >= 0),
    event_id TEXT COLLATE "C" NOT NULL,
    entry TEXT COLLATE "C" NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (organization_id, seq)
);

-- The event first: events of all organizations are appended at one end, by their time.
CREATE UNIQUE INDEX audit_logs_event ON audit_logs (event_id, organization_id);

-- The end of each organization's log: its size, last chain hash, and the roots of its perfect subtrees.
-- `stopped` is 1 where the head cannot be continued: nothing is numbered there until it is mended.
CREATE TABLE audit_heads (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL CHECK (size >= 0),
    hash BYTEA NOT NULL,
    frontier BYTEA NOT NULL,
    stopped BIGINT NOT NULL DEFAULT 0
);

-- Personal values that entries commit to. Erasing a row here keeps every proof valid.
CREATE TABLE audit_disclosures (
    organization_id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    sealed_disclosure BYTEA NOT NULL,
    PRIMARY KEY (organization_id, event_id, name)
);

CREATE TABLE subscriptions (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (organization_id),
    subscription_id TEXT COLLATE "C" NOT NULL,
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, subscription_id)
);

CREATE TABLE subscription_events (
    organization_id TEXT COLLATE "C" NOT NULL,
    subscription_id TEXT COLLATE "C" NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (organization_id, event_type, subscription_id),
    FOREIGN KEY (organization_id, subscription_id) REFERENCES subscriptions (organization_id, subscription_id)
);

-- Deliveries that are due: one row for each event and subscription that matched when it committed.
CREATE TABLE outbox (
    organization_id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    subscription_id TEXT COLLATE "C" NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (organization_id, event_id, subscription_id)
);

-- Row security. FORCE binds the owner too. Without a scope no row is visible: `current_setting` is NULL
-- on a fresh connection and '' after a transaction that had set it.

ALTER TABLE directory ENABLE ROW LEVEL SECURITY;
ALTER TABLE directory FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON directory
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance ON directory FOR SELECT
    USING (current_setting('app.instance', true) = 'on');

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON organizations
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance ON organizations FOR SELECT
    USING (current_setting('app.instance', true) = 'on');

ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON data_keys
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agents
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE members FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON members
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE token_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE token_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON token_usage
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE revoked_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE revoked_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON revoked_tokens
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance_sees ON revoked_tokens FOR SELECT
    USING (current_setting('app.instance', true) = 'on');
CREATE POLICY instance_purges ON revoked_tokens FOR DELETE
    USING (current_setting('app.instance', true) = 'on');

ALTER TABLE single_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE single_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON single_uses
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance_sees ON single_uses FOR SELECT
    USING (current_setting('app.instance', true) = 'on');
CREATE POLICY instance_purges ON single_uses FOR DELETE
    USING (current_setting('app.instance', true) = 'on');

ALTER TABLE agent_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agent_keys
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON credentials
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE audit_pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_pending FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_pending
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance ON audit_pending FOR ALL
    USING (current_setting('app.instance', true) = 'on')
    WITH CHECK (current_setting('app.instance', true) = 'on');

ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_logs
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance ON audit_logs FOR ALL
    USING (current_setting('app.instance', true) = 'on')
    WITH CHECK (current_setting('app.instance', true) = 'on');

ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_heads
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));
CREATE POLICY instance ON audit_heads FOR ALL
    USING (current_setting('app.instance', true) = 'on')
    WITH CHECK (current_setting('app.instance', true) = 'on');

ALTER TABLE audit_disclosures ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_disclosures FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_disclosures
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscriptions
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE subscription_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscription_events
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON outbox
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), ''))
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), ''));

-- The instance's own tables: anybody may read them, the `system` organization alone may write.

ALTER TABLE instance ENABLE ROW LEVEL SECURITY;
ALTER TABLE instance FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON instance FOR SELECT USING (true);
CREATE POLICY system ON instance
    USING (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000')
    WITH CHECK (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000');

ALTER TABLE peppers ENABLE ROW LEVEL SECURITY;
ALTER TABLE peppers FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON peppers FOR SELECT USING (true);
CREATE POLICY system ON peppers
    USING (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000')
    WITH CHECK (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000');

ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON signing_keys FOR SELECT USING (true);
CREATE POLICY system ON signing_keys
    USING (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000')
    WITH CHECK (current_setting('app.organization_id', true) = '00000000-0000-7000-8000-000000000000');

-- A guard against accidents. Whoever owns the database can take them away.
CREATE FUNCTION audit_logs_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit_logs is insert-only'; END $$;

CREATE TRIGGER audit_logs_refuse_change BEFORE UPDATE OR DELETE ON audit_logs
FOR EACH ROW EXECUTE FUNCTION audit_logs_refuse();

CREATE TRIGGER audit_logs_refuse_truncate BEFORE TRUNCATE ON audit_logs
FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_refuse();
