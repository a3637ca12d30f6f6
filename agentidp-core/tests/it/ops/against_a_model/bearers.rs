//! What the bearers of tokens of the model do: by the same verbs as the operator, as far as they may.

use agentidp_core::{
    AccessError, AgentError, AgentFilter, AgentStatus, CredentialError, ErrorCode, Introspection,
    IntrospectionRequest, NewAgent, NewCredential, NewOrg, OrgChanges, OrgError, PageRequest,
    PresentedToken, Role, SigningKeyError, TokenError,
};
use agentidp_testkit::ISSUER;
use proptest::prelude::*;

use super::acting::{Acting, Leave};
use super::changes::{AgentPatch, OrgPatch, agent_patch, org_patch};
use super::ends::{Way, way};
use super::members::{Change, change};
use super::verbs::{Pick, agent, pair, pick, scopes, status};
use super::{Model, Token, has, told};

/// What a bearer does in its organization.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    See(usize),
    UpdateOrg(OrgPatch),
    Register(usize),
    TurnAgent(usize, AgentStatus),
    UpdateAgent(usize, AgentPatch),
    Member(usize, Change),
    IssueSecret(usize),
    AddAgentKey(usize, usize),
    EndToken(Pick, Way),
    Introspect(Pick),
    ManageInstance,
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        1 => agent().prop_map(Deed::See),
        2 => org_patch().prop_map(Deed::UpdateOrg),
        3 => scopes().prop_map(Deed::Register),
        3 => (agent(), status()).prop_map(|(agent, to)| Deed::TurnAgent(agent, to)),
        3 => (agent(), agent_patch()).prop_map(|(agent, patch)| Deed::UpdateAgent(agent, patch)),
        4 => (agent(), change()).prop_map(|(agent, change)| Deed::Member(agent, change)),
        3 => agent().prop_map(Deed::IssueSecret),
        2 => (agent(), pair()).prop_map(|(agent, place)| Deed::AddAgentKey(agent, place)),
        2 => (pick(), way()).prop_map(|(pick, way)| Deed::EndToken(pick, way)),
        2 => pick().prop_map(Deed::Introspect),
        1 => Just(Deed::ManageInstance),
    ]
}

/// Where the bearers of bound tokens present them.
const URL: &str = "https://idp.example.com/agents";

impl Model {
    /// The bearer of a token does something, or tries to do it in the other organization.
    pub(super) fn bear(&mut self, pick: Pick, abroad: bool, deed: Deed) {
        let suits = |token: &Token| self.is_active(token) && token.audience == ISSUER;
        let Some(at) = self.pick(pick, suits) else { return };
        self.is_told_of_itself(at);
        let Some(acting) = self.bearer(at) else { return };
        let org = self.tokens[at].org;
        if abroad {
            return self.finds_nothing(&acting, 1 - org);
        }
        match deed {
            Deed::See(agent) => self.sees(&acting, org, agent),
            Deed::UpdateOrg(patch) => self.update_org(&acting, org, patch),
            Deed::Register(scopes) => self.register(&acting, org, scopes),
            Deed::TurnAgent(agent, to) => self.turn_agent(&acting, org, agent, to),
            Deed::UpdateAgent(agent, patch) => self.update_agent(&acting, org, agent, patch),
            Deed::Member(agent, change) => self.change_member(&acting, org, agent, change),
            Deed::IssueSecret(agent) => self.issue_secret(&acting, org, agent, None),
            Deed::AddAgentKey(agent, place) => self.add_agent_key(&acting, org, agent, place),
            Deed::EndToken(pick, way) => self.end_token(&acting, org, pick, way),
            Deed::Introspect(pick) => self.asks(&acting, org, pick),
            Deed::ManageInstance => manages_nothing(&acting),
        }
    }

    /// The token as it is to be presented, for once.
    fn presented(&mut self, at: usize) -> PresentedToken {
        let name = self.name();
        let Token { text, bound, .. } = &self.tokens[at];
        match bound {
            Some(place) => {
                let holder = &self.pairs[*place].holder;
                let proof = holder.proof_with(&self.test, text, URL, &name);
                PresentedToken::dpop(text.as_str(), proof)
            }
            None => PresentedToken::bearer(text.as_str()),
        }
    }

