//! One token for another (RFC 8693): an agent that acts for the subject of a token which says so.

use crate::base::{AgentId, Jti, OrgId, SecretString};

use super::token::Exchanged;
use super::{ActorChain, Client, Refusal, ScopeSet};

/// What is handed in for a token.
///
/// ```
/// use agentidp_core::TokenExchange;
/// let exchange = TokenExchange::new("the subject's access token");
/// ```
#[derive(Debug)]
pub struct TokenExchange {
    pub(crate) subject_token: SecretString,
    pub(crate) actor_token: Option<SecretString>,
}

impl TokenExchange {
    /// The access token of ours whose subject the new token is to be about.
    pub fn new(subject_token: impl Into<SecretString>) -> TokenExchange {
        TokenExchange { subject_token: subject_token.into(), actor_token: None }
    }

    /// The access token of ours of the agent that is to act: one of the client's own. Without it the
    /// client itself acts, which comes to the same.
    #[must_use]
    pub fn actor_token(mut self, actor_token: impl Into<SecretString>) -> TokenExchange {
        self.actor_token = Some(actor_token.into());
        self
    }
}

/// A token of ours that was handed in and stands: it has not expired, and its agent, all who act for
/// that one and their organization are active.
#[derive(Debug)]
pub(crate) struct StandingToken {
    pub(crate) jti: Jti,
    pub(crate) organization_id: OrgId,
    pub(crate) subject: AgentId,
    pub(crate) did: String,
    pub(crate) client_id: String,
    pub(crate) audiences: Vec<String>,
    /// What it allows, as far as its subject is still registered with it.
    pub(crate) scopes: ScopeSet,
    pub(crate) actors: ActorChain,
    pub(crate) may_act: Option<AgentId>,
    pub(crate) seconds_left: i64,
}

/// What a client handed in for a token.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) subject: StandingToken,
    pub(crate) actor: Option<StandingToken>,
    /// Our own name: a token for us may be handed in by whom it names.
    pub(crate) issuer: String,
}

impl Exchange {
    /// Decides whether `client` may act for the subject.
    pub(super) fn decide(&self, client: &Client) -> Result<Exchanged, Refusal> {
        let subject = &self.subject;
        if subject.organization_id != client.organization_id || !self.is_handed_to(client) {
            return Err(Refusal::SubjectTokenRefused);
        }
        // Who is to act is who asks: an actor token is its own, about itself and nobody behind it.
        if self.actor.as_ref().is_some_and(|actor| !actor.is_own(client)) {
            return Err(Refusal::ActorTokenRefused);
        }
        let actors = if subject.is_own(client) || subject.actors.current() == Some(&client.agent_id)
        {
            // Its own token, for a narrower one.
            subject.actors.clone()
        } else if subject.may_act.as_ref() == Some(&client.agent_id) {
            subject.actors.joined_by(&client.agent_id).ok_or(Refusal::TooManyActors)?
        } else {
            return Err(Refusal::MayNotAct);
        };
        Ok(Exchanged {
            subject: subject.subject.clone(),
            did: subject.did.clone(),
            actors,
            actors_before: subject.actors.clone(),
            subject_jti: subject.jti.clone(),
        })
    }

    /// Whether the subject's token is for the client or for us, or was issued to the client. A token
    /// that leaked from another resource is of no use here.
    fn is_handed_to(&self, client: &Client) -> bool {
        let of = [Some(client.agent_id.as_str()), Some(client.did.as_str()), client.url.as_deref()];
        let mut names = of.into_iter().flatten().chain([self.issuer.as_str()]);
        names.any(|name| self.subject.audiences.iter().any(|audience| audience == name))
            || self.subject.client_id == client.agent_id.as_str()
    }

    /// What the new token may allow at most: what the subject's does.
    pub(super) fn scopes(&self) -> ScopeSet {
        self.subject.scopes.clone()
    }

    /// How long the new token may live at most: as long as those that were handed in.
    pub(super) fn life_seconds(&self, usual: i64) -> i64 {
        let actor = self.actor.as_ref().map(|actor| actor.seconds_left);
        actor.into_iter().chain([self.subject.seconds_left]).fold(usual, i64::min)
    }
}

impl StandingToken {
    /// Whether it was issued to `client` about itself.
    fn is_own(&self, client: &Client) -> bool {
        self.subject == client.agent_id
            && self.client_id == client.agent_id.as_str()
            && self.actors.current().is_none()
    }
}
