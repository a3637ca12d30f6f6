//! Organizations: the tenants.

use std::fmt;

use serde::Serialize;

use crate::base::{OrgId, Timestamp, limits};
use crate::error::ErrorCode;

use super::Invalid;
use super::invalid::check_text;

/// A name for URLs and command lines: a DNS label of lower-case ASCII.
///
/// ```
/// use agentidp_core::{ErrorCode, model::Slug};
/// assert_eq!(Slug::parse("acme-2")?.as_str(), "acme-2");
/// assert!(Slug::parse("Acme").is_err());
/// assert_eq!(Slug::parse("admin").unwrap_err().code(), ErrorCode::SlugReserved);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// Names that URLs, issuers and DIDs need themselves, or that would pass for us.
const RESERVED: [&str; 36] = [
    "admin",
    "agent",
    "agent-info",
    "agents",
    "api",
    "audit",
    "auth",
    "compliance",
    "credentials",
    "dashboard",
    "did",
    "docs",
    "federation",
    "healthz",
    "identifiers",
    "issuer",
    "jwks",
    "key",
    "keys",
    "login",
    "metrics",
    "oauth",
    "oauth2",
    "openapi",
    "organizations",
    "orgs",
    "public",
    "readyz",
    "root",
    "static",
    "status",
    "system",
    "token",
    "ui",
    "webhooks",
    "well-known",
];

impl Slug {
    /// Reads a slug: `a-z`, `0-9` and `-`, 1 to 63 characters, no hyphen at either end.
    ///
    /// # Errors
    /// [`Invalid`] when it is malformed or reserved.
    pub fn parse(text: &str) -> Result<Slug, Invalid> {
        // `.well-known` and the like deserve the better of the two answers.
        if RESERVED.contains(&text.trim_start_matches('.')) || text.starts_with("xn--") {
            let reason = format!("`{text}` is reserved");
            return Err(Invalid::new("slug", reason).coded(ErrorCode::SlugReserved));
        }
        if !Slug::is_label(text) {
            let reason = "1 to 63 of a-z, 0-9 and `-` are expected, with no `-` at either end";
            return Err(Invalid::new("slug", reason));
        }
        // An id where a slug is expected must stay recognizable as one.
        if OrgId::parse(text).is_ok() {
            return Err(Invalid::new("slug", "an identifier cannot be a slug"));
        }
        Ok(Slug(text.to_owned()))
    }

    /// Whether `text` has the form of a slug, reserved or not.
    pub(crate) fn is_label(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= limits::SLUG_CHARS_MAX
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }

    /// The slug of the `system` organization, which [`Slug::parse`] keeps from everybody else.
    pub(crate) fn system() -> Slug {
        Slug("system".to_owned())
    }

    /// A slug as it was stored.
    pub(crate) fn stored(text: &str) -> Slug {
        Slug(text.to_owned())
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slug({})", self.0)
    }
}

/// What an organization pays for, and so its limits where none are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanTier {
    /// 10 agents, 10,000 tokens a month, 60 requests a minute.
    #[default]
    Free,
    /// 100 agents, 1,000,000 tokens a month, 600 requests a minute.
    Pro,
    /// 100,000 agents, 1,000,000,000 tokens a month, 60,000 requests a minute.
    Enterprise,
}

impl PlanTier {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanTier::Free => "free",
            PlanTier::Pro => "pro",
            PlanTier::Enterprise => "enterprise",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<PlanTier> {
        [PlanTier::Free, PlanTier::Pro, PlanTier::Enterprise]
            .into_iter()
            .find(|t| t.as_str() == text)
    }

    /// The limits of organizations that are given none of their own: agents, tokens a month, requests
    /// a minute.
    pub(super) fn limits(self) -> (i64, i64, i64) {
        match self {
            PlanTier::Free => (10, 10_000, 60),
            PlanTier::Pro => (100, 1_000_000, 600),
            PlanTier::Enterprise => (100_000, 1_000_000_000, 60_000),
        }
    }
}

/// Whether an organization may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrgStatus {
    /// It may.
    Active,
    /// It may not, until it is activated again.
    Suspended,
    /// It never will again; its trail stays.
    Deleted,
}

