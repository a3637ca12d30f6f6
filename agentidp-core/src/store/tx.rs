//! The waist: a store runs named closures in transactions; a transaction executes and queries.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{Epoch, Month, OrgId};

use super::{StoreError, audit, usage};

/// Whose rows a transaction may touch. Fixed once, from the handle, never from a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One organization. The transaction binds its id as `?1` of every statement.
    Org(OrgId),
    /// No organization: the instance's own tables, and the statements of `store/instance.rs`.
    Instance,
}

impl Scope {
    /// The organization's id, if the scope is one.
    pub fn org(&self) -> Option<&OrgId> {
        match self {
            Scope::Org(id) => Some(id),
            Scope::Instance => None,
        }
    }
}

/// A parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A 64-bit integer: a count, microseconds since the epoch, or a flag of 0 or 1.
    Int(i64),
    /// Text: an id, a name, JSON.
    Text(&'a str),
    /// Bytes: a hash, a sealed value.
    Blob(&'a [u8]),
    /// No value, of a kind: PostgreSQL wants to know of which.
    Null(Kind),
}

/// The kind of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Int`].
    Int,
    /// [`Value::Text`].
    Text,
    /// [`Value::Blob`].
    Blob,
}

impl<'a> Value<'a> {
    /// Text, or null.
    pub fn text_or_null(text: Option<&'a str>) -> Value<'a> {
        text.map_or(Value::Null(Kind::Text), Value::Text)
    }

    /// An integer, or null.
    pub fn int_or_null(int: Option<i64>) -> Value<'a> {
        int.map_or(Value::Null(Kind::Int), Value::Int)
    }

    /// Bytes, or null.
    pub fn blob_or_null(blob: Option<&'a [u8]>) -> Value<'a> {
        blob.map_or(Value::Null(Kind::Blob), Value::Blob)
    }
}

/// One row of an answer. Columns count from 0.
pub trait Row {
    /// The integer in `column`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when there is none.
    fn int(&self, column: usize) -> Result<i64, StoreError>;

    /// The text in `column`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when there is none.
    fn text(&self, column: usize) -> Result<&str, StoreError>;

    /// The bytes in `column`.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when there are none.
    fn blob(&self, column: usize) -> Result<&[u8], StoreError>;

    /// Whether `column` holds no value.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when there is no such column.
    fn is_null(&self, column: usize) -> Result<bool, StoreError>;
}

impl dyn Row + '_ {
    /// The text in `column`, or `None` where it is null.
    pub(crate) fn text_or_null(&self, column: usize) -> Result<Option<&str>, StoreError> {
        if self.is_null(column)? { Ok(None) } else { self.text(column).map(Some) }
    }

    /// The integer in `column`, or `None` where it is null.
    pub(crate) fn int_or_null(&self, column: usize) -> Result<Option<i64>, StoreError> {
        if self.is_null(column)? { Ok(None) } else { self.int(column).map(Some) }
    }

    /// The bytes in `column`, or `None` where they are null.
    pub(crate) fn blob_or_null(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        if self.is_null(column)? { Ok(None) } else { self.blob(column).map(Some) }
    }

    /// Reads `column` with `parse`, which answers `None` for what we never wrote.
    pub(crate) fn parsed<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.text(column)?).ok_or(StoreError::Unreadable { column })
    }

    /// As [`parsed`](Self::parsed), of a column that may be null.
    pub(crate) fn parsed_or_null<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text_or_null(column)? else { return Ok(None) };
        parse(text).map(Some).ok_or(StoreError::Unreadable { column })
    }
}

/// What reads a row of an answer.
pub type EachRow<'a> = dyn FnMut(&dyn Row) -> Result<(), StoreError> + 'a;

/// A transaction, of one scope.
///
/// In [`Scope::Org`] the organization's id is bound as `?1` and `params` from `?2` on; in
/// [`Scope::Instance`] `params` are bound from `?1` on.
pub trait Tx {
    /// The scope of the transaction.
    fn scope(&self) -> &Scope;

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction must then be given up.
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs a statement and hands each row of its answer to `each`.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction must then be given up.
    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut EachRow<'_>,
    ) -> Result<(), StoreError>;

    /// Hands an audit entry of the scope's organization to the sequencer, which numbers it when the
    /// transaction commits or soon after.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction must then be given up.
    fn append_entry(&mut self, event_id: &str, entry: &str) -> Result<(), StoreError> {
        self.execute(audit::APPEND, &[Value::Text(event_id), Value::Text(entry)]).map(|_| ())
    }

    /// Counts `count` more tokens that the scope's organization issues in `month`, unless that would be
    /// more than `limit`. Two cannot both have the last: the second waits for the first.
    ///
    /// # Errors
    /// [`StoreError`]; the transaction must then be given up.
    fn count_tokens(&mut self, month: Month, count: i64, limit: i64) -> Result<bool, StoreError> {
        if count > limit {
            return Ok(false);
        }
        let (month, count, limit) =
            (Value::Int(month.as_int()), Value::Int(count), Value::Int(limit));
        // Where there is no row yet, somebody else may begin the month at the same time.
        Ok(self.execute(usage::ADD, &[month, count, limit])? == 1
            || self.execute(usage::BEGIN, &[month, count])? == 1
            || self.execute(usage::ADD, &[month, count, limit])? == 1)
    }

    /// Whether nobody else commits while this transaction writes, so that what it read still stands when
    /// it writes, in another statement.
    fn writes_alone(&self) -> bool {
        false
    }

    /// How many rows one statement should write at most. On a server that is as many as there are, for each
    /// statement is a round trip.
    fn rows_at_once(&self) -> usize {
        usize::MAX
    }

    /// The state of the database that the next statement reads, where whoever writes knows it.
    fn epoch(&self) -> Option<Epoch> {
        None
    }
}

