//! Credentials of the model: secrets, and public keys whose private halves agents hold.

use std::time::Duration;

use agentidp_core::base::limits;
use agentidp_core::{
    CredentialError, CredentialKind, CredentialStatus, ErrorCode, IssuedCredential, NewCredential,
    OrgHandle, PageRequest, RevokeTokens, Timestamp,
};

use super::acting::Acting;
use super::{Agent, Credential, Model, SECRETS_MAX, Shown, room, told};

impl Credential {
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        !self.revoked && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    pub(super) fn secret(&self) -> Option<&str> {
        match &self.shown {
            Shown::Secret(secret) => Some(secret),
            Shown::Key(_) => None,
        }
    }

    /// The place of the key that it is.
    pub(super) fn key(&self) -> Option<usize> {
        match self.shown {
            Shown::Secret(_) => None,
            Shown::Key(place) => Some(place),
        }
    }

    fn status(&self, now: Timestamp) -> CredentialStatus {
        match self.revoked {
            true => CredentialStatus::Revoked,
            false if self.is_live(now) => CredentialStatus::Active,
            false => CredentialStatus::Expired,
        }
    }
}

impl Agent {
    /// The place of the credential that came so many before the last one.
    fn credential(&self, back: usize) -> Option<usize> {
        self.credentials.len().checked_sub(back + 1)
    }

    /// The keys that were issued to it and prove it now, by their places.
    pub(super) fn live_keys(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let live = self.credentials.iter().filter(move |credential| credential.is_live(now));
        live.filter_map(Credential::key)
    }

    fn live_secrets(&self, now: Timestamp) -> usize {
        let live = |credential: &&Credential| credential.is_live(now);
        self.credentials.iter().filter(live).filter_map(Credential::secret).count()
    }
}