impl OrgStatus {
    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            OrgStatus::Active => "active",
            OrgStatus::Suspended => "suspended",
            OrgStatus::Deleted => "deleted",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<OrgStatus> {
        [OrgStatus::Active, OrgStatus::Suspended, OrgStatus::Deleted]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Org {
    /// Its identifier.
    #[serde(rename = "organizationId")]
    pub id: OrgId,
    /// Its name in URLs and command lines. It never changes.
    pub slug: Slug,
    /// Its name for people.
    pub name: String,
    /// What it pays for.
    pub plan_tier: PlanTier,
    /// Most agents it may have.
    pub max_agents: i64,
    /// Most tokens it may be issued in a calendar month (UTC).
    pub max_tokens_per_month: i64,
    /// Most requests it may make in a minute.
    pub rate_limit_per_minute: i64,
    /// Most seconds that a token of it lives, where that is less than others get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_life_seconds_max: Option<i64>,
    /// Whether it may act.
    pub status: OrgStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    #[serde(skip)]
    pub(crate) version: i64,
}

impl Org {
    /// A number that differs after every change of the organization. It means nothing else; see
    /// [`OrgChanges::expected_version`](super::OrgChanges::expected_version).
    pub fn version(&self) -> i64 {
        self.version
    }
}

/// How much there is of an organization: what would end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrgFootprint {
    /// Its agents that are not decommissioned.
    pub agents: i64,
    /// Their credentials that are neither revoked nor expired.
    pub credentials: i64,
    /// Tokens issued to them in this calendar month (UTC); on PostgreSQL, what other processes have set
    /// aside counts as issued.
    pub tokens_this_month: i64,
}

/// An organization to be made.
///
/// ```
/// use agentidp_core::{NewOrg, PlanTier};
/// let org = NewOrg::new("acme").name("Acme Ltd").plan(PlanTier::Pro).max_agents(20);
/// ```
#[derive(Debug, Clone)]
pub struct NewOrg {
    slug: String,
    name: Option<String>,
    plan: PlanTier,
    max_agents: Option<i64>,
    max_tokens_per_month: Option<i64>,
    rate_limit_per_minute: Option<i64>,
}

impl NewOrg {
    /// An organization named `slug` in URLs and command lines.
    pub fn new(slug: impl Into<String>) -> NewOrg {
        NewOrg {
            slug: slug.into(),
            name: None,
            plan: PlanTier::Free,
            max_agents: None,
            max_tokens_per_month: None,
            rate_limit_per_minute: None,
        }
    }

    /// Its name for people; the slug unless given.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> NewOrg {
        self.name = Some(name.into());
        self
    }

    /// What it pays for; free unless given.
    #[must_use]
    pub fn plan(mut self, plan: PlanTier) -> NewOrg {
        self.plan = plan;
        self
    }

    /// Most agents it may have; by its plan unless given.
    #[must_use]
    pub fn max_agents(mut self, agents: i64) -> NewOrg {
        self.max_agents = Some(agents);
        self
    }

    /// Most tokens it may be issued in a calendar month; by its plan unless given.
    #[must_use]
    pub fn max_tokens_per_month(mut self, tokens: i64) -> NewOrg {
        self.max_tokens_per_month = Some(tokens);
        self
    }

    /// Most requests it may make in a minute; by its plan unless given.
    #[must_use]
    pub fn rate_limit_per_minute(mut self, requests: i64) -> NewOrg {
        self.rate_limit_per_minute = Some(requests);
        self
    }

    /// The slug that is asked for, whether it may be had or not.
    pub(crate) fn asked_slug(&self) -> &str {
        &self.slug
    }

