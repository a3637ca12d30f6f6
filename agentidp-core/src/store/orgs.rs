//! Organizations and their data keys.

use crate::base::{DataKeyId, Month, OrgId, Timestamp};
use crate::model::{Org, OrgFootprint, OrgStatus, PlanTier, Slug};

use super::instance::PublicIdKind;
use super::{Row, StoreError, Tx, Value};

const CLAIM_PUBLIC_ID: &str = "INSERT INTO directory (kind, public_id, organization_id)
    VALUES (?2, ?3, ?1) ON CONFLICT (kind, public_id) DO NOTHING";

/// Makes a public id name the organization. `false` when it names something already.
pub(crate) fn claim_public_id(
    tx: &mut dyn Tx,
    kind: PublicIdKind,
    public_id: &str,
) -> Result<bool, StoreError> {
    let params = [Value::Text(kind.as_str()), Value::Text(public_id)];
    Ok(tx.execute(CLAIM_PUBLIC_ID, &params)? == 1)
}

const INSERT: &str = "INSERT INTO organizations
        (organization_id, slug, name, plan_tier, max_agents, max_tokens_per_month,
         rate_limit_per_minute, status, version, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Stores a new organization.
pub(crate) fn insert(tx: &mut dyn Tx, org: &Org) -> Result<(), StoreError> {
    let params = [
        Value::Text(org.slug.as_str()),
        Value::Text(&org.name),
        Value::Text(org.plan_tier.as_str()),
        Value::Int(org.max_agents),
        Value::Int(org.max_tokens_per_month),
        Value::Int(org.rate_limit_per_minute),
        Value::Text(org.status.as_str()),
        Value::Int(org.version),
        Value::Int(org.created_at.as_micros()),
        Value::Int(org.updated_at.as_micros()),
    ];
    tx.execute(INSERT, &params).map(|_| ())
}

const GET: &str = "SELECT organization_id, slug, name, plan_tier, max_agents, max_tokens_per_month,
        rate_limit_per_minute, status, version, created_at, updated_at, token_life_seconds_max
    FROM organizations WHERE organization_id = ?1";

/// The organization of the scope.
pub(crate) fn get(tx: &mut dyn Tx) -> Result<Option<Org>, StoreError> {
    tx.tenant_row(GET, &[], read)
}

pub(super) fn read(row: &dyn Row) -> Result<Org, StoreError> {
    Ok(Org {
        id: row.parsed(0, |text| OrgId::parse(text).ok())?,
        slug: Slug::stored(row.text(1)?),
        name: row.text(2)?.to_owned(),
        plan_tier: row.parsed(3, PlanTier::parse)?,
        max_agents: row.int(4)?,
        max_tokens_per_month: row.int(5)?,
        rate_limit_per_minute: row.int(6)?,
        status: row.parsed(7, OrgStatus::parse)?,
        version: row.int(8)?,
        created_at: Timestamp::from_micros(row.int(9)?),
        updated_at: Timestamp::from_micros(row.int(10)?),
        token_life_seconds_max: row.int_or_null(11)?,
    })
}

const IS_DELETED: &str = "SELECT organization_id FROM organizations
    WHERE organization_id = ?1 AND status = 'deleted'";

/// Whether the organization of the scope was deleted.
pub(crate) fn is_deleted(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(tx.tenant_row(IS_DELETED, &[], |_| Ok(()))?.is_some())
}

const LOCK: &str = "UPDATE organizations SET version = version WHERE organization_id = ?1";

/// Makes others that change the organization or its members wait for this transaction. `false` when
/// there is no such organization.
pub(crate) fn lock(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(tx.execute(LOCK, &[])? == 1)
}

const UPDATE: &str = "UPDATE organizations
    SET name = ?2, plan_tier = ?3, max_agents = ?4, max_tokens_per_month = ?5,
        rate_limit_per_minute = ?6, token_life_seconds_max = ?7, status = ?8, version = ?9,
        updated_at = ?10
    WHERE organization_id = ?1";

/// Stores what may change of an organization that this transaction holds the lock of.
pub(crate) fn update(tx: &mut dyn Tx, org: &Org) -> Result<(), StoreError> {
    let params = [
        Value::Text(&org.name),
        Value::Text(org.plan_tier.as_str()),
        Value::Int(org.max_agents),
        Value::Int(org.max_tokens_per_month),
        Value::Int(org.rate_limit_per_minute),
        Value::int_or_null(org.token_life_seconds_max),
        Value::Text(org.status.as_str()),
        Value::Int(org.version),
        Value::Int(org.updated_at.as_micros()),
    ];
    tx.execute(UPDATE, &params).map(|_| ())
}

// Tokens may have been issued since an end that lies ahead: they count as issued just after it.
const END_TOKENS: &str = "UPDATE organizations
    SET tokens_not_before = CASE WHEN ?2 > tokens_not_before THEN ?2 ELSE tokens_not_before + 1 END
    WHERE organization_id = ?1";

/// Voids all tokens of the organization that count as issued at `not_before` or earlier.
pub(crate) fn end_tokens(tx: &mut dyn Tx, not_before: Timestamp) -> Result<(), StoreError> {
    tx.execute(END_TOKENS, &[Value::Int(not_before.as_micros())]).map(|_| ())
}

const FOOTPRINT: &str = "SELECT o.organization_id, o.agents_live,
        (SELECT COUNT(*) FROM credentials c
         WHERE c.organization_id = ?1 AND c.status = 'active'
            AND (c.expires_at IS NULL OR c.expires_at > ?2)),
        (SELECT u.issued FROM token_usage u WHERE u.organization_id = ?1 AND u.month = ?3),
        (SELECT COUNT(*) FROM audit_heads h
         JOIN audit_logs l ON l.log_number = h.log_number AND l.seq >= h.size
            AND l.organization_id = h.organization_id
         WHERE h.organization_id = ?1 AND l.counted_in = ?3)
    FROM organizations o WHERE o.organization_id = ?1";

/// How much there is of the organization.
pub(crate) fn footprint(
    tx: &mut dyn Tx,
    now: Timestamp,
) -> Result<Option<OrgFootprint>, StoreError> {
    let params = [Value::Int(now.as_micros()), Value::Int(Month::of(now).as_int())];
    tx.tenant_row(FOOTPRINT, &params, |row| {
        Ok(OrgFootprint {
            agents: row.int(1)?,
            credentials: row.int(2)?,
            tokens_this_month: row.int_or_null(3)?.unwrap_or(0) + row.int(4)?,
        })
    })
}

/// What a data key seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum DataKeyPurpose {
    /// Private keys held for agents; under `system`, the instance's signing keys.
    Keys,
    /// MACs of client secrets; under `system`, their peppers.
    Credentials,
    /// Personal values that audit entries commit to.
    Disclosures,
    /// Answers to requests that were made under a key.
    Answers,
}

