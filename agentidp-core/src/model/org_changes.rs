//! What may be changed of an organization, and how it may come and go: pure decisions.

use crate::base::{Timestamp, limits};
use crate::error::ErrorCode;

use super::invalid::check_text;
use super::org::check_limit;
use super::{Action, Invalid, Org, OrgStatus, PlanTier};

/// Changes to an organization. What is not named stays as it is; the slug always does, since issuers
/// and identifiers contain it.
///
/// ```
/// use agentidp_core::{OrgChanges, PlanTier};
/// let renamed = OrgChanges::default().name("Acme Holding").token_life_seconds_max(600);
/// let upgraded = OrgChanges::default().plan(PlanTier::Pro).limits_of_plan().max_agents(250);
/// ```
#[derive(Debug, Clone, Default)]
pub struct OrgChanges {
    name: Option<String>,
    token_life_seconds_max: Option<Option<i64>>,
    plan: Option<PlanTier>,
    limits_of_plan: bool,
    max_agents: Option<i64>,
    max_tokens_per_month: Option<i64>,
    rate_limit_per_minute: Option<i64>,
    expected_version: Option<i64>,
}

impl OrgChanges {
    /// Its name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> OrgChanges {
        self.name = Some(name.into());
        self
    }

    /// Most seconds that a token of it lives, 60 to 3600; `None` takes the limit away.
    #[must_use]
    pub fn token_life_seconds_max(mut self, seconds: impl Into<Option<i64>>) -> OrgChanges {
        self.token_life_seconds_max = Some(seconds.into());
        self
    }

    /// What it pays for. Its limits stay as they are, since some may have been agreed upon one by
    /// one: ask for [`limits_of_plan`](Self::limits_of_plan) to have them follow.
    #[must_use]
    pub fn plan(mut self, plan: PlanTier) -> OrgChanges {
        self.plan = Some(plan);
        self
    }

    /// The limits that are not given here become those of its plan: of the new one where that
    /// changes too.
    #[must_use]
    pub fn limits_of_plan(mut self) -> OrgChanges {
        self.limits_of_plan = true;
        self
    }

    /// Most agents it may have. Where it has more already it keeps them, and gets no new one.
    #[must_use]
    pub fn max_agents(mut self, agents: i64) -> OrgChanges {
        self.max_agents = Some(agents);
        self
    }

    /// Most tokens it may be issued in a calendar month.
    #[must_use]
    pub fn max_tokens_per_month(mut self, tokens: i64) -> OrgChanges {
        self.max_tokens_per_month = Some(tokens);
        self
    }

    /// Most requests it may make in a minute.
    #[must_use]
    pub fn rate_limit_per_minute(mut self, requests: i64) -> OrgChanges {
        self.rate_limit_per_minute = Some(requests);
        self
    }

    /// Changes the organization only if it still is at the version that [`Org::version`] told.
    #[must_use]
    pub fn expected_version(mut self, version: i64) -> OrgChanges {
        self.expected_version = Some(version);
        self
    }

    /// Checks everything.
    pub(crate) fn build(self) -> Result<CheckedOrgChanges, Invalid> {
        if let Some(name) = &self.name {
            check_text("name", name, limits::NAME_CHARS_MAX)?;
        }
        if let Some(Some(seconds)) = self.token_life_seconds_max
            && !(limits::TOKEN_LIFE_SECONDS_MIN..=limits::TOKEN_LIFE_SECONDS).contains(&seconds)
        {
            return Err(Invalid::new("tokenLifeSecondsMax", "60 to 3600 seconds are expected"));
        }
        for (field, limit) in [
            ("maxAgents", self.max_agents),
            ("maxTokensPerMonth", self.max_tokens_per_month),
            ("rateLimitPerMinute", self.rate_limit_per_minute),
        ] {
            limit.map(|count| check_limit(field, count)).transpose()?;
        }
        Ok(CheckedOrgChanges(self))
    }
}

/// Changes that cannot be wrong.
#[derive(Debug, Clone)]
pub(crate) struct CheckedOrgChanges(OrgChanges);

impl CheckedOrgChanges {
    /// What one needs leave for: plans and limits are the instance's to change.
    pub(crate) fn action(&self) -> Action {
        let OrgChanges { plan, max_agents, max_tokens_per_month, rate_limit_per_minute, .. } =
            &self.0;
        let of_the_instance = plan.is_some()
            || self.0.limits_of_plan
            || max_agents.is_some()
            || max_tokens_per_month.is_some()
            || rate_limit_per_minute.is_some();
        // Whoever manages organizations may change the rest of them too.
        if of_the_instance { Action::ManageOrgs } else { Action::ChangeOrg }
    }

