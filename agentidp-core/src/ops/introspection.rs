//! Telling about tokens of ours, to those who may know.

use std::sync::Arc;

use crate::base::OrgId;
use crate::jose::VerifyError;
use crate::model::{
    ActingAgent, Action, ActorChain, AgentInfo, Asker, AskingAgent, Caller, Client, ClientAuth,
    Introspection, IntrospectionRequest, OPENID, PresentedToken, Refusal, Subject,
};
use crate::oidc::AccessTokenClaims;
use crate::policy::KnownAgent;
use crate::store::{Scope, StoreError, agents, members, tokens as rows};

use super::access;
use super::acting::Acting;
use super::clients;
use super::context::Context;
use super::error::{AccessError, Fault, Refused, TokenError};
use super::exchange;
use super::proof::{Presented, use_once};
use super::recording::Uses;
use super::tokens::{Refusing, note_refusal};

/// The type of the event of a question that was refused. An answer leaves no trace.
const INTROSPECTED: &str = "token.introspected";

/// Answers whether a token is active and what it says (RFC 7662). A token that is not active and one
/// that is not for the asker to know are one answer.
pub(crate) fn introspect(
    context: &Context,
    caller: &Caller,
    request: &IntrospectionRequest,
) -> Result<Introspection, TokenError> {
    let asker = asker(context, caller, request.client.as_ref(), INTROSPECTED)?;
    let Some(token) = own_token(context, request.token.expose())? else {
        return Ok(Introspection::default());
    };
    let over = access::is_over(context, &token.claims);
    if over || !asker.may_know(token.subject()) || !is_live(context, &token.bearer)? {
        return Ok(Introspection::default());
    }
    let AccessTokenClaims {
        iss,
        sub,
        aud,
        exp,
        iat,
        jti,
        client_id,
        scope,
        organization_id,
        agent_did,
        act,
        cnf,
        ..
    } = token.claims;
    Ok(Introspection {
        active: true,
        scope,
        client_id: Some(client_id),
        token_type: Some(if cnf.is_some() { "DPoP" } else { "Bearer" }),
        exp: Some(exp),
        iat: Some(iat),
        sub: Some(sub),
        aud,
        iss: Some(iss),
        jti: Some(jti),
        organization_id: Some(organization_id),
        agent_did,
        act,
        cnf,
    })
}

/// What an access token of ours with the scope `openid` tells about its agent, for whomever it is
/// meant (OpenID Connect Core section 5.3).
pub(crate) fn agent_info(
    context: &Context,
    token: &PresentedToken,
) -> Result<AgentInfo, AccessError> {
    let claims = access::claims_of(context, token)?;
    let bearer = access::bearer(&claims)?;
    let home = Scope::Org(bearer.organization_id.clone());
    let agent = context.store.read::<_, AccessError>(&home, |tx| {
        let standing = access::standing(tx, &bearer)?;
        let standing = standing.filter(|standing| standing.admits(&bearer.jti));
        let standing = standing.ok_or(AccessError::NotActive)?;
        context.count(&bearer.organization_id, standing.per_minute_max)?;
        agents::get(tx, &bearer.agent_id)?.ok_or(AccessError::NotActive)
    })?;
    if !bearer.scopes.contains(OPENID) {
        return Err(AccessError::ScopeMissing(OPENID));
    }
    Ok(AgentInfo {
        sub: claims.sub,
        organization_id: claims.organization_id,
        agent_did: agent.did,
        agent_name: agent.name,
    })
}

/// A token that this instance signed and that others may still accept: by our own clock it may be over.
pub(super) struct OwnToken {
    pub(super) claims: AccessTokenClaims,
    pub(super) bearer: ActingAgent,
}

impl OwnToken {
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            organization_id: &self.bearer.organization_id,
            client_id: &self.claims.client_id,
            audiences: &self.claims.aud,
        }
    }
}

/// The token, if it is an access token of ours. By keys that are too old to be believed nobody is told
/// that it is none.
pub(super) fn own_token(context: &Context, token: &str) -> Result<Option<OwnToken>, Fault> {
    let signing = context.fresh_signing()?;
    let read = || -> Result<OwnToken, VerifyError> {
        let claims = signing.verifier().verify_for_anybody(token)?;
        Ok(OwnToken { bearer: access::bearer(&claims)?, claims })
    };
    Ok(read().ok())
}

