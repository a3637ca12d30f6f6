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
    /// What of it no entry counts.
    uncarried: Vec<(OrgId, Month, i64)>,
    /// Where the entries of the member that runs begin.
    own_entries: usize,
}

/// Tokens that an organization issued in a month.
struct IssuedInMonth {
    organization: OrgId,
    month: Month,
    /// Before this batch.
    before: i64,
    /// By this batch.
    here: i64,
}

/// Where a member began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    entries: usize,
    counted: usize,
    uncarried: usize,
}

impl Gathered {
    pub(super) fn append(&mut self, organization: &OrgId, event_id: &str, entry: &str) {
        self.entries.push(PendingEntry {
            organization_id: organization.as_str().to_owned(),
            event_id: event_id.to_owned(),
            entry: entry.to_owned(),
            counted_in: None,
        });
    }

    /// Counts `count` more tokens, unless that would be more than `limit`. `None` where it is not known
    /// how many there were [before](Self::begin_month). One token is counted by the entry that the member
    /// appended before it.
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
            match self.entries.get_mut(self.own_entries..).and_then(<[_]>::last_mut) {
                Some(entry) if count == 1 && entry.counted_in.is_none() => {
                    entry.counted_in = Some(month);
                }
                _ => self.uncarried.push((organization.clone(), month, count)),
            }
        }
        Some(fits)
    }

    pub(super) fn begin_month(&mut self, organization: &OrgId, month: Month, before: i64) {
        let organization = organization.clone();
        self.months.push(IssuedInMonth { organization, month, before, here: 0 });
    }

    /// Another member begins.
    pub(super) fn mark(&mut self) -> Mark {
        self.own_entries = self.entries.len();
        Mark {
            entries: self.entries.len(),
            counted: self.counted.len(),
            uncarried: self.uncarried.len(),
        }
    }

    /// Takes back what came after `mark`.
    pub(super) fn take_back(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.uncarried.truncate(mark.uncarried);
        for (at, count) in self.counted.drain(mark.counted..) {
            if let Some(own) = self.months.get_mut(at) {
                own.here -= count;
            }
        }
    }

    /// The entries, and the tokens that none of them counts.
    pub(super) fn into_parts(self) -> (Vec<PendingEntry>, Vec<(OrgId, Month, i64)>) {
        (self.entries, self.uncarried)
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
        assert_eq!(counted, [(own.clone(), month, 3), (own, month, 3)]);
    }

    #[test]
    fn a_token_is_counted_by_the_entry_of_its_own_member() {
        let organization = OrgId::generate(&SystemClock, &SystemRng).unwrap();
        let month = Month::of(Timestamp::from_micros(0));
        let mut gathered = Gathered::default();
        gathered.begin_month(&organization, month, 0);
        let add = |gathered: &mut Gathered, entry: Option<&str>, tokens: i64| {
            let mark = gathered.mark();
            if let Some(entry) = entry {
                gathered.append(&organization, entry, "{}");
            }
            assert_eq!(gathered.count(&organization, month, tokens, 100), Some(true));
            mark
        };
        add(&mut gathered, Some("a"), 1);
        add(&mut gathered, None, 1);
        add(&mut gathered, Some("b"), 2);
        let mark = add(&mut gathered, Some("c"), 1);
        gathered.take_back(mark);
        add(&mut gathered, Some("d"), 1);
        assert_eq!(gathered.count(&organization, month, 1, 100), Some(true), "a second one");
        let (entries, uncarried) = gathered.into_parts();
        let counts: Vec<_> = entries.iter().map(|e| (&*e.event_id, e.counted_in)).collect();
        assert_eq!(counts, [("a", Some(month)), ("b", None), ("d", Some(month))]);
        assert_eq!(uncarried.iter().map(|(_, _, count)| *count).collect::<Vec<_>>(), [1, 2, 1]);
    }
}
