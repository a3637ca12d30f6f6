//! Where the logs end, and how many tokens a month has had, as the writer remembers.
//!
//! Were both written for each token, a batch of many organizations would write three pages for each of
//! them: of the log's index, of the heads and of the counts. So heads and counts lag behind: they are written
//! for what is no token, for every sixteenth that is one, and some seconds after the first. In between the
//! entries beyond the head tell the rest to whoever reads them: they link to it, and each says whether it
//! counts.
//!
//! Only an end that is remembered from an earlier batch may go on beyond its head. One that was read in
//! this batch is written too: a process that issues a single token leaves nothing behind, and processes
//! that write by turns need not read each other's entries again.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::base::{Month, OrgId, limits};
use crate::store::instance::{self, PendingEntry};
use crate::store::sequencer::{self, LogEnd};
use crate::store::{Scope, StoreError, Tx, audit, usage};

use super::gathered::Gathered;
use super::tx::SqliteTx;

#[derive(Default)]
pub(super) struct Ends {
    known: HashMap<String, End>,
    /// Those that a member of the open batch may have changed by a statement of its own.
    touched: Touched,
    /// Those to be written with the next batch.
    due: Vec<String>,
    /// Which batch this is.
    batch: u64,
    /// Whether a head may lag behind its log.
    lags: bool,
}

#[derive(Default)]
enum Touched {
    #[default]
    Nothing,
    These(Vec<OrgId>),
    Everything,
}

/// The end of one log.
struct End {
    log: LogEnd,
    /// How many entries there are beyond the head as it is stored.
    beyond: usize,
    /// How many tokens a month has had, as it is stored.
    counted: Option<(Month, i64)>,
    /// Tokens that are not among these: those of entries beyond the head, by their month (202611).
    uncounted: Vec<(i64, i64)>,
    read_in: u64,
    /// Whether it may be another by now.
    is_doubtful: bool,
}

impl End {
    /// The end of the log of the scope's organization, as the database has it.
    fn read(tx: &mut dyn Tx, batch: u64) -> Result<End, StoreError> {
        let head = audit::head(tx)?.ok_or(StoreError::BrokenHead)?;
        let log = LogEnd::read(&head)?;
        let (counted, uncounted) = (None, Vec::new());
        let mut end =
            End { log, beyond: 0, counted, uncounted, read_in: batch, is_doubtful: false };
        for row in audit::entries_beyond(tx, &head)? {
            let follows = row.seq == end.log.size() && row.hash == end.log.link(&row.entry);
            end.beyond += 1;
            // No head is left so far behind: this one was put back.
            if !follows || end.beyond >= limits::HEAD_LAG_MAX {
                return Err(StoreError::BrokenHead);
            }
            end.count(row.counted_in);
        }
        Ok(end)
    }

    fn count(&mut self, month: Option<i64>) {
        let Some(month) = month else { return };
        match self.uncounted.iter_mut().find(|(other, _)| *other == month) {
            Some((_, count)) => *count += 1,
            None => self.uncounted.push((month, 1)),
        }
    }

    fn uncounted_in(&self, month: Month) -> i64 {
        let of_month = |(other, _): &&(i64, i64)| *other == month.as_int();
        self.uncounted.iter().find(of_month).map_or(0, |(_, count)| *count)
    }
}

impl Ends {
    /// How many tokens the organization issued in `month` before this batch.
    pub(super) fn issued(
        &mut self,
        connection: &Connection,
        organization: &OrgId,
        month: Month,
    ) -> Result<i64, StoreError> {
        let end = self.current(connection, organization)?;
        let counted = match end.counted {
            Some((of, counted)) if of == month => counted,
            _ => {
                let mut tx = SqliteTx::new(connection, &Scope::Org(organization.clone()));
                usage::counted(&mut tx, month)?
            }
        };
        end.counted = Some((month, counted));
        Ok(counted + end.uncounted_in(month))
    }

    /// Where the organization's log ends: as remembered, or as read now.
    fn current(
        &mut self,
        connection: &Connection,
        organization: &OrgId,
    ) -> Result<&mut End, StoreError> {
        let name = organization.as_str();
        if self.known.get(name).is_none_or(|end| end.is_doubtful) {
            let mut tx = SqliteTx::new(connection, &Scope::Org(organization.clone()));
            let end = End::read(&mut tx, self.batch)?;
            self.known.insert(name.to_owned(), end);
        }
        self.known.get_mut(name).ok_or(StoreError::BrokenHead)
    }

    /// A member of the batch writes, perhaps to heads and counts as well.
    pub(super) fn touch(&mut self, scope: &Scope) {
        let Scope::Org(organization) = scope else {
            self.touched = Touched::Everything;
            return self.doubt_all();
        };
        if let Some(end) = self.known.get_mut(organization.as_str()) {
            end.is_doubtful = true;
        }
        match &mut self.touched {
            Touched::Everything => {}
            Touched::These(others) => others.push(organization.clone()),
            Touched::Nothing => self.touched = Touched::These(vec![organization.clone()]),
        }
    }

    fn doubt_touched(&mut self) {
        match &self.touched {
            Touched::Nothing => {}
            Touched::Everything => self.doubt_all(),
            Touched::These(organizations) => {
                for organization in organizations {
                    if let Some(end) = self.known.get_mut(organization.as_str()) {
                        end.is_doubtful = true;
                    }
                }
            }
        }
    }

