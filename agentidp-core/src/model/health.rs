//! What an examination of an instance tells of one thing it looked at.

use std::fmt;

use serde::Serialize;

/// How the thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HealthStatus {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work, or is not to be trusted.
    Failed,
    /// Not looked at, since something before it failed.
    Skipped,
}

impl HealthStatus {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Ok => "ok",
            HealthStatus::Warning => "warning",
            HealthStatus::Failed => "failed",
            HealthStatus::Skipped => "skipped",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was looked at: what was found, and what to do about it.
///
/// ```
/// use agentidp_core::{HealthCheck, HealthStatus};
/// let check = HealthCheck::failed("disk", "the disk is full", "make room");
/// assert_eq!((check.status, check.hint.as_deref()), (HealthStatus::Failed, Some("make room")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub status: HealthStatus,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

impl HealthCheck {
    /// It is as it should be.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> HealthCheck {
        HealthCheck { name, status: HealthStatus::Ok, detail: detail.into(), hint: None }
    }

    /// It works, and somebody should look at it.
    pub fn warning(
        name: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> HealthCheck {
        let hint = Some(hint.into());
        HealthCheck { name, status: HealthStatus::Warning, detail: detail.into(), hint }
    }

    /// It does not work, or is not to be trusted.
    pub fn failed(
        name: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> HealthCheck {
        let hint = Some(hint.into());
        HealthCheck { name, status: HealthStatus::Failed, detail: detail.into(), hint }
    }

    /// It was not looked at.
    pub fn skipped(name: &'static str, detail: impl Into<String>) -> HealthCheck {
        HealthCheck { name, status: HealthStatus::Skipped, detail: detail.into(), hint: None }
    }
}