    /// The version that the organization must have, where it is not the one that `old` has.
    pub(crate) fn misses(&self, old: &Org) -> Option<i64> {
        self.0.expected_version.filter(|expected| *expected != old.version)
    }

    /// The name that is asked for.
    pub(crate) fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// The organization as it will be, and the names of what differs.
    pub(crate) fn apply(&self, old: &Org, now: Timestamp) -> (Org, Vec<&'static str>) {
        let changes = &self.0;
        let plan_tier = changes.plan.unwrap_or(old.plan_tier);
        let (agents, tokens, rate) = if changes.limits_of_plan {
            plan_tier.limits()
        } else {
            (old.max_agents, old.max_tokens_per_month, old.rate_limit_per_minute)
        };
        let new = Org {
            name: changes.name.clone().unwrap_or_else(|| old.name.clone()),
            plan_tier,
            max_agents: changes.max_agents.unwrap_or(agents),
            max_tokens_per_month: changes.max_tokens_per_month.unwrap_or(tokens),
            rate_limit_per_minute: changes.rate_limit_per_minute.unwrap_or(rate),
            token_life_seconds_max: changes
                .token_life_seconds_max
                .unwrap_or(old.token_life_seconds_max),
            updated_at: now,
            version: old.version + 1,
            ..old.clone()
        };
        let changed = [
            ("name", new.name != old.name),
            ("planTier", new.plan_tier != old.plan_tier),
            ("maxAgents", new.max_agents != old.max_agents),
            ("maxTokensPerMonth", new.max_tokens_per_month != old.max_tokens_per_month),
            ("rateLimitPerMinute", new.rate_limit_per_minute != old.rate_limit_per_minute),
            ("tokenLifeSecondsMax", new.token_life_seconds_max != old.token_life_seconds_max),
        ];
        let changed = changed.into_iter().filter_map(|(name, differs)| differs.then_some(name));
        (new, changed.collect())
    }
}

/// How an organization comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrgTransition {
    Suspend,
    Activate,
    Delete,
}

/// Why an organization stays as it is.
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource};
/// use agentidp_core::{OrgError, OrgId, OrgStays};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// let refused = idp.org(&OrgId::system()).suspend().unwrap_err();
/// assert!(matches!(refused, OrgError::Stays(OrgStays::System)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrgStays {
    /// The instance is administered from it.
    #[error("the `system` organization can be neither suspended nor deleted")]
    System,
    /// It is deleted, which is for good.
    #[error("the organization was deleted")]
    Deleted,
}

impl OrgStays {
    /// The row of the error table.
    pub fn code(self) -> ErrorCode {
        match self {
            OrgStays::System => ErrorCode::SystemOrg,
            OrgStays::Deleted => ErrorCode::NotActive,
        }
    }
}

impl OrgTransition {
    #[cfg(test)]
    const ALL: [OrgTransition; 3] =
        [OrgTransition::Suspend, OrgTransition::Activate, OrgTransition::Delete];

    /// The status that it leads to.
    pub(crate) fn target(self) -> OrgStatus {
        match self {
            OrgTransition::Suspend => OrgStatus::Suspended,
            OrgTransition::Activate => OrgStatus::Active,
            OrgTransition::Delete => OrgStatus::Deleted,
        }
    }

    /// The organization afterwards. A deleted one goes by its slug alone: names are personal values.
    pub(crate) fn apply(self, old: &Org, now: Timestamp) -> Org {
        let name = match self {
            OrgTransition::Delete => old.slug.to_string(),
            OrgTransition::Suspend | OrgTransition::Activate => old.name.clone(),
        };
        let status = self.target();
        Org { name, status, version: old.version + 1, updated_at: now, ..old.clone() }
    }