impl dyn Tx + '_ {
    /// All rows of an instance statement, read by `read`.
    pub(crate) fn rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        self.query(sql, params, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// The first row of an instance statement, read by `read`.
    pub(crate) fn row<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.rows(sql, params, read)?.into_iter().next())
    }

    /// All rows of a tenant statement. The fourth wall: column 0 is the organization, and a row of
    /// another one is a fault, not an answer.
    pub(crate) fn tenant_rows<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let Scope::Org(own) = self.scope().clone() else { return Err(StoreError::TenantWall) };
        self.rows(sql, params, |row| {
            if row.text(0)? != own.as_str() {
                return Err(StoreError::TenantWall);
            }
            read(row)
        })
    }

    /// The first row of a tenant statement; see [`tenant_rows`](Self::tenant_rows).
    pub(crate) fn tenant_row<T>(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.tenant_rows(sql, params, read)?.into_iter().next())
    }
}

/// How a closure wants its transaction to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Keep what was written.
    Commit,
    /// Keep nothing.
    Rollback,
}

/// The work of one transaction. It may run more than once; only its last run counts.
pub type Body<'a> = dyn FnMut(&mut dyn Tx) -> Verdict + 'a;

/// The work of one transaction that any thread may do.
pub type OwnedBody = dyn FnMut(&mut dyn Tx) -> Verdict + Send;

/// Who is told the outcome of a transaction that nobody waits for. It must not block, nor write to the
/// store: others wait to be told by the same thread.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A database. `write_tx` and `read_tx` do all the work; the others are shorter ways for the same.
///
/// A body must not call the store again: the transaction it runs in would wait for itself.
pub trait Store: Send + Sync {
    /// Runs `body` in a transaction that may write. Returns once its outcome is durable.
    ///
    /// # Errors
    /// [`StoreError`] when the transaction could not begin or commit; then nothing was changed,
    /// except with [`StoreError::OutcomeUnknown`].
    fn write_tx(
        &self,
        name: &'static str,
        scope: &Scope,
        body: &mut Body<'_>,
    ) -> Result<(), StoreError>;

    /// As [`write_tx`](Self::write_tx), for a body that borrows nothing: a store that groups commits
    /// may run it in another caller's thread, which spares a hand-over for each.
    ///
    /// # Errors
    /// As [`write_tx`](Self::write_tx).
    fn write_owned_tx(
        &self,
        name: &'static str,
        scope: &Scope,
        mut body: Box<OwnedBody>,
    ) -> Result<(), StoreError> {
        self.write_tx(name, scope, &mut *body)
    }

    /// As [`write_owned_tx`](Self::write_owned_tx), for a caller that does not wait: `done` is told the
    /// outcome, once, in whatever thread has it. A body that panics is told as a failure.
    ///
    /// A store that does not [submit](Self::submits) tells it before it returns, and such a body panics in
    /// the caller.
    fn submit_tx(&self, name: &'static str, scope: &Scope, body: Box<OwnedBody>, done: Done) {
        done(self.write_owned_tx(name, scope, body));
    }

    /// Whether [`submit_tx`](Self::submit_tx) returns at once, so that a thread which must not wait may
    /// call it.
    fn submits(&self) -> bool {
        false
    }

