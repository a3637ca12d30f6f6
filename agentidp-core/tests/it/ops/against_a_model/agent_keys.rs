//! Keys of the agents of the model: those that are held for them, and those that they hold.

use std::time::Duration;

use agentidp_core::base::limits;
use agentidp_core::{
    AgentError, AgentKey, AgentKeyState, Custody, ErrorCode, OrgHandle, Timestamp,
};

use super::acting::Acting;
use super::{Agent, Model, room, told};

/// Whether it is the key that is held for the agent.
fn is_held(key: &AgentKey) -> bool {
    key.custody == Custody::Custodial && key.state == AgentKeyState::Current
}

impl Agent {
    /// The keys that everybody may have, the oldest first.
    fn published(&self, now: Timestamp) -> impl Iterator<Item = &AgentKey> {
        self.keys.iter().filter(move |key| {
            let over = key.expires_at.is_some_and(|expires_at| expires_at <= now);
            key.state != AgentKeyState::Revoked && !over
        })
    }

    /// Whether it has or had a key of that name.
    pub(super) fn had_key(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid == kid)
    }

    /// Whether it may prove itself by the key of that name, which it was registered with.
    pub(super) fn proves_itself_by(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| {
            let current = key.state == AgentKeyState::Current;
            key.kid == kid && key.custody == Custody::HeldByAgent && current
        })
    }

    /// The keys that can be listed are those of the model.
    pub(super) fn keys_agree(&self, handle: &OrgHandle, now: Timestamp) {
        let own: Vec<_> = self.published(now).cloned().collect();
        assert_eq!(handle.agent_keys(&self.id).unwrap(), own);
    }
}

impl Model {
    /// Registers the key at that place, which ends for good when it ends.
    pub(super) fn add_agent_key(
        &mut self,
        acting: &Acting,
        org: usize,
        agent: usize,
        place: usize,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let pair = &self.pairs[place];
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.add_agent_key(&own.id, &pair.jwk);
            assert_eq!(told(&refused, AgentError::code), Err(code));
        }
        let now = self.time();
        let published = own.published(now).count();
        // A key proves an agent in one way alone.
        let is_known = own.had_key(&pair.kid) || own.live_keys(now).any(|own| own == place);
        let expected = acting
            .leave
            .holds("agents:write")
            .and_then(|()| known.unless_deleted())
            .and_then(|()| acting.leave.holds(&own.scopes))
            .and_then(|()| acting.leave.reaches(own.role()))
            .and_then(|()| own.unless_inactive())
            .and_then(|()| room(published, limits::AGENT_KEYS_MAX))
            .and(if is_known { Err(ErrorCode::AlreadyExists) } else { Ok(()) });
        let added = acting.handle.add_agent_key(&own.id, &pair.jwk);
        let answer = told(&added, AgentError::code);
        assert_eq!(answer, expected, "{place} beside {published}, {:?}", own.status);
        let Ok(added) = added else { return };
        assert_eq!((added.kid.as_str(), added.expires_at), (pair.kid.as_str(), None));
        let kept = (added.custody, added.state);
        assert_eq!(kept, (Custody::HeldByAgent, AgentKeyState::Current));
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].keys.push(added);
        }
    }

    /// Replaces the key that is held for the agent. The old one stays published for the overlap.
    pub(super) fn rotate_agent_key(&mut self, org: usize, agent: usize, overlap: u64) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let over = Duration::from_secs(overlap);
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.rotate_agent_keys(&own.id, over);
            assert_eq!(told(&refused, AgentError::code), Err(code));
        }
        let Some(handle) = self.handle(org) else { return };
        let stays = |key: &&AgentKey| overlap > 0 || !is_held(key);
        let staying = own.published(self.time()).filter(stays).count();
        let expected = known
            .unless_deleted()
            .and(own.unless_inactive())
            .and(room(staying, limits::AGENT_KEYS_MAX));
        let rotated = handle.rotate_agent_keys(&own.id, over);
        let answer = told(&rotated, AgentError::code);
        assert_eq!(answer, expected, "{staying} stay, {:?}", own.status);
        let (Ok(rotated), Some(known)) = (rotated, &mut self.orgs[org]) else { return };
        assert_eq!((rotated.custody, rotated.expires_at), (Custody::Custodial, None));
        let own = &mut known.agents[agent];
        assert!(!own.had_key(&rotated.kid), "a new key");
        for old in own.keys.iter_mut().filter(|key| is_held(key)) {
            old.state = AgentKeyState::Retired;
            old.expires_at = Some(rotated.created_at.plus(over));
        }
        own.keys.push(rotated);
    }

    /// Ends the key that came so many before the last one.
    pub(super) fn revoke_agent_key(&mut self, org: usize, agent: usize, back: usize) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(at) = own.keys.len().checked_sub(back + 1) else { return };
        let kid = own.keys[at].kid.as_str();
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.revoke_agent_key(&own.id, kid);
            assert_eq!(told(&refused, AgentError::code), Err(code));
        }
        let Some(handle) = self.handle(org) else { return };
        let is_published = own.published(self.time()).any(|key| key.kid == kid);
        let found = if is_published { Ok(()) } else { Err(ErrorCode::NotFound) };
        let revoked = handle.revoke_agent_key(&own.id, kid);
        let expected = known.unless_deleted().and(found);
        assert_eq!(told(&revoked, AgentError::code), expected, "{:?}", own.keys[at]);
        if let (Ok(()), Some(known)) = (revoked, &mut self.orgs[org]) {
            known.agents[agent].keys[at].state = AgentKeyState::Revoked;
        }
    }
}
