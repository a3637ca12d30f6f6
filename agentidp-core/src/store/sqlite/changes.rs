//! Whether the database is as it was: what the one who writes it knows about that.
//!
//! Nobody can write beside an open batch, so between two statements of it the state is another only
//! where one of its own members wrote; and what other connections commit between two batches SQLite
//! counts for us (`PRAGMA data_version`).

use crate::base::Epoch;

pub(super) struct Changes {
    epoch: Epoch,
    /// Whether a member of the open batch wrote, or began to.
    under_way: bool,
    /// SQLite's counter of other connections' commits, as of the last batch.
    data_version: Option<i64>,
}

impl Default for Changes {
    fn default() -> Changes {
        Changes { epoch: Epoch::FIRST, under_way: false, data_version: None }
    }
}

impl Changes {
    /// A batch begins, at that count; tells whether others wrote since the last one.
    pub(super) fn begin_batch(&mut self, data_version: Option<i64>) -> bool {
        let before = std::mem::replace(&mut self.data_version, data_version);
        // Where there is no count, anything may have happened.
        if before.is_none() || before != data_version {
            self.epoch = self.epoch.next();
        }
        before.is_some() && before != data_version
    }

    /// A member is about to write.
    pub(super) fn begin(&mut self) {
        self.under_way = true;
    }

    /// What was under way is over, kept or not.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.under_way) {
            self.epoch = self.epoch.next();
        }
    }

    /// The state that a statement sees now. `None` while a change is under way, which may yet be undone.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        (!self.under_way).then_some(self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_ends_with_every_write_of_ours_or_of_others() {
        let mut changes = Changes::default();
        assert!(!changes.begin_batch(Some(4)), "nobody wrote since a batch that never was");
        let first = changes.epoch();
        changes.end();
        assert!(!changes.begin_batch(Some(4)));
        assert_eq!(changes.epoch(), first, "nobody wrote");
        changes.begin();
        assert_eq!(changes.epoch(), None);
        changes.end();
        let second = changes.epoch();
        assert!(second.is_some() && second != first);
        assert!(changes.begin_batch(Some(5)));
        let third = changes.epoch();
        assert!(third.is_some() && third != second);
        changes.begin_batch(None);
        let fourth = changes.epoch();
        changes.begin_batch(None);
        assert!(fourth != third && changes.epoch() != fourth, "nothing is known");
    }
}