impl Model {
    pub(super) fn issue_secret(
        &mut self,
        acting: &Acting,
        org: usize,
        agent: usize,
        life: Option<u64>,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let life = life.map(Duration::from_secs);
        let new = life.iter().fold(NewCredential::default(), |new, life| new.expires_in(*life));
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.issue_credential(&own.id, new.clone());
            assert_eq!(told(&refused, CredentialError::code), Err(code));
        }
        let live = own.live_secrets(self.time());
        let expected = acting
            .leave
            .holds("credentials:write")
            .and_then(|()| known.unless_deleted())
            .and_then(|()| acting.leave.holds(&own.scopes))
            .and_then(|()| own.unless_inactive())
            .and_then(|()| acting.leave.reaches(own.role()))
            .and_then(|()| room(live, SECRETS_MAX));
        let issued = acting.handle.issue_credential(&own.id, new);
        let answer = told(&issued, CredentialError::code);
        assert_eq!(answer, expected, "{live} live, {:?}", own.status);
        let Ok(issued) = issued else { return };
        self.keep_secret(org, agent, &issued, life);
    }

    /// Takes over a secret that was issued to live so long.
    fn keep_secret(
        &mut self,
        org: usize,
        agent: usize,
        issued: &IssuedCredential,
        life: Option<Duration>,
    ) {
        self.test.canary(issued.secret());
        assert_eq!(issued.credential().kind, CredentialKind::Secret);
        let shown = Shown::Secret(issued.secret().to_owned());
        self.keep(org, agent, issued.credential(), shown, life);
    }

    fn keep(
        &mut self,
        org: usize,
        agent: usize,
        made: &agentidp_core::Credential,
        shown: Shown,
        life: Option<Duration>,
    ) {
        let (id, created_at, expires_at) = (made.id.clone(), made.created_at, made.expires_at);
        assert_eq!(expires_at, life.map(|life| created_at.plus(life)));
        let credential = Credential { id, shown, revoked: false, created_at, expires_at };
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].credentials.push(credential);
        }
    }

    pub(super) fn rotate(&mut self, org: usize, agent: usize, back: usize, overlap: u64) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(at) = own.credential(back) else { return };
        let (old, over) = (&own.credentials[at], Duration::from_secs(overlap));
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.rotate_credential(&old.id, over);
            assert_eq!(told(&refused, CredentialError::code), Err(code));
        }
        let Some(handle) = self.handle(org) else { return };
        let now = self.time();
        let leaving = usize::from(overlap == 0 && old.secret().is_some() && old.is_live(now));
        let staying = own.live_secrets(now) - leaving;
        let expected = if old.secret().is_none() {
            Err(ErrorCode::InvalidInput)
        } else if !old.is_live(now) {
            Err(ErrorCode::NotActive)
        } else {
            room(staying, SECRETS_MAX)
        };
        let expected = known.unless_deleted().and(own.unless_inactive()).and(expected);
        let rotated = handle.rotate_credential(&old.id, over);
        let answer = told(&rotated, CredentialError::code);
        assert_eq!(answer, expected, "{staying} stay, {:?}", own.status);
        let Ok(rotated) = rotated else { return };
        // The new one lives as long as the old one was to, and that one no longer than the overlap.
        let micros = |end: Timestamp| (end.as_micros() - old.created_at.as_micros()).unsigned_abs();
        let life = old.expires_at.map(|end| Duration::from_micros(micros(end)));
        let end = rotated.credential().created_at.plus(over);
        let end = old.expires_at.map_or(end, |expires_at| expires_at.min(end));
        self.keep_secret(org, agent, &rotated, life);
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].credentials[at].expires_at = Some(end);
        }
    }

    pub(super) fn revoke(&mut self, org: usize, agent: usize, back: usize, all: bool) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let Some(at) = own.credential(back) else { return };
        let old = &own.credentials[at];
        let tokens = if all { RevokeTokens::Yes } else { RevokeTokens::No };
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.revoke_credential(&old.id, tokens);
            assert_eq!(told(&refused, CredentialError::code), Err(code));
        }
        let Some(handle) = self.handle(org) else { return };
        let revoked = handle.revoke_credential(&old.id, tokens);
        let expected = known.unless_deleted();
        assert_eq!(told(&revoked, CredentialError::code), expected, "{:?}", known.status);
        let Ok(revoked) = revoked else { return };
        assert_eq!(revoked.status, CredentialStatus::Revoked);
        if let Some(known) = &mut self.orgs[org] {
            known.agents[agent].credentials[at].revoked = true;
        }
        if all {
            self.end_tokens(|token| token.stands_on(org, agent));
        }
    }

    /// Lets the agent prove itself by the key at that place. One that was issued before may come back
    /// when it is over; one that the agent was registered with never does.
    pub(super) fn add_public_key(
        &mut self,
        org: usize,
        agent: usize,
        place: usize,
        life: Option<u64>,
    ) {
        let Some((known, own)) = self.agent(org, agent) else { return };
        let (pair, life) = (&self.pairs[place], life.map(Duration::from_secs));
        let new = NewCredential::public_key(&pair.jwk);
        let new = life.iter().fold(new, |new, life| new.expires_in(*life));
        if let Some((stranger, code)) = self.stranger(org) {
            let refused = stranger.add_public_key(&own.id, new.clone());
            assert_eq!(told(&refused, CredentialError::code), Err(code));
        }
        let Some(handle) = self.handle(org) else { return };
        let live: Vec<_> = own.live_keys(self.time()).collect();
        let is_known = live.contains(&place) || own.had_key(&pair.kid);
        let expected = if is_known {
            Err(ErrorCode::AlreadyExists)
        } else {
            room(live.len(), limits::LIVE_PUBLIC_KEYS_MAX)
        };
        let expected = known.unless_deleted().and(own.unless_inactive()).and(expected);
        let added = handle.add_public_key(&own.id, new);
        let answer = told(&added, CredentialError::code);
        assert_eq!(answer, expected, "{place} beside {live:?}, {:?}", own.status);
        let Ok(added) = added else { return };
        let kid = Some(pair.kid.as_str());
        assert_eq!((added.kind, added.kid.as_deref()), (CredentialKind::PublicKey, kid));
        self.keep(org, agent, &added, Shown::Key(place), life);
    }

    /// The credentials that can be listed are those of the model, the oldest first.
    pub(super) fn credentials_agree(&self, handle: &OrgHandle, own: &Agent, now: Timestamp) {
        let page = PageRequest::first().limit(limits::PAGE_ITEMS_MAX);
        let told = handle.list_credentials(&own.id, &page).unwrap().items;
        let told = told.iter().map(|credential| {
            let kid = credential.kid.as_deref();
            (&credential.id, credential.kind, kid, credential.status, credential.expires_at)
        });
        let known = own.credentials.iter().map(|credential| {
            let kid = credential.key().map(|place| self.pairs[place].kid.as_str());
            let kind =
                if kid.is_some() { CredentialKind::PublicKey } else { CredentialKind::Secret };
            (&credential.id, kind, kid, credential.status(now), credential.expires_at)
        });
        assert_eq!(told.collect::<Vec<_>>(), known.collect::<Vec<_>>());
    }
}