    /// Who bears the token, if it is admitted: to the instance itself, while the token stands.
    pub(super) fn bearer(&mut self, at: usize) -> Option<Acting> {
        let presented = self.presented(at);
        let admitted = self.test.idp.on_behalf_of(presented);
        let token = &self.tokens[at];
        let stands = self.is_active(token) && token.audience == ISSUER;
        let expected = if stands { Ok(()) } else { Err(ErrorCode::InvalidToken) };
        assert_eq!(told(&admitted, AccessError::code), expected, "token {at}");
        if token.bound.is_some() {
            let bare = self.test.idp.on_behalf_of(token.text.as_str());
            assert_eq!(told(&bare, AccessError::code), Err(ErrorCode::InvalidToken));
        }
        let idp = admitted.ok()?;
        let (known, own) = self.agent(token.org, token.subject)?;
        let itself = token.actors.is_empty();
        let leave = Leave::OfToken {
            agent: token.subject,
            itself,
            role: own.role().filter(|_| itself),
            scopes: token.scopes.clone(),
        };
        Some(Acting { handle: idp.org(&known.id), idp, leave })
    }

    /// What a token with the scope `openid` tells of its agent, for whomever it is.
    fn is_told_of_itself(&mut self, at: usize) {
        let presented = self.presented(at);
        let informed = self.test.idp.agent_info(presented);
        let token = &self.tokens[at];
        let expected = if !self.is_active(token) {
            Err(ErrorCode::InvalidToken)
        } else if !has(&token.scopes, "openid") {
            Err(ErrorCode::InsufficientScope)
        } else {
            Ok(())
        };
        assert_eq!(told(&informed, AccessError::code), expected, "token {at}");
        let (Ok(info), Some((known, own))) = (informed, self.agent(token.org, token.subject))
        else {
            return;
        };
        assert_eq!((info.sub.as_str(), &info.agent_name), (own.id.as_str(), &own.name));
        assert_eq!(info.organization_id, known.id.as_str());
    }

    /// To a bearer there is nothing in the other organization, and not that organization either.
    fn finds_nothing(&self, acting: &Acting, other: usize) {
        let Some((known, theirs)) = self.agent(other, 0) else { return };
        let org = acting.idp.org(&known.id);
        let renamed = org.update(OrgChanges::default().name("Ours"));
        let registered = org.register_agent(NewAgent::new("bot").scope("tools:read"));
        let issued = org.issue_credential(&theirs.id, NewCredential::default());
        let answers = [
            told(&org.get(), OrgError::code),
            told(&renamed, OrgError::code),
            told(&org.list_agents(&AgentFilter::All, &PageRequest::first()), AgentError::code),
            told(&registered, AgentError::code),
            told(&org.suspend_agent(&theirs.id), AgentError::code),
            told(&issued, CredentialError::code),
            told(&org.add_member(&theirs.id, Role::Member), OrgError::code),
            told(&org.revoke_token("no token"), TokenError::code),
        ];
        assert!(answers.iter().all(|answer| *answer == Err(ErrorCode::NotFound)), "{answers:?}");
    }

    fn sees(&self, acting: &Acting, org: usize, agent: usize) {
        let Some((_, own)) = self.agent(org, agent) else { return };
        let (handle, page) = (&acting.handle, PageRequest::first());
        let answers = [
            told(&handle.get(), OrgError::code),
            told(&handle.list_agents(&AgentFilter::All, &page), AgentError::code),
            told(&handle.agent_keys(&own.id), AgentError::code),
            told(&handle.list_credentials(&own.id, &page), CredentialError::code),
        ];
        let (agents, credentials) = ("agents:read", "credentials:read");
        let by = |scope: &str| acting.leave.holds(scope);
        assert_eq!(answers, [Ok(()), by(agents), by(agents), by(credentials)]);
    }

    /// A token is told to the agent that it was issued to, and to who may ask about all of its
    /// organization. Everybody else learns nothing.
    fn asks(&self, acting: &Acting, org: usize, pick: Pick) {
        let Some(at) = self.pick(pick, |token| self.is_active(token)) else { return };
        let token = &self.tokens[at];
        let question = IntrospectionRequest::new(token.text.as_str());
        let told = acting.idp.introspect(&question).unwrap();
        let may =
            acting.leave.is_itself(token.client) || acting.leave.holds("tokens:introspect").is_ok();
        if token.org == org && may && self.is_active(token) {
            assert_eq!(told.jti.as_deref(), Some(token.jti.as_str()));
        } else {
            assert_eq!(told, Introspection::default());
        }
    }
}

/// No scope of an organization's agents reaches the instance.
fn manages_nothing(acting: &Acting) {
    let answers = [
        told(&acting.idp.create_org(NewOrg::new("theirs")), OrgError::code),
        told(&acting.handle.suspend(), OrgError::code),
        told(&acting.handle.delete(), OrgError::code),
        told(&acting.idp.keys(), SigningKeyError::code),
        told(&acting.idp.tick(), SigningKeyError::code),
    ];
    let denied = Err(ErrorCode::InsufficientScope);
    assert!(answers.iter().all(|answer| *answer == denied), "{answers:?}");
}
