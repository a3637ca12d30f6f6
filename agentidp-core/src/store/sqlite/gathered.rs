//! What the members of a batch leave to its end, where one statement writes it for all of them.
//!
//! Nobody else can write while a batch is open, so an entry of the audit log or one more token of the
//! month is as safe in memory as in a table, until the commit that both would share anyway.

use crate::base::{Month, OrgId};
use crate::store::instance::PendingEntry;

#[derive(Default)]
pub(super) struct Gathered {
    entries: Vec<PendingEntry>,
    months: Vec<IssuedInMonth>,
    /// Which of `months` were added to, and how much, one after another.
    counted: Vec<(usize, i64)>,
}

/// Tokens that an organization issued in a month.
struct IssuedInMonth {
    organization: OrgId,
    month: Month,
    /// As the table has it.
    before: i64,
    /// By this batch.
    here: i64,
}

/// Where a member began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    entries: usize,
    counted: usize,
}

impl Gathered {
    pub(super) fn append(&mut self, organization: &OrgId, event_id: &str, entry: &str) {
        self.entries.push(PendingEntry {
            organization_id: organization.as_str().to_owned(),
            event_id: event_id.to_owned(),
            entry: entry.to_owned(),
        });
    }

    /// Counts `count` more tokens, unless that would be more than `limit`. `None` where it is not known
    /// how many there were [before](Self::begin_month).
    pub(super) fn count(
        &mut self,
        organization: &OrgId,
        month: Month,
        count: i64,
        limit: i64,
    ) -> Option<bool> {
        let same = |own: &IssuedInMonth| own.month == month && own.organization == *organization;
        let at = self.months.iter().position(same)?;
        let own = self.months.get_mut(at)?;
        let fits = own.before.saturating_add(own.here).saturating_add(count) <= limit;
        if fits {
            own.here += count;
            self.counted.push((at, count));
        }
        Some(fits)
    }

    pub(super) fn begin_month(&mut self, organization: &OrgId, month: Month, before: i64) {
        let organization = organization.clone();
        self.months.push(IssuedInMonth { organization, month, before, here: 0 });
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { entries: self.entries.len(), counted: self.counted.len() }
    }

    /// Takes back what came after `mark`.
    pub(super) fn take_back(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        for (at, count) in self.counted.drain(mark.counted..) {
            if let Some(own) = self.months.get_mut(at) {
                own.here -= count;
            }
        }
    }

    /// The entries, and how many tokens each organization has issued more in which month.
    pub(super) fn into_parts(self) -> (Vec<PendingEntry>, Vec<(OrgId, Month, i64)>) {
        let counted = self.months.into_iter().filter(|own| own.here > 0);
        let counted = counted.map(|own| (own.organization, own.month, own.here));
        (self.entries, counted.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SystemClock, SystemRng, Timestamp};

    #[test]
    fn what_a_member_added_is_taken_back_and_nothing_else() {
        let [own, other] = [(); 2].map(|()| OrgId::generate(&SystemClock, &SystemRng).unwrap());
        let month = Month::of(Timestamp::from_micros(0));
        let mut gathered = Gathered::default();
        assert_eq!(gathered.count(&own, month, 1, 10), None, "not known yet");
        gathered.begin_month(&own, month, 4);
        assert_eq!(gathered.count(&own, month, 3, 10), Some(true));
        assert_eq!(gathered.count(&other, month, 1, 10), None, "another's");
        gathered.append(&own, "a", "{}");
        let mark = gathered.mark();
        gathered.append(&own, "b", "{}");
        gathered.begin_month(&other, month, 0);
        assert_eq!(gathered.count(&other, month, 7, 10), Some(true));
        assert_eq!(gathered.count(&own, month, 3, 10), Some(true));
        assert_eq!(gathered.count(&own, month, 1, 10), Some(false), "that would be the eleventh");
        gathered.take_back(mark);
        assert_eq!(gathered.count(&own, month, 3, 10), Some(true));
        let (entries, counted) = gathered.into_parts();
        assert_eq!(entries.iter().map(|entry| &*entry.event_id).collect::<Vec<_>>(), ["a"]);
        assert_eq!(counted, [(own, month, 6)]);
    }
}
