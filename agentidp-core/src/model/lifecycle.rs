//! Which states an agent passes through: decided here, and nowhere else.

use serde::Serialize;

/// Whether an agent may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// It may.
    Active,
    /// It may not, until it is reactivated.
    Suspended,
    /// It never will again.
    Decommissioned,
}

/// A change of an agent's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It may not act for now; its tokens end.
    Suspend,
    /// It may act again, with new tokens.
    Reactivate,
    /// It never acts again; its tokens, credentials and keys end.
    Decommission,
}

/// What a transition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The status changes to this one.
    To(AgentStatus),
    /// It is there already: whoever asks twice is answered twice, and nothing changes.
    Stay,
    /// There is no way.
    Refused,
}

impl AgentStatus {
    /// Every status.
    pub const ALL: [AgentStatus; 3] =
        [AgentStatus::Active, AgentStatus::Suspended, AgentStatus::Decommissioned];

    /// The stored and shown text.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentStatus::Active => "active",
            AgentStatus::Suspended => "suspended",
            AgentStatus::Decommissioned => "decommissioned",
        }
    }

    /// Reads the stored and shown text.
    pub fn parse(text: &str) -> Option<AgentStatus> {
        AgentStatus::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// What `transition` comes to from here.
    pub fn after(self, transition: Transition) -> Step {
        let target = transition.target();
        match self {
            from if from == target => Step::Stay,
            AgentStatus::Decommissioned => Step::Refused,
            AgentStatus::Active | AgentStatus::Suspended => Step::To(target),
        }
    }
}

impl Transition {
    /// Every transition.
    pub const ALL: [Transition; 3] =
        [Transition::Suspend, Transition::Reactivate, Transition::Decommission];

    /// Where it leads.
    pub fn target(self) -> AgentStatus {
        match self {
            Transition::Suspend => AgentStatus::Suspended,
            Transition::Reactivate => AgentStatus::Active,
            Transition::Decommission => AgentStatus::Decommissioned,
        }
    }

    /// Whether tokens that were issued before it are void after it.
    pub fn ends_tokens(self) -> bool {
        match self {
            Transition::Suspend | Transition::Decommission => true,
            Transition::Reactivate => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_comes_and_goes_until_it_is_decommissioned() {
        use AgentStatus::{Active, Decommissioned, Suspended};
        use Transition::{Decommission, Reactivate, Suspend};
        let table = [
            (Active, Suspend, Step::To(Suspended)),
            (Active, Reactivate, Step::Stay),
            (Active, Decommission, Step::To(Decommissioned)),
            (Suspended, Suspend, Step::Stay),
            (Suspended, Reactivate, Step::To(Active)),
            (Suspended, Decommission, Step::To(Decommissioned)),
            (Decommissioned, Suspend, Step::Refused),
            (Decommissioned, Reactivate, Step::Refused),
            (Decommissioned, Decommission, Step::Stay),
        ];
        assert_eq!(table.len(), AgentStatus::ALL.len() * Transition::ALL.len());
        for (from, transition, step) in table {
            assert_eq!(from.after(transition), step, "{from:?} {transition:?}");
        }
    }

    #[test]
    fn all_but_reactivating_ends_tokens() {
        let ending = Transition::ALL.into_iter().filter(|transition| transition.ends_tokens());
        assert_eq!(ending.collect::<Vec<_>>(), [Transition::Suspend, Transition::Decommission]);
    }

    #[test]
    fn a_status_is_read_as_it_was_written() {
        for status in AgentStatus::ALL {
            assert_eq!(AgentStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(AgentStatus::parse("deleted"), None);
    }
}
