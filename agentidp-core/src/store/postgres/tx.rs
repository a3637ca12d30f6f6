//! A transaction, on the caller's side.

use std::sync::Arc;

use sqlx::postgres::{PgArguments, PgRow, PgValueRef};
use sqlx::{Arguments as _, Row as _, TypeInfo as _, ValueRef as _};
use tokio::runtime::Handle;

use crate::store::{EachRow, Kind, Row, Scope, StoreError, Tx, Value, Verdict};

use super::actor::{Access, Remote};
use super::failure::Failure;
use super::pool::Pool;
use super::sql::translated;

/// A transaction of one scope. Dropped, it rolls back.
pub(super) struct PostgresTx {
    scope: Scope,
    access: Access,
    remote: Remote,
    spoiled: Option<Failure>,
}

impl PostgresTx {
    pub(super) fn begin(
        runtime: &Handle,
        pool: &Arc<Pool>,
        scope: &Scope,
        access: Access,
    ) -> PostgresTx {
        let remote = Remote::begin(runtime, pool, scope, access);
        PostgresTx { scope: scope.clone(), access, remote, spoiled: None }
    }

    /// Ends it as `verdict` says, and fails when it is spoiled or refused: then it left nothing,
    /// unless the error says that this is not known. Nobody waits for a rollback or for the end of
    /// a transaction that wrote nothing: they have nothing to tell.
    pub(super) fn finish(self, verdict: Verdict) -> Result<Verdict, Failure> {
        match self.spoiled {
            Some(failure) if failure.again || verdict == Verdict::Commit => Err(failure),
            None if verdict == Verdict::Commit && self.access != Access::Read => {
                self.remote.commit().map(|()| Verdict::Commit)
            }
            _ => Ok(verdict),
        }
    }

    fn arguments(&self, expected: usize, params: &[Value<'_>]) -> Result<PgArguments, Failure> {
        let offset = usize::from(self.scope.org().is_some());
        if expected != params.len() + offset {
            return Err(Failure::of(StoreError::Failed(
                "a statement was given the wrong number of parameters".to_owned(),
            )));
        }
        let mut arguments = PgArguments::default();
        arguments.reserve(expected, 0);
        let mut added = match &self.scope {
            Scope::Org(organization) => arguments.add(organization.as_str()),
            Scope::Instance => Ok(()),
        };
        for value in params {
            added = added.and_then(|()| match value {
                Value::Int(int) => arguments.add(int),
                Value::Text(text) => arguments.add(text),
                Value::Blob(blob) => arguments.add(blob),
                Value::Null(Kind::Int) => arguments.add(None::<i64>),
                Value::Null(Kind::Text) => arguments.add(None::<&str>),
                Value::Null(Kind::Blob) => arguments.add(None::<&[u8]>),
            });
        }
        match added {
            Ok(()) => Ok(arguments),
            Err(error) => Err(Failure::of(StoreError::Failed(error.to_string()))),
        }
    }

    /// Runs `work` unless the transaction is spoiled; spoils it when `work` fails.
    fn unless_spoiled<T>(
        &mut self,
        work: impl FnOnce(&PostgresTx) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = &self.spoiled {
            return Err(failure.error.clone());
        }
        work(self).map_err(|failure| self.spoiled.insert(failure).error.clone())
    }
}

impl Tx for PostgresTx {
    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = translated(sql);
        self.unless_spoiled(|tx| {
            let arguments = tx.arguments(statement.parameters, params)?;
            tx.remote.execute(statement.sql, arguments)
        })
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError> {
        let statement = translated(sql);
        self.unless_spoiled(|tx| {
            let arguments = tx.arguments(statement.parameters, params)?;
            let rows = tx.remote.query(statement.sql, arguments)?;
            rows.iter().try_for_each(|row| each(&PostgresRow(row))).map_err(Failure::of)
        })
    }
}

struct PostgresRow<'r>(&'r PgRow);

impl PostgresRow<'_> {
    fn value(&self, column: usize) -> Result<PgValueRef<'_>, StoreError> {
        self.0.try_get_raw(column).map_err(|_| StoreError::Unreadable { column })
    }

    /// The bytes in `column`, if its type is one of `types`.
    fn bytes(&self, column: usize, types: &[&str]) -> Result<&[u8], StoreError> {
        let value = self.value(column)?;
        if !types.contains(&value.type_info().name()) {
            return Err(StoreError::Unreadable { column });
        }
        value.as_bytes().map_err(|_| StoreError::Unreadable { column })
    }
}

impl Row for PostgresRow<'_> {
    /// Also what SQLite calls an integer and PostgreSQL does not: a truth, a literal.
    fn int(&self, column: usize) -> Result<i64, StoreError> {
        match *self.bytes(column, &["INT8", "INT4", "INT2", "BOOL"])? {
            [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
            [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
            [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
            [truth] => Ok(i64::from(truth)),
            _ => Err(StoreError::Unreadable { column }),
        }
    }

    fn text(&self, column: usize) -> Result<&str, StoreError> {
        let bytes = self.bytes(column, &["TEXT", "VARCHAR", "NAME", "unknown"])?;
        std::str::from_utf8(bytes).map_err(|_| StoreError::Unreadable { column })
    }

    fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        self.bytes(column, &["BYTEA"])
    }

    fn is_null(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.value(column)?.is_null())
    }
}
