//! A transaction on a SQLite connection.

use rusqlite::{CachedStatement, Connection, types::ValueRef};

use crate::base::{Epoch, Month, OrgId};
use crate::store::{EachRow, Row, Scope, StoreError, Tx, Value};

use super::changes::Changes;
use super::ends::Ends;
use super::failure;
use super::gathered::Gathered;

/// A transaction of one scope on `connection`.
pub(super) struct SqliteTx<'c> {
    connection: &'c Connection,
    scope: Scope,
    failure: Option<StoreError>,
    /// What it leaves to the end of its batch, if it is a member of one.
    gathered: Option<&'c mut Gathered>,
    /// Where it tells that it writes, if it is a member of a batch.
    changes: Option<&'c mut Changes>,
    /// What its batch remembers of logs and counts.
    ends: Option<&'c mut Ends>,
    /// What it can go back to: made before its first statement that writes.
    savepoint: Savepoint,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    /// Everything ends together.
    Never,
    NotYet,
    Made,
}

impl<'c> SqliteTx<'c> {
    pub(super) fn new(connection: &'c Connection, scope: &Scope) -> SqliteTx<'c> {
        let savepoint = Savepoint::Never;
        let (scope, failure) = (scope.clone(), None);
        let (gathered, changes, ends) = (None, None, None);
        SqliteTx { connection, scope, failure, gathered, changes, ends, savepoint }
    }

    /// A member of a batch, which can be undone while the others stay.
    pub(super) fn member(
        connection: &'c Connection,
        scope: &Scope,
        gathered: &'c mut Gathered,
        changes: &'c mut Changes,
        ends: &'c mut Ends,
    ) -> SqliteTx<'c> {
        let own = Self::new(connection, scope);
        let (gathered, changes, ends) = (Some(gathered), Some(changes), Some(ends));
        SqliteTx { gathered, changes, ends, savepoint: Savepoint::NotYet, ..own }
    }

    /// Whether there is a savepoint, to be released at its end.
    pub(super) fn has_savepoint(&self) -> bool {
        self.savepoint == Savepoint::Made
    }

    /// What a statement failed of. A transaction that has failed must not commit.
    pub(super) fn into_failure(self) -> Option<StoreError> {
        self.failure
    }

    /// Runs `work` unless a statement failed before; remembers when it fails.
    fn unless_failed<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteTx<'c>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        work(self).map_err(|failure| self.failure.insert(failure).clone())
    }

    /// Makes the savepoint before the first statement that writes.
    fn stay_undoable(&mut self, statement: &CachedStatement<'_>) -> Result<(), StoreError> {
        if self.savepoint == Savepoint::NotYet && !statement.readonly() {
            if let Some(changes) = &mut self.changes {
                changes.begin();
            }
            if let Some(ends) = &mut self.ends {
                ends.touch(&self.scope);
            }
            self.connection
                .prepare_cached("SAVEPOINT member")
                .and_then(|mut savepoint| savepoint.execute([]))
                .map_err(|error| failure::failing(&error))?;
            self.savepoint = Savepoint::Made;
        }
        Ok(())
    }

    /// The organization, and what is gathered for it.
    fn gathering(&mut self) -> Result<(&OrgId, &mut Gathered), StoreError> {
        match (&self.scope, &mut self.gathered) {
            (Scope::Org(organization), Some(gathered)) => Ok((organization, gathered)),
            _ => Err(StoreError::TenantWall),
        }
    }

    /// How many tokens the organization issued in `month` before this batch.
    fn issued(&mut self, month: Month) -> Result<i64, StoreError> {
        match (&self.scope, &mut self.ends) {
            (Scope::Org(organization), Some(ends)) => {
                ends.issued(self.connection, organization, month)
            }
            _ => Err(StoreError::TenantWall),
        }
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
            let mut statement = tx.bound(sql, params)?;
            tx.stay_undoable(&statement)?;
            let changed = statement.raw_execute();
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
            tx.stay_undoable(&statement)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().map_err(|error| failure::failing(&error))? {
                each(&SqliteRow(row))?;
            }
            Ok(())
        })
    }

    fn append_entry(&mut self, event_id: &str, entry: &str) -> Result<(), StoreError> {
        self.unless_failed(|tx| {
            let (organization, gathered) = tx.gathering()?;
            gathered.append(organization, event_id, entry);
            Ok(())
        })
    }

    fn count_tokens(&mut self, month: Month, count: i64, limit: i64) -> Result<bool, StoreError> {
        let counting = |tx: &mut SqliteTx<'_>| {
            let (organization, gathered) = tx.gathering()?;
            Ok(gathered.count(organization, month, count, limit))
        };
        if let Some(fits) = self.unless_failed(counting)? {
            return Ok(fits);
        }
        let before = self.unless_failed(|tx| tx.issued(month))?;
        self.unless_failed(|tx| {
            let (organization, gathered) = tx.gathering()?;
            gathered.begin_month(organization, month, before);
            Ok(())
        })?;
        Ok(self.unless_failed(counting)?.unwrap_or(false))
    }

    /// A statement that writes several rows could fail after the first, so SQLite copies aside each page
    /// that it is about to change.
    fn rows_at_once(&self) -> usize {
        1
    }

    fn writes_alone(&self) -> bool {
        true
    }

    fn epoch(&self) -> Option<Epoch> {
        self.changes.as_ref().and_then(|changes| changes.epoch())
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