    /// Runs `body` in a transaction that reads one state of the database and writes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the transaction could not begin.
    fn read_tx(&self, scope: &Scope, body: &mut Body<'_>) -> Result<(), StoreError>;

    /// Whether a row that all transactions of an organization update is cheap.
    ///
    /// Where writers take turns anyway, such a row costs a statement, and a count in it is exact. Where
    /// they run side by side it makes them queue, each for the other's commit (issuance on PostgreSQL
    /// fell to a quarter): there a process sets a part aside and counts it in memory.
    fn is_hot_row_cheap(&self) -> bool;

    /// Returns once every audit entry that was committed before the call has its number.
    ///
    /// # Errors
    /// [`StoreError`] when the sequencer could not run.
    fn settle(&self) -> Result<(), StoreError>;
}

impl dyn Store + '_ {
    /// Runs `work` in a transaction that commits when it answers `Ok` and leaves nothing otherwise.
    ///
    /// `work` may run more than once: when the database asks to repeat a transaction, and when one
    /// that shared its commit spoiled it.
    ///
    /// # Errors
    /// What `work` answers, and [`StoreError`] when the transaction could not begin or commit.
    pub fn write<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        scope: &Scope,
        mut work: impl FnMut(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut answer = None;
        self.write_tx(name, scope, &mut |tx| verdict(&mut answer, work(tx)))?;
        answer.unwrap_or(Err(E::from(StoreError::NotRun)))
    }

    /// As `write`, for `work` that borrows nothing and is asked for often.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_owned<T, E>(
        &self,
        name: &'static str,
        scope: &Scope,
        work: impl FnMut(&mut dyn Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (body, answer) = answering(work);
        self.write_owned_tx(name, scope, body)?;
        take(&answer)
    }

    /// As `write_owned`, without waiting: `done` is told what `work` answers, or why there is no
    /// answer.
    pub fn submit<T, E>(
        &self,
        name: &'static str,
        scope: &Scope,
        work: impl FnMut(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (body, answer) = answering(work);
        let told = move |ended: Result<(), StoreError>| {
            done(ended.map_err(E::from).and_then(|()| take(&answer)));
        };
        self.submit_tx(name, scope, body, Box::new(told));
    }

    /// Runs `work` over one unchanging state of the database.
    ///
    /// # Errors
    /// What `work` answers, and [`StoreError`] when the transaction could not begin.
    pub fn read<T, E: From<StoreError>>(
        &self,
        scope: &Scope,
        mut work: impl FnMut(&mut dyn Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut answer = None;
        self.read_tx(scope, &mut |tx| verdict(&mut answer, work(tx)))?;
        answer.unwrap_or(Err(E::from(StoreError::NotRun)))
    }
}

/// Where a body that any thread runs leaves its answer.
type Slot<T, E> = Arc<Mutex<Option<Result<T, E>>>>;

fn answering<T, E>(
    mut work: impl FnMut(&mut dyn Tx) -> Result<T, E> + Send + 'static,
) -> (Box<OwnedBody>, Slot<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let answer = Slot::default();
    let slot = Slot::clone(&answer);
    let body = move |tx: &mut dyn Tx| {
        verdict(&mut slot.lock().unwrap_or_else(PoisonError::into_inner), work(tx))
    };
    (Box::new(body), answer)
}

fn take<T, E: From<StoreError>>(answer: &Slot<T, E>) -> Result<T, E> {
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.unwrap_or(Err(E::from(StoreError::NotRun)))
}

fn verdict<T, E>(answer: &mut Option<Result<T, E>>, result: Result<T, E>) -> Verdict {
    let verdict = if result.is_ok() { Verdict::Commit } else { Verdict::Rollback };
    *answer = Some(result);
    verdict
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng};
    use crate::store::SqliteStore;

    const INSERT: &str = "INSERT INTO outbox
            (organization_id, event_id, subscription_id, event_type, payload, created_at)
        VALUES (?1, 'e', 's', 't', '{}', 0)";
    /// A statement that names its organization, as it must, and then says "or any other".
    const EVERYBODY: &str = "SELECT organization_id, event_id FROM outbox
        WHERE organization_id = ?1 OR ?1 <> ''";
    const OWN: &str = "SELECT organization_id FROM outbox WHERE organization_id = ?1";

    /// The fourth wall alone: where SQLite writes, neither views nor row security hide a row.
    #[test]
    fn a_tenant_row_of_another_organization_is_a_fault() {
        let store: &dyn Store = &SqliteStore::open_in_memory().unwrap();
        let new = || Scope::Org(OrgId::generate(&SystemClock, &SystemRng).unwrap());
        let (own, foreign) = (new(), new());
        for scope in [&own, &foreign] {
            store.write("test", scope, |tx| tx.execute(INSERT, &[])).unwrap();
        }
        let unwalled: Result<_, StoreError> =
            store.write("test", &own, |tx| tx.rows(EVERYBODY, &[], |_| Ok(())));
        assert_eq!(unwalled.unwrap().len(), 2, "the other walls are out of the way");
        let walled = store.write("test", &own, |tx| tx.tenant_rows(EVERYBODY, &[], |_| Ok(())));
        assert_eq!(walled, Err(StoreError::TenantWall));
        let unscoped =
            store.read(&Scope::Instance, |tx| tx.tenant_rows(OWN, &[Value::Text("")], |_| Ok(())));
        assert_eq!(unscoped, Err(StoreError::TenantWall));
    }
}
