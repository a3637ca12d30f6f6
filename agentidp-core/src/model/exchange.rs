//! One token for another (RFC 8693): an agent that acts for the subject of a token which says so.

use crate::base::{AgentId, Jti, OrgId, SecretString};

use super::token::Exchanged;
use super::{ActorChain, Client, Refusal, ScopeSet};

/// What is handed in for a token (RFC 8693 section 2.1). The subject's token is for the client or for the
/// issuer, and names the client as one that may act: see [`TokenRequest::may_act`](super::TokenRequest::may_act).
///
/// ```
/// # use agentidp_core::{Config, Idp, KekSource, NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::TokenExchange;
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let request_of = |name: &str| {
/// #     let agent = org.register_agent(NewAgent::new(name).scope("tools:read"))?;
/// #     let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// #     let request = TokenRequest::client_credentials(&agent.id, credential.secret());
/// #     Ok::<_, Box<dyn std::error::Error>>((agent, request))
/// # };
/// # let ((ada, request_of_ada), (bob, request_of_bob)) = (request_of("ada")?, request_of("bob")?);
/// // Ada's token says that Bob may act for her, and he hands it in for one of his own.
/// let subject = idp.token(&request_of_ada.may_act(&bob.id))?.access_token;
/// let exchange = TokenExchange::new(subject);
/// let token = idp.token(&request_of_bob.exchange(exchange))?.access_token;
///
/// let claims = idp.verifier().verify_access_token(&token, "https://idp.example.com")?;
/// assert_eq!((claims.sub.as_str(), claims.client_id.as_str()), (ada.id.as_str(), bob.id.as_str()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::model::{AgentStatus, OrgStatus, TokenTerms};

    fn agent(last: u32) -> AgentId {
        AgentId::parse(&format!("01900000-0000-7000-8000-0000000000a{last}")).unwrap()
    }

    fn org(last: u32) -> OrgId {
        OrgId::parse(&format!("01900000-0000-7000-8000-00000000000{last}")).unwrap()
    }

    fn client() -> Client {
        Client {
            agent_id: agent(1),
            organization_id: org(1),
            did: "did:web:example.com:agents:1".to_owned(),
            name: "bot".to_owned(),
            agent_status: AgentStatus::Active,
            org_status: OrgStatus::Active,
            scopes: ScopeSet::default(),
            audiences: Vec::new(),
            url: None,
            terms: TokenTerms {
                not_before: Timestamp::from_micros(0),
                org_life_seconds_max: None,
                agent_life_seconds_max: None,
                per_month_max: 10,
                per_minute_max: 60,
            },
            credentials: Vec::new(),
            keys: Vec::new(),
            token_alg: None,
            agent_version: 1,
            org_version: 1,
            last_seen: crate::base::LastSeen::default(),
            token_issued_subscribed: false,
        }
    }

    /// A token of `subject` for us, which nobody acts by.
    fn token_of(subject: u32) -> StandingToken {
        StandingToken {
            jti: Jti::parse("01900000-0000-7000-8000-000000000099").unwrap(),
            organization_id: org(1),
            subject: agent(subject),
            did: format!("did:web:example.com:agents:{subject}"),
            client_id: agent(subject).to_string(),
            audiences: vec![ISSUER.to_owned()],
            scopes: ScopeSet::parse("tools:read").unwrap(),
            actors: ActorChain::default(),
            may_act: None,
            seconds_left: 600,
        }
    }

    const ISSUER: &str = "https://idp.example.com";

    fn decide(
        subject: StandingToken,
        actor: Option<StandingToken>,
    ) -> Result<Vec<AgentId>, Refusal> {
        let exchange = Exchange { subject, actor, issuer: ISSUER.to_owned() };
        Ok(exchange.decide(&client())?.actors.actors().to_vec())
    }

    /// A token of agent 2 that says that the client may act.
    fn handed() -> StandingToken {
        StandingToken { may_act: Some(agent(1)), ..token_of(2) }
    }

    #[test]
    fn a_client_acts_for_whom_it_may_and_narrows_its_own() {
        assert_eq!(decide(handed(), None), Ok(vec![agent(1)]));
        assert_eq!(decide(token_of(1), None), Ok(vec![]), "its own token");
        let for_another = StandingToken { may_act: Some(agent(3)), ..token_of(2) };
        assert_eq!(decide(for_another, None), Err(Refusal::MayNotAct));
        assert_eq!(decide(token_of(2), None), Err(Refusal::MayNotAct));
        // It acts by this one already, and needs no further leave for a narrower one.
        let acting = ActorChain::default().joined_by(&agent(1)).unwrap();
        let acted =
            StandingToken { actors: acting, client_id: agent(1).to_string(), ..token_of(2) };
        assert_eq!(decide(acted, None), Ok(vec![agent(1)]));
        // Who acted before gets nothing by having done so.
        let before = ActorChain::default().joined_by(&agent(1)).unwrap().joined_by(&agent(3));
        let passed_on = StandingToken { actors: before.unwrap(), ..token_of(2) };
        assert_eq!(decide(passed_on, None), Err(Refusal::MayNotAct));
    }

    #[test]
    fn a_token_that_was_not_handed_to_the_client_is_refused() {
        let client = client();
        for (audience, handed_to) in [
            (ISSUER, true),
            (client.agent_id.as_str(), true),
            (client.did.as_str(), true),
            ("https://api.example.com", false),
        ] {
            let token = StandingToken { audiences: vec![audience.to_owned()], ..handed() };
            let expected =
                if handed_to { Ok(vec![agent(1)]) } else { Err(Refusal::SubjectTokenRefused) };
            assert_eq!(decide(token, None), expected, "{audience}");
        }
        // Issued to it: for whomever it is meant.
        let elsewhere = vec!["https://api.example.com".to_owned()];
        let own = StandingToken { audiences: elsewhere, ..token_of(1) };
        assert_eq!(decide(own, None), Ok(vec![]));
        let foreign = StandingToken { organization_id: org(2), ..handed() };
        assert_eq!(decide(foreign, None), Err(Refusal::SubjectTokenRefused));
    }

    #[test]
    fn an_actor_token_is_the_clients_own_about_itself_with_nobody_behind_it() {
        assert_eq!(decide(handed(), Some(token_of(1))), Ok(vec![agent(1)]));
        let chain = ActorChain::default().joined_by(&agent(3)).unwrap();
        for wrong in [
            token_of(2),
            StandingToken { client_id: agent(2).to_string(), ..token_of(1) },
            StandingToken { subject: agent(2), ..token_of(1) },
            StandingToken { actors: chain, ..token_of(1) },
        ] {
            assert_eq!(decide(handed(), Some(wrong)), Err(Refusal::ActorTokenRefused));
        }
    }

    #[test]
    fn what_is_issued_lives_no_longer_than_what_was_handed_in() {
        let life = |subject, actor: Option<i64>, usual| {
            let subject = StandingToken { seconds_left: subject, ..handed() };
            let actor = actor.map(|left| StandingToken { seconds_left: left, ..token_of(1) });
            Exchange { subject, actor, issuer: ISSUER.to_owned() }.life_seconds(usual)
        };
        assert_eq!(life(600, None, 3600), 600);
        assert_eq!(life(600, Some(60), 3600), 60);
        assert_eq!(life(60, Some(600), 3600), 60);
        assert_eq!(life(600, Some(600), 30), 30);
    }
}
