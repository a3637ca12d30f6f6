//! The instance's own rows: itself and its peppers. They belong to no organization.
//! They are read in the instance's scope and written in that of the `system` organization, so that
//! a change and its audit entry are one transaction; each write says so in its WHERE clause.

use crate::base::{DataKeyId, InstanceId, Timestamp};

use super::{StoreError, Tx, Value};

/// The instance.
pub(crate) struct InstanceRow {
    pub(crate) instance_id: InstanceId,
    pub(crate) issuer: String,
    pub(crate) kek_kind: String,
    pub(crate) kek_salt: Vec<u8>,
    pub(crate) root_key_id: DataKeyId,
    pub(crate) root_key: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

const INSERT_INSTANCE: &str = "INSERT INTO instance
        (id, instance_id, issuer, kek_kind, kek_salt, root_key_id, root_key, created_at)
    SELECT 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
    WHERE ?1 = '00000000-0000-7000-8000-000000000000'
    ON CONFLICT (id) DO NOTHING";

/// Makes the instance. `false` when there is one already.
pub(crate) fn insert_instance(tx: &mut dyn Tx, row: &InstanceRow) -> Result<bool, StoreError> {
    let params = [
        Value::Text(row.instance_id.as_str()),
        Value::Text(&row.issuer),
        Value::Text(&row.kek_kind),
        Value::Blob(&row.kek_salt),
        Value::Text(row.root_key_id.as_str()),
        Value::Blob(&row.root_key),
        Value::Int(row.created_at.as_micros()),
    ];
    Ok(tx.execute(INSERT_INSTANCE, &params)? == 1)
}

const INSTANCE: &str = "SELECT instance_id, issuer, kek_kind, kek_salt, root_key_id, root_key,
        created_at
    FROM instance WHERE id = 1";

/// The instance, if one was made.
pub(crate) fn instance(tx: &mut dyn Tx) -> Result<Option<InstanceRow>, StoreError> {
    tx.row(INSTANCE, &[], |row| {
        Ok(InstanceRow {
            instance_id: row.parsed(0, |text| InstanceId::parse(text).ok())?,
            issuer: row.text(1)?.to_owned(),
            kek_kind: row.text(2)?.to_owned(),
            kek_salt: row.blob_or_null(3)?.unwrap_or_default().to_vec(),
            root_key_id: row.parsed(4, |text| DataKeyId::parse(text).ok())?,
            root_key: row.blob(5)?.to_vec(),
            created_at: Timestamp::from_micros(row.int(6)?),
        })
    })
}

const IDENTITY: &str = "SELECT instance_id, issuer FROM instance WHERE id = 1";

/// Who the instance is, read from the columns that every version of the schema has.
pub(crate) fn identity(tx: &mut dyn Tx) -> Result<Option<(InstanceId, String)>, StoreError> {
    tx.row(IDENTITY, &[], |row| {
        let id = row.parsed(0, |text| InstanceId::parse(text).ok())?;
        Ok((id, row.text(1)?.to_owned()))
    })
}

const SCHEMA: &str = "SELECT MAX(version) FROM schema_migrations";

/// That the schema is still the one that this program was opened on: another process may have brought
/// it further.
pub(crate) fn check_schema(tx: &mut dyn Tx) -> Result<(), StoreError> {
    let found = tx.row(SCHEMA, &[], |row| row.int(0))?.unwrap_or(0);
    match super::migrate::newest() {
        known if found == known => Ok(()),
        known if found > known => Err(StoreError::SchemaNewer { found, known }),
        known => Err(StoreError::SchemaOutdated { found, known }),
    }
}

const INSERT_PEPPER: &str = "INSERT INTO peppers (version, sealed_pepper, created_at)
    SELECT ?2, ?3, ?4 WHERE ?1 = '00000000-0000-7000-8000-000000000000'";

/// Stores a pepper.
pub(crate) fn insert_pepper(
    tx: &mut dyn Tx,
    version: i64,
    sealed: &[u8],
    now: Timestamp,
) -> Result<(), StoreError> {
    let params = [Value::Int(version), Value::Blob(sealed), Value::Int(now.as_micros())];
    tx.execute(INSERT_PEPPER, &params).map(|_| ())
}

const PEPPERS: &str = "SELECT version, sealed_pepper FROM peppers ORDER BY version";

/// All peppers, the newest last.
pub(crate) fn peppers(tx: &mut dyn Tx) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    tx.rows(PEPPERS, &[], |row| Ok((row.int(0)?, row.blob(1)?.to_vec())))
}
