//! By what the clients of the model prove themselves: secrets, and assertions signed by a key.

use agentidp_core::{AgentId, AgentStatus, ClientAuth, OrgStatus};
use proptest::prelude::*;
use serde_json::json;

use crate::ops::key_holder::KeyHolder;

use super::verbs::{back, pair};
use super::{Agent, Credential, Model};

/// By what a client is to prove itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// The secret that came so many before its last one.
    Secret(usize),
    /// The key at that place, whether it is the client's or not.
    Key(usize),
    /// A secret that nobody has.
    Wrong,
}

pub(super) fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        8 => back().prop_map(By::Secret),
        4 => pair().prop_map(By::Key),
        1 => Just(By::Wrong),
    ]
}

/// What a client shows, and may show again.
pub(super) enum Evidence {
    Secret(AgentId, String),
    Assertion(String),
}

impl Evidence {
    pub(super) fn auth(&self) -> ClientAuth {
        match self {
            Evidence::Secret(client, secret) => ClientAuth::secret(client, secret.as_str()),
            Evidence::Assertion(text) => ClientAuth::assertion(text.as_str()),
        }
    }
}

impl Agent {
    /// The secret that came so many before the last one.
    fn secret(&self, back: usize) -> Option<&Credential> {
        self.credentials.iter().rev().filter(|own| own.secret().is_some()).nth(back)
    }
}

impl Model {
    /// What the agent shows; nothing, where it never had such a secret.
    pub(super) fn evidence(&mut self, org: usize, agent: usize, by: By) -> Option<Evidence> {
        let name = self.name();
        let (_, own) = self.agent(org, agent)?;
        Some(match by {
            By::Secret(back) => {
                Evidence::Secret(own.id.clone(), own.secret(back)?.secret()?.to_owned())
            }
            By::Key(place) => {
                let pair = &self.pairs[place];
                let claims = KeyHolder::claims(&self.test, &own.id, &name);
                Evidence::Assertion(pair.holder.sign(json!({ "kid": pair.kid }), &claims))
            }
            By::Wrong => Evidence::Secret(own.id.clone(), "aidp_wrong".to_owned()),
        })
    }

    /// Whether that proves the agent, and the agent may act.
    pub(super) fn proves(&self, org: usize, agent: usize, by: By) -> bool {
        let Some((known, own)) = self.agent(org, agent) else { return false };
        let now = self.time();
        let proven = match by {
            By::Secret(back) => own.secret(back).is_some_and(|secret| secret.is_live(now)),
            By::Key(place) => {
                let issued = own.live_keys(now).any(|own| own == place);
                issued || own.proves_itself_by(&self.pairs[place].kid)
            }
            By::Wrong => false,
        };
        proven && known.status == OrgStatus::Active && own.status == AgentStatus::Active
    }
}