    /// What is remembered may no longer be so: somebody else wrote, or a batch was lost.
    pub(super) fn doubt_all(&mut self) {
        self.known.values_mut().for_each(|end| end.is_doubtful = true);
    }

    /// Whether a head may lag behind its log.
    pub(super) fn lag(&self) -> bool {
        self.lags
    }

    /// All organizations whose heads may lag behind their logs, to be written now.
    pub(super) fn take_lagging(&mut self) -> Vec<String> {
        self.lags = false;
        let lagging = self.known.iter().filter(|(_, end)| end.beyond > 0);
        let mut names: Vec<String> = lagging.map(|(name, _)| name.clone()).collect();
        // So that those which are written at once are neighbours.
        names.sort_unstable();
        names
    }

    /// Remembers the ends of `count` logs that do not exist.
    #[cfg(test)]
    pub(super) fn crowd(&mut self, count: usize) {
        for number in 0..count {
            let log = LogEnd::default();
            let (counted, uncounted) = (None, Vec::new());
            let end = End { log, beyond: 0, counted, uncounted, read_in: 0, is_doubtful: false };
            self.known.insert(number.to_string(), end);
        }
    }

    /// Has the heads and counts of `organizations` written with the next batch.
    pub(super) fn write_with_next(&mut self, organizations: &[String]) {
        self.due.extend_from_slice(organizations);
    }

    /// The last step of a batch: numbers its entries and writes the heads and counts that are to be.
    /// After a failure everything is [doubtful](Self::doubt_all).
    pub(super) fn end_batch(
        &mut self,
        connection: &Connection,
        gathered: Gathered,
    ) -> Result<(), StoreError> {
        // Once more: what was read since may have been undone.
        self.doubt_touched();
        self.touched = Touched::Nothing;
        let (mut entries, counted) = gathered.into_parts();
        let mut to_write = self.read_due(connection);
        let mut numbered = Vec::with_capacity(entries.len());
        for (name, log) in sequencer::by_log(&mut entries) {
            let organization = OrgId::parse(name).map_err(|_| StoreError::BrokenHead)?;
            let batch = self.batch;
            let end = self.current(connection, &organization)?;
            for entry in log {
                numbered.push(end.log.append(entry));
                end.count(entry.counted_in.map(Month::as_int));
            }
            end.beyond += log.len();
            if end.read_in == batch || end.beyond >= limits::HEAD_LAG_MAX || !are_tokens(log) {
                to_write.insert(name.to_owned());
            } else {
                self.lags = true;
            }
        }
        self.batch += 1;
        let mut tx = SqliteTx::new(connection, &Scope::Instance);
        instance::insert_entries(&mut tx, &numbered)?;
        self.count(&mut tx, &counted)?;
        let is_full = self.known.len() > limits::LOG_ENDS_MAX;
        if is_full {
            let lagging = self.known.iter().filter(|(_, end)| end.beyond > 0 && !end.is_doubtful);
            to_write.extend(lagging.map(|(name, _)| name.clone()));
        }
        self.write(&mut tx, &to_write)?;
        if is_full {
            self.known.clear();
        }
        Ok(())
    }

    /// Those that are due and can be read. The others tell why when something is appended to them.
    fn read_due(&mut self, connection: &Connection) -> HashSet<String> {
        let mut due = HashSet::with_capacity(self.due.len());
        for name in std::mem::take(&mut self.due) {
            let Ok(organization) = OrgId::parse(&name) else { continue };
            if self.current(connection, &organization).is_ok_and(|end| end.beyond > 0) {
                due.insert(name);
            }
        }
        due
    }

    /// Counts tokens that no entry counts.
    fn count(
        &mut self,
        tx: &mut dyn Tx,
        counted: &[(OrgId, Month, i64)],
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = counted
            .iter()
            .map(|(organization, month, count)| (organization.as_str(), month.as_int(), *count))
            .collect();
        for (organization, _, _) in &rows {
            if let Some(end) = self.known.get_mut(*organization) {
                end.counted = None;
            }
        }
        instance::count_tokens(tx, &rows)
    }

    /// Writes the heads and counts of `organizations` as they are.
    fn write(
        &mut self,
        tx: &mut dyn Tx,
        organizations: &HashSet<String>,
    ) -> Result<(), StoreError> {
        let mut names: Vec<&str> = organizations.iter().map(String::as_str).collect();
        names.sort_unstable();
        let (mut heads, mut counts) = (Vec::with_capacity(names.len()), Vec::new());
        for name in names {
            let Some(end) = self.known.get_mut(name) else { continue };
            heads.push((name, end.log.to_head()?));
            end.beyond = 0;
            for (month, count) in end.uncounted.drain(..) {
                counts.push((name, month, count));
                if let Some((of, counted)) = &mut end.counted
                    && of.as_int() == month
                {
                    *counted += count;
                }
            }
        }
        instance::move_heads(tx, &heads)?;
        instance::count_tokens(tx, &counts)
    }
}

/// Whether each entry is a token that it counts, and nothing else happened.
fn are_tokens(log: &[PendingEntry]) -> bool {
    log.iter().all(|entry| entry.counted_in.is_some())
}