    /// Whether there is anything to do: what is there already is not done twice, so that a caller
    /// who did not hear the answer may ask again.
    ///
    /// # Errors
    /// [`OrgStays`] when it is not allowed.
    pub(crate) fn decide(self, org: &Org) -> Result<bool, OrgStays> {
        let target = self.target();
        if target != OrgStatus::Active && org.id == crate::base::OrgId::system() {
            return Err(OrgStays::System);
        }
        match org.status {
            status if status == target => Ok(false),
            OrgStatus::Deleted => Err(OrgStays::Deleted),
            OrgStatus::Active | OrgStatus::Suspended => Ok(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OrgId;
    use crate::model::NewOrg;

    fn org(status: OrgStatus) -> Org {
        let id = OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap();
        let org = NewOrg::new("acme").max_agents(7).build(id, Timestamp::from_seconds(1)).unwrap();
        Org { status, ..org }
    }

    fn changed(changes: OrgChanges) -> (Org, Vec<&'static str>) {
        let now = Timestamp::from_seconds(2);
        changes.build().unwrap().apply(&org(OrgStatus::Active), now)
    }

    #[test]
    fn transitions_are_those_of_the_table() {
        use OrgStatus::{Active, Deleted, Suspended};
        use OrgTransition::{Activate, Delete, Suspend};
        let table = [
            (Active, Suspend, Ok(true)),
            (Active, Activate, Ok(false)),
            (Active, Delete, Ok(true)),
            (Suspended, Suspend, Ok(false)),
            (Suspended, Activate, Ok(true)),
            (Suspended, Delete, Ok(true)),
            (Deleted, Suspend, Err(OrgStays::Deleted)),
            (Deleted, Activate, Err(OrgStays::Deleted)),
            (Deleted, Delete, Ok(false)),
        ];
        for (status, transition, expected) in table {
            assert_eq!(transition.decide(&org(status)), expected, "{status:?} {transition:?}");
        }
        for transition in OrgTransition::ALL {
            let system = Org { id: OrgId::system(), ..org(Active) };
            let expected = match transition {
                Activate => Ok(false),
                Suspend | Delete => Err(OrgStays::System),
            };
            assert_eq!(transition.decide(&system), expected);
        }
    }

    #[test]
    fn what_is_not_named_stays() {
        let (same, names) = changed(OrgChanges::default());
        let old = org(OrgStatus::Active);
        assert_eq!(names, [""; 0]);
        assert_eq!(same, Org { version: 2, updated_at: Timestamp::from_seconds(2), ..old });
        let (renamed, names) =
            changed(OrgChanges::default().name("Acme").token_life_seconds_max(60));
        assert_eq!(names, ["name", "tokenLifeSecondsMax"]);
        assert_eq!((renamed.name.as_str(), renamed.token_life_seconds_max), ("Acme", Some(60)));
        assert_eq!(renamed.slug.as_str(), "acme");
    }

    #[test]
    fn limits_follow_the_plan_where_that_is_asked_for() {
        let (kept, names) = changed(OrgChanges::default().plan(PlanTier::Pro));
        assert_eq!((kept.max_agents, kept.max_tokens_per_month), (7, 10_000));
        assert_eq!(names, ["planTier"]);
        let follow = OrgChanges::default().plan(PlanTier::Pro).limits_of_plan();
        let (followed, _) = changed(follow.clone());
        assert_eq!((followed.max_agents, followed.max_tokens_per_month), (100, 1_000_000));
        assert_eq!(followed.rate_limit_per_minute, 600);
        let (given, _) = changed(follow.max_agents(3));
        assert_eq!((given.max_agents, given.rate_limit_per_minute), (3, 600));
        let (own, names) = changed(OrgChanges::default().limits_of_plan());
        assert_eq!((own.max_agents, names), (10, vec!["maxAgents"]));
    }

    #[test]
    fn built_changes_cannot_be_wrong() {
        let none = OrgChanges::default;
        for bad in [
            none().name(""),
            none().name("a\nb"),
            none().name("n".repeat(201)),
            none().token_life_seconds_max(0),
            none().token_life_seconds_max(-1),
            none().token_life_seconds_max(limits::TOKEN_LIFE_SECONDS + 1),
            none().max_agents(-1),
            none().max_tokens_per_month(i64::MAX),
            none().rate_limit_per_minute(i64::MIN),
        ] {
            assert!(bad.clone().build().is_err(), "{bad:?}");
        }
        none().token_life_seconds_max(None).max_agents(0).build().unwrap();
    }

    #[test]
    fn plans_and_limits_are_the_instance_s_to_change() {
        let action = |changes: OrgChanges| changes.build().unwrap().action();
        let none = OrgChanges::default;
        assert_eq!(action(none()), Action::ChangeOrg);
        assert_eq!(action(none().name("x").token_life_seconds_max(60)), Action::ChangeOrg);
        for changes in [
            none().plan(PlanTier::Free),
            none().limits_of_plan(),
            none().max_agents(1),
            none().max_tokens_per_month(1),
            none().rate_limit_per_minute(1),
            none().name("x").max_agents(1),
        ] {
            assert_eq!(action(changes), Action::ManageOrgs);
        }
    }
}