impl DataKeyPurpose {
    /// All purposes: an organization gets a key for each.
    pub(crate) const ALL: [DataKeyPurpose; 4] = [
        DataKeyPurpose::Keys,
        DataKeyPurpose::Credentials,
        DataKeyPurpose::Disclosures,
        DataKeyPurpose::Answers,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            DataKeyPurpose::Keys => "keys",
            DataKeyPurpose::Credentials => "credentials",
            DataKeyPurpose::Disclosures => "disclosures",
            DataKeyPurpose::Answers => "answers",
        }
    }

    fn parse(text: &str) -> Option<DataKeyPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// A data key, wrapped by the instance's root key.
pub(crate) struct DataKeyRow {
    pub(crate) id: DataKeyId,
    pub(crate) purpose: DataKeyPurpose,
    pub(crate) active: bool,
    pub(crate) wrapped_key: Vec<u8>,
}

const INSERT_DATA_KEY: &str = "INSERT INTO data_keys
        (organization_id, data_key_id, purpose, state, wrapped_key, created_at)
    VALUES (?1, ?2, ?3, 'active', ?4, ?5)";

/// Stores a data key as the active one of its purpose.
pub(crate) fn insert_data_key(
    tx: &mut dyn Tx,
    row: &DataKeyRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let params = [
        Value::Text(row.id.as_str()),
        Value::Text(row.purpose.as_str()),
        Value::Blob(&row.wrapped_key),
        Value::Int(now.as_micros()),
    ];
    tx.execute(INSERT_DATA_KEY, &params).map(|_| ())
}

const DATA_KEYS: &str = "SELECT organization_id, data_key_id, purpose, state, wrapped_key
    FROM data_keys WHERE organization_id = ?1 AND state <> 'destroyed'";

/// The organization's data keys that still open anything.
pub(crate) fn data_keys(tx: &mut dyn Tx) -> Result<Vec<DataKeyRow>, StoreError> {
    tx.tenant_rows(DATA_KEYS, &[], |row| {
        Ok(DataKeyRow {
            id: row.parsed(1, |text| DataKeyId::parse(text).ok())?,
            purpose: row.parsed(2, DataKeyPurpose::parse)?,
            active: row.text(3)? == "active",
            wrapped_key: row.blob(4)?.to_vec(),
        })
    })
}

const DESTROY_DATA_KEYS: &str = "UPDATE data_keys SET state = 'destroyed', wrapped_key = ?2
    WHERE organization_id = ?1 AND state <> 'destroyed'";

/// Destroys the organization's data keys, and so all that they sealed; how many there were.
pub(crate) fn destroy_data_keys(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    tx.execute(DESTROY_DATA_KEYS, &[Value::Blob(&[])])
}
