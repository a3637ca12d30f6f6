//! Tokens of the model that are exchanged: who acts for whom, with what, and for how long.

use agentidp_core::ErrorCode;
use agentidp_core::base::limits;
use agentidp_testkit::ISSUER;

use super::proofs::By;
use super::tokens::{Ask, Granted, Wanted};
use super::verbs::Pick;
use super::{Model, Token, has};

impl Token {
    /// Whether it was issued to that agent about itself, and nobody acts by it.
    fn is_own(&self, agent: usize) -> bool {
        self.client == agent && self.subject == agent && self.actors.is_empty()
    }

    /// Who acts by what that agent gets for it; nobody, where the agent may not have it exchanged.
    fn actors_for(&self, agent: usize) -> Option<Vec<usize>> {
        if self.is_own(agent) || self.actors.first() == Some(&agent) {
            return Some(self.actors.clone());
        }
        let joined: Vec<_> = [agent].iter().chain(&self.actors).copied().collect();
        let may = self.may_act == Some(agent) && joined.len() <= limits::ACTORS_MAX;
        may.then_some(joined)
    }
}

impl Model {
    pub(super) fn exchange(
        &mut self,
        (org, agent): (usize, usize),
        by: By,
        ask: Ask,
        (subject, actor): (Pick, Option<Pick>),
    ) {
        let is_here = |token: &Token| token.org == org && self.is_active(token);
        let suits = |token: &Token| is_here(token) && token.actors_for(agent).is_some();
        let Some(subject) = self.pick(subject, suits) else { return };
        let is_own = |token: &Token| is_here(token) && token.is_own(agent);
        let actor = actor.and_then(|actor| self.pick(actor, is_own));
        let text = |at: usize| self.tokens[at].text.clone();
        let handed = Some((text(subject), actor.map(text)));
        let expected = self.exchanged((org, agent), by, ask, (subject, actor));
        let Some(evidence) = self.evidence(org, agent, by) else { return };
        self.issue(&Wanted { org, client: agent, evidence, ask, handed }, expected);
    }

    fn exchanged(
        &self,
        (org, agent): (usize, usize),
        by: By,
        ask: Ask,
        (subject, actor): (usize, Option<usize>),
    ) -> Result<Granted, ErrorCode> {
        let proven = self.agent(org, agent).filter(|_| self.proves(org, agent, by));
        let (known, own) = proven.ok_or(ErrorCode::InvalidClient)?;
        let (subject, actor) = (&self.tokens[subject], actor.map(|actor| &self.tokens[actor]));
        let stands = |token: &Token| token.org == org && self.is_active(token);
        let refused = Err(ErrorCode::ExchangeRefused);
        if !stands(subject) || actor.is_some_and(|actor| !stands(actor)) {
            return refused;
        }
        let audience = ask.audience()?;
        // What was meant for others leaked from there.
        let handed = subject.audience == ISSUER || subject.client == agent;
        if !handed || actor.is_some_and(|actor| !actor.is_own(agent)) {
            return refused;
        }
        let Some(actors) = subject.actors_for(agent) else { return refused };
        let registered = &known.agents[subject.subject].scopes;
        let held = subject.scopes.split(' ').filter(|scope| has(registered, scope));
        let scopes = ask.scopes(&held.collect::<Vec<_>>().join(" "), audience)?;
        self.within_quota(known)?;
        let left = |token: &Token| i64::try_from(token.expires_at - self.now).unwrap();
        let life = [Some(subject), actor].into_iter().flatten().map(left);
        let life = life.fold(known.life_of(own), i64::min);
        Ok(Granted { subject: subject.subject, actors, audience, scopes, life })
    }
}
