//! A transaction on a SQLite connection.

use rusqlite::{CachedStatement, Connection, types::ValueRef};

use crate::store::{EachRow, Row, Scope, StoreError, Tx, Value};

use super::failure;

/// A transaction of one scope on `connection`.
pub(super) struct SqliteTx<'c> {
    connection: &'c Connection,
    scope: Scope,
    failure: Option<StoreError>,
}

impl<'c> SqliteTx<'c> {
    pub(super) fn new(connection: &'c Connection, scope: &Scope) -> SqliteTx<'c> {
        SqliteTx { connection, scope: scope.clone(), failure: None }
    }

    /// What a statement failed of. A transaction that has failed must not commit.
    pub(super) fn into_failure(self) -> Option<StoreError> {
        self.failure
    }

    /// Runs `work` unless a statement failed before; remembers when it fails.
    fn unless_failed<T>(
        &mut self,
        work: impl FnOnce(&SqliteTx<'c>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        work(self).map_err(|failure| self.failure.insert(failure).clone())
    }

    fn bound(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
    ) -> Result<CachedStatement<'c>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(sql).map_err(|error| failure::failing(&error))?;
        let offset = usize::from(self.scope.org().is_some());
        if statement.parameter_count() != params.len() + offset {
            return Err(StoreError::Failed(
                "a statement was given the wrong number of parameters".to_owned(),
            ));
        }
        if let Scope::Org(organization) = &self.scope {
            statement
                .raw_bind_parameter(1, organization.as_str())
                .map_err(|error| failure::failing(&error))?;
        }
        for (at, value) in params.iter().enumerate() {
            let at = at + 1 + offset;
            match value {
                Value::Int(int) => statement.raw_bind_parameter(at, int),
                Value::Text(text) => statement.raw_bind_parameter(at, text),
                Value::Blob(blob) => statement.raw_bind_parameter(at, blob),
                Value::Null(_) => statement.raw_bind_parameter(at, rusqlite::types::Null),
            }
            .map_err(|error| failure::failing(&error))?;
        }
        Ok(statement)
    }
}

impl Tx for SqliteTx<'_> {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        self.unless_failed(|tx| {
            let changed = tx.bound(sql, params)?.raw_execute();
            changed.map(|rows| rows as u64).map_err(|error| failure::failing(&error))
        })
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        self.unless_failed(|tx| {
            let mut statement = tx.bound(sql, params)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|error| failure::failing(&error))? {
                each(&SqliteRow(row))?;
            }
            Ok(())
        })
    }
}

struct SqliteRow<'r>(&'r rusqlite::Row<'r>);

impl SqliteRow<'_> {
    fn value(&self, column: usize) -> Result<ValueRef<'_>, StoreError> {
        self.0.get_ref(column).map_err(|_| StoreError::Unreadable { column })
    }
}

impl Row for SqliteRow<'_> {
    fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.value(column)?.as_i64().map_err(|_| StoreError::Unreadable { column })
    }

    fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.value(column)?.as_str().map_err(|_| StoreError::Unreadable { column })
    }

    fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        self.value(column)?.as_blob().map_err(|_| StoreError::Unreadable { column })
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.value(column)? == ValueRef::Null)
    }
}