    /// Checks everything and makes the organization, which is not stored yet.
    pub(crate) fn build(self, id: OrgId, now: Timestamp) -> Result<Org, Invalid> {
        let slug = if id == OrgId::system() { Slug::system() } else { Slug::parse(&self.slug)? };
        let name = self.name.unwrap_or_else(|| self.slug.clone());
        check_text("name", &name, limits::NAME_CHARS_MAX)?;
        let (agents, tokens, rate) = self.plan.limits();
        let limit =
            |field, given: Option<i64>, default| check_limit(field, given.unwrap_or(default));
        Ok(Org {
            id,
            slug,
            name,
            plan_tier: self.plan,
            max_agents: limit("maxAgents", self.max_agents, agents)?,
            max_tokens_per_month: limit("maxTokensPerMonth", self.max_tokens_per_month, tokens)?,
            rate_limit_per_minute: limit("rateLimitPerMinute", self.rate_limit_per_minute, rate)?,
            token_life_seconds_max: None,
            status: OrgStatus::Active,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }
}

/// Checks a limit of an organization.
pub(super) fn check_limit(field: &'static str, count: i64) -> Result<i64, Invalid> {
    match count {
        ..0 => Err(Invalid::new(field, "less than nothing")),
        0..=limits::ORG_LIMIT_MAX => Ok(count),
        _ => Err(Invalid::new(field, format!("more than {}", limits::ORG_LIMIT_MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_labels_that_nothing_else_needs() {
        for good in ["acme", "a", "a-b-9", &"x".repeat(63)] {
            assert_eq!(Slug::parse(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(64);
        let huge = "x".repeat(1 << 20);
        for bad in ["", "Acme", "a_b", "-a", "a-", "a.b", "ac\u{43c}e", "a b", &long, &huge] {
            assert_eq!(Slug::parse(bad).unwrap_err().code(), ErrorCode::InvalidInput);
        }
        for reserved in RESERVED.into_iter().chain([".well-known", "..admin", "xn--80ak6aa92e"]) {
            assert_eq!(Slug::parse(reserved).unwrap_err().code(), ErrorCode::SlugReserved);
        }
        assert!(Slug::parse("01900000-0000-7000-8000-000000000001").is_err());
    }

    #[test]
    fn what_only_looks_like_a_slug_is_refused() {
        let lookalikes = [
            "p\u{430}ypal",    // Cyrillic
            "\u{3bf}penai",    // Greek
            "\u{ff41}cme",     // full width
            "\u{1d41a}cme",    // mathematical
            "acme\u{301}",     // combining
            "ac\u{200b}me",    // zero width
            "acme\u{202e}",    // right to left
            "acme\u{ad}",      // soft hyphen
            "ac\u{2010}me",    // another hyphen
            "\u{131}nit",      // dotless i
            "ACME",            // another case of what is there
            "\u{212a}elvin",   // a sign that becomes k in lower case
            "acme\u{ff0e}com", // a full stop to some readers
            "acme\0",
            "acme\n",
        ];
        for text in lookalikes {
            let refused = Slug::parse(text).unwrap_err();
            assert_eq!(
                (refused.field(), refused.code()),
                ("slug", ErrorCode::InvalidInput),
                "{text}"
            );
        }
    }

    #[test]
    fn limits_are_integers_that_every_reader_of_json_has_exactly() {
        let build = |org: NewOrg| org.build(OrgId::system(), Timestamp::from_seconds(0));
        for good in [0, 1, limits::ORG_LIMIT_MAX] {
            assert_eq!(build(NewOrg::new("x").max_agents(good)).unwrap().max_agents, good);
        }
        for bad in [-1, i64::MIN, limits::ORG_LIMIT_MAX + 1, i64::MAX] {
            assert!(build(NewOrg::new("x").max_agents(bad)).is_err());
            assert!(build(NewOrg::new("x").max_tokens_per_month(bad)).is_err());
            assert!(build(NewOrg::new("x").rate_limit_per_minute(bad)).is_err());
        }
    }

    #[test]
    fn names_are_text_of_a_sane_length() {
        let build = |name: &str| {
            NewOrg::new("acme").name(name).build(
                OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap(),
                Timestamp::from_seconds(0),
            )
        };
        assert_eq!(build("\u{c4}cme \u{682a}\u{5f0f}\u{4f1a}\u{793e}").unwrap().max_agents, 10);
        for bad in ["", "  ", "a\nb", "\0", &"y".repeat(201), &"y".repeat(1 << 20)] {
            assert!(build(bad).is_err());
        }
    }
}