/// Whether the token's agent, its organization and the token itself still stand.
fn is_live(context: &Context, bearer: &ActingAgent) -> Result<bool, TokenError> {
    let home = Scope::Org(bearer.organization_id.clone());
    Ok(context.store.read(&home, |tx| exchange::stands(tx, bearer))?)
}

/// Who asks: the client that proves itself in the request, or else whom the handle acts for.
pub(super) fn asker(
    context: &Context,
    caller: &Caller,
    client: Option<&ClientAuth>,
    event_type: &'static str,
) -> Result<Asker, TokenError> {
    if let Some(auth) = client {
        let client = authenticated(context, auth, event_type)?;
        let known = KnownAgent {
            agent_id: &client.agent_id,
            organization_id: &client.organization_id,
            scopes: &client.scopes,
            actors: &ActorChain::default(),
        };
        let home = Scope::Org(client.organization_id.clone());
        let role = || {
            let member = context.store.read(&home, |tx| members::get(tx, &client.agent_id))?;
            Ok::<_, StoreError>(member.map(|member| member.role))
        };
        let scopes = context.rules.scopes_to_ask(known, role)?;
        return Ok(Asker::Agent(AskingAgent {
            agent_id: client.agent_id.clone(),
            is_delegated: false,
            organization_id: client.organization_id.clone(),
            did: client.did.clone(),
            url: client.url.clone(),
            scopes,
        }));
    }
    let Some(agent) = caller.agent() else { return Ok(Asker::Operator) };
    bearer_asks(context, caller, &agent.organization_id, agent)
}

/// An agent that asks by an access token, if it may still do anything at all.
fn bearer_asks(
    context: &Context,
    caller: &Caller,
    organization: &OrgId,
    agent: &ActingAgent,
) -> Result<Asker, TokenError> {
    let home = Acting { context, organization, caller };
    let (row, terms, scopes) = home.read::<_, TokenError>(Action::SeeOrg, |tx| {
        let row = agents::get(tx, &agent.agent_id)?.ok_or(TokenError::NotFound)?;
        let terms = rows::terms(tx, &agent.agent_id)?.ok_or(TokenError::NotFound)?;
        let role = || access::standing(tx, agent).map(|stands| stands.and_then(|it| it.role));
        let scopes = context.rules.scopes_to_ask(agent.into(), role)?;
        Ok((row, terms, scopes))
    })?;
    Ok(Asker::Agent(AskingAgent {
        agent_id: agent.agent_id.clone(),
        is_delegated: agent.actors.current().is_some(),
        organization_id: organization.clone(),
        did: row.did,
        url: terms.url,
        scopes,
    }))
}

/// The client that proves itself, as its rows stand now: nothing that is written later would notice
/// that a cached one is stale.
fn authenticated(
    context: &Context,
    auth: &ClientAuth,
    event_type: &'static str,
) -> Result<Arc<Client>, TokenError> {
    let presented = Presented::read(auth);
    let client = clients::read(context, presented.client().as_ref())?;
    let now = context.now();
    let proven = presented.prove(context, client.as_deref(), now);
    let refusal = match (&client, proven) {
        (Some(client), Ok(proven)) => {
            context.count(&client.organization_id, client.terms.per_minute_max)?;
            let scope = Scope::Org(client.organization_id.clone());
            let used = proven.assertion.as_ref();
            // A secret may be used again, and leaves no trace.
            let first = used.is_none()
                || context
                    .store
                    .write::<_, StoreError>("use assertion", &scope, |tx| use_once(tx, used))?;
            if first {
                return Ok(Arc::clone(client));
            }
            Refusal::UsedAssertion
        }
        (_, Err(refusal)) => refusal,
        (None, Ok(_)) => Refusal::UnknownClient,
    };
    let refusing =
        Refusing { event_type, client: client.as_deref(), refusal, uses: &Uses::default() };
    note_refusal(context, &refusing, now)?;
    Err(TokenError::Refused(Refused::new(refusal)))
}
