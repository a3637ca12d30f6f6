//! Who acts for whom: the chain inside a token that was exchanged (RFC 8693 section 4.1).

use serde_json::{Value, json};

use crate::base::{AgentId, limits};

/// The agents that act for a token's subject: the one that acts now first, then those that acted
/// before it. Empty where the subject acts itself.
///
/// ```
/// use agentidp_core::ActorChain;
/// let (bob, ada) = ("01900000-0000-7000-8000-000000000002", "01900000-0000-7000-8000-000000000001");
/// // The claim of a token by which Bob acts, as Ada did before him.
/// let act = serde_json::json!({ "sub": bob, "act": { "sub": ada } });
/// let chain = ActorChain::from_claim(Some(&act)).ok_or("not one of ours")?;
/// assert_eq!(chain.current().map(|actor| actor.as_str()), Some(bob));
/// assert_eq!(chain.actors().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorChain(Vec<AgentId>);

impl ActorChain {
    /// Reads the claim `act`. `None` when it is not a chain of agents that we could have written.
    pub fn from_claim(act: Option<&Value>) -> Option<ActorChain> {
        let mut actors = Vec::new();
        let mut next = act;
        while let Some(act) = next {
            if actors.len() == limits::ACTORS_MAX {
                return None;
            }
            let sub = act.get("sub")?.as_str()?;
            actors.push(AgentId::parse(sub).ok()?);
            next = act.get("act");
        }
        Some(ActorChain(actors))
    }

    /// The claim `act`; `None` where nobody acts for the subject.
    pub fn to_claim(&self) -> Option<Value> {
        self.0.iter().rev().fold(None, |before, actor| {
            Some(match before {
                None => json!({ "sub": actor }),
                Some(before) => json!({ "sub": actor, "act": before }),
            })
        })
    }

    /// The chain in which `actor` acts now. `None` when it would be longer than a chain may be.
    pub fn joined_by(&self, actor: &AgentId) -> Option<ActorChain> {
        if self.0.first() == Some(actor) {
            return Some(self.clone());
        }
        let mut actors = Vec::with_capacity(self.0.len() + 1);
        actors.push(actor.clone());
        actors.extend(self.0.iter().cloned());
        (actors.len() <= limits::ACTORS_MAX).then_some(ActorChain(actors))
    }

    /// The agents, the one that acts now first.
    pub fn actors(&self) -> &[AgentId] {
        &self.0
    }

    /// Who acts now, if not the subject itself.
    pub fn current(&self) -> Option<&AgentId> {
        self.0.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(last: usize) -> AgentId {
        AgentId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap()
    }

    #[test]
    fn a_chain_is_written_as_it_is_read_with_who_acts_now_outermost() {
        let chain = ActorChain::default().joined_by(&agent(1)).unwrap();
        let chain = chain.joined_by(&agent(2)).unwrap();
        let claim = chain.to_claim().unwrap();
        assert_eq!(claim, json!({ "sub": agent(2), "act": { "sub": agent(1) } }));
        assert_eq!(ActorChain::from_claim(Some(&claim)), Some(chain.clone()));
        assert_eq!(chain.current(), Some(&agent(2)));
        assert_eq!(ActorChain::from_claim(None), Some(ActorChain::default()));
        assert_eq!(ActorChain::default().to_claim(), None);
    }

    #[test]
    fn a_chain_has_an_end_also_where_agents_act_in_turn() {
        let mut chain = ActorChain::default();
        for number in 0..limits::ACTORS_MAX {
            chain = chain.joined_by(&agent(number % 2)).unwrap();
        }
        assert_eq!(chain.actors().len(), limits::ACTORS_MAX);
        assert_eq!(chain.joined_by(&agent(7)), None);
        // Whoever acts already does not act twice.
        assert_eq!(chain.joined_by(chain.current().unwrap()), Some(chain.clone()));
        let claim = json!({ "sub": agent(7), "act": chain.to_claim() });
        assert_eq!(ActorChain::from_claim(Some(&claim)), None, "longer than we write");
    }

    #[test]
    fn what_we_could_not_have_written_is_no_chain() {
        let wrong = [
            json!("agent"),
            json!({}),
            json!({ "sub": 1 }),
            json!({ "sub": "somebody" }),
            json!({ "sub": agent(1), "act": null }),
            json!({ "sub": agent(1), "act": { "iss": "https://other.example" } }),
        ];
        for claim in wrong {
            assert_eq!(ActorChain::from_claim(Some(&claim)), None, "{claim}");
        }
    }
}
