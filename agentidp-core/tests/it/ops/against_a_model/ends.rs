//! How tokens of the model end one by one: by the client that has them, by who may, and by their names.

use std::time::Duration;

use agentidp_core::{ErrorCode, RevocationRequest, TokenError};
use proptest::prelude::*;

use super::acting::{Acting, Leave};
use super::proofs::By;
use super::verbs::Pick;
use super::{Model, Org, SKEW, TOKEN_LIFE, Token, has};

/// How somebody who is no client asks for the end of a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// By its name, at an organization.
    Name,
    /// By its text, at an organization.
    Text,
    /// By its text, wherever it belongs.
    Anywhere,
}

pub(super) fn way() -> impl Strategy<Value = Way> {
    prop::sample::select([Way::Name, Way::Text, Way::Anywhere].as_slice())
}

impl Leave {
    /// Whether it may end a token of its organization, where the scope for that is not asked for first.
    fn may_end(&self, org: usize, token: &Token) -> bool {
        match self {
            Leave::Everything => true,
            Leave::OfToken { scopes, .. } => {
                let may = self.is_itself(token.client) || has(scopes, "tokens:revoke");
                token.org == org && may
            }
        }
    }
}

impl Org {
    /// What is written in it is, unless it is deleted.
    fn written(&self) -> Result<bool, ErrorCode> {
        self.unless_deleted().map(|()| true)
    }
}

impl Model {
    /// A client asks for the end of a token, its own or not (RFC 7009): by default the one that it was
    /// issued to. What is no token of ours, or none any more, is no failure.
    pub(super) fn revoke_token(&mut self, pick: Pick, who: Option<(usize, usize)>, by: By) {
        let at = self.pick(pick, |token| self.is_active(token));
        let owner = at.map(|at| (self.tokens[at].org, self.tokens[at].client));
        let Some((org, agent)) = who.or(owner) else { return };
        let Some(evidence) = self.evidence(org, agent, by) else { return };
        let expected = if self.proves(org, agent, by) {
            at.map_or(Ok(false), |at| self.ends_for(org, agent, &self.tokens[at]))
        } else {
            Err(ErrorCode::InvalidClient)
        };
        let text = at.map_or("no token", |at| self.tokens[at].text.as_str());
        let request = RevocationRequest::new(text).client_auth(evidence.auth());
        let done = self.test.idp.revoke(&request).map_err(|refused| refused.code());
        assert_eq!(done, expected, "by {org}/{agent}, {by:?}");
        if let (Ok(true), Some(at)) = (done, at) {
            self.tokens[at].alive = false;
        }
    }

    fn ends_for(&self, org: usize, agent: usize, token: &Token) -> Result<bool, ErrorCode> {
        if !self.is_ours(token) {
            return Ok(false);
        }
        let may = self.agent(org, agent).is_some_and(|(_, own)| has(&own.scopes, "tokens:revoke"));
        let allowed = token.org == org && (token.client == agent || may);
        if allowed { Ok(true) } else { Err(ErrorCode::UnauthorizedClient) }
    }

    /// Somebody at an organization asks for the end of a token, which may be the other one's.
    pub(super) fn end_token(&mut self, acting: &Acting, org: usize, pick: Pick, way: Way) {
        let Some(at) = self.pick(pick, |token| self.is_active(token)) else { return };
        let Some(known) = &self.orgs[org] else { return };
        let token = &self.tokens[at];
        let allowed = acting.leave.holds("tokens:revoke");
        let (done, expected): (Result<bool, TokenError>, _) = match way {
            Way::Name => {
                let done = acting.handle.revoke_jti(&token.jti);
                (done, allowed.and_then(|()| self.ends_by_name(known, token)))
            }
            Way::Text => {
                let ends = token.org == org && self.is_ours(token);
                let ends = if ends { known.written() } else { Ok(false) };
                (acting.handle.revoke_token(&token.text), allowed.and(ends))
            }
            Way::Anywhere => {
                let ends = match self.is_ours(token) {
                    true if acting.leave.may_end(org, token) => Ok(true),
                    true => Err(ErrorCode::UnauthorizedClient),
                    false => Ok(false),
                };
                (acting.idp.revoke(&RevocationRequest::new(token.text.as_str())), ends)
            }
        };
        let done = done.map_err(|refused| refused.code());
        assert_eq!(done, expected, "{way:?} of {}'s in {org}, {:?}", token.org, known.status);
        // The name of another organization's token ends nothing here.
        let reaches = token.org == org || matches!(way, Way::Anywhere);
        if done == Ok(true) && reaches {
            self.tokens[at].alive = false;
        }
    }

    /// A name tells when its token was issued, and nothing of how long that lives or whose it is.
    fn ends_by_name(&self, known: &Org, token: &Token) -> Result<bool, ErrorCode> {
        let longest = Duration::from_secs(TOKEN_LIFE.unsigned_abs() + SKEW);
        let last_use = token.jti.time().expect("a name of ours").plus(longest);
        if last_use <= self.time() { Ok(false) } else { known.written() }
    }
}
