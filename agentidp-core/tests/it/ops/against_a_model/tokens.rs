//! Tokens of the model: what is asked for, what is got, and what is told of it afterwards.

use agentidp_core::crypto::Alg;
use agentidp_core::jose::parse_compact;
use agentidp_core::store::Store as _;
use agentidp_core::{
    ClientAuth, ErrorCode, Introspection, IntrospectionRequest, Jti, Month, TokenError,
    TokenExchange, TokenRequest, TokenResponse,
};
use agentidp_testkit::{API, ISSUER};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::proofs::{By, Evidence};
use super::verbs::{agent, pair};
use super::{Agent, Model, Org, SKEW, TOKEN_LIFE, Token, has, told};

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    scope: Option<&'static str>,
    resources: &'static [&'static str],
    /// The place of the key that it is to be bound to.
    bound: Option<usize>,
    /// The agent that may act for the subject.
    may_act: Option<usize>,
}

const FOR_US: &[&str] = &[ISSUER];
const RESOURCES: [&[&str]; 4] = [&[], &[API], &["https://other.example.com"], &[API, ISSUER]];
const ASKED: [&str; 6] = [
    "",
    "tools:read",
    "openid tools:read",
    "agents:write tools:read",
    "tokens:introspect tokens:revoke",
    "tools:read  tools:write",
];

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let scope = prop::option::weighted(0.4, prop::sample::select(ASKED.as_slice()));
    let resources = prop_oneof![
        3 => Just(FOR_US),
        2 => prop::sample::select(RESOURCES.as_slice()),
    ];
    let bound = prop::option::weighted(0.15, pair());
    let may_act = prop::option::weighted(0.4, agent());
    let parts = (scope, resources, bound, may_act);
    parts.prop_map(|(scope, resources, bound, may_act)| Ask { scope, resources, bound, may_act })
}

impl Ask {
    /// Asks for a token for the instance itself, by which that agent may act.
    pub(super) fn for_us(may_act: usize) -> Ask {
        Ask { scope: None, resources: FOR_US, bound: None, may_act: Some(may_act) }
    }

    /// For whom the token is: all agents of the model have one resource, and may ask for the instance.
    pub(super) fn audience(self) -> Result<&'static str, ErrorCode> {
        match self.resources {
            [] => Ok(API),
            [one] if *one == API || *one == ISSUER => Ok(one),
            _ => Err(ErrorCode::InvalidTarget),
        }
    }

    /// The scopes of a token for `audience` of those in `own`; none is dropped that was asked for. Those
    /// by which one manages are for the instance alone, and `openid` is for who asks for it.
    pub(super) fn scopes(self, own: &str, audience: &str) -> Result<String, ErrorCode> {
        let fits =
            |scope: &str| audience == ISSUER || scope == "openid" || scope.starts_with("tools:");
        match self.scope {
            None => {
                let scopes = own.split(' ').filter(|scope| fits(scope) && *scope != "openid");
                Ok(scopes.collect::<Vec<_>>().join(" "))
            }
            Some("") => Ok(String::new()),
            Some(asked) if asked.split(' ').all(|scope| has(own, scope) && fits(scope)) => {
                Ok(asked.to_owned())
            }
            Some(_) => Err(ErrorCode::InvalidScope),
        }
    }
}

/// A request for a token.
pub(super) struct Wanted {
    pub(super) org: usize,
    pub(super) client: usize,
    pub(super) evidence: Evidence,
    pub(super) ask: Ask,
    /// The token that is to be exchanged, and that of who is to act.
    pub(super) handed: Option<(String, Option<String>)>,
}

/// What a token is to say.
pub(super) struct Granted {
    pub(super) subject: usize,
    pub(super) actors: Vec<usize>,
    pub(super) audience: &'static str,
    pub(super) scopes: String,
    pub(super) life: i64,
}

impl Org {
    /// How long a token of the agent lives at most.
    pub(super) fn life_of(&self, own: &Agent) -> i64 {
        [self.life, own.life].into_iter().flatten().fold(TOKEN_LIFE, i64::min)
    }
}

impl Model {
    pub(super) fn token(&mut self, org: usize, agent: usize, by: By, ask: Ask) {
        let Some(evidence) = self.evidence(org, agent, by) else { return };
        let expected = self.grant(org, agent, by, ask);
        let wanted = Wanted { org, client: agent, evidence, ask, handed: None };
        self.issue(&wanted, expected);
    }

    fn grant(&self, org: usize, agent: usize, by: By, ask: Ask) -> Result<Granted, ErrorCode> {
        let proven = self.agent(org, agent).filter(|_| self.proves(org, agent, by));
        let (known, own) = proven.ok_or(ErrorCode::InvalidClient)?;
        let audience = ask.audience()?;
        let scopes = ask.scopes(&own.scopes, audience)?;
        self.within_quota(known)?;
        let life = known.life_of(own);
        Ok(Granted { subject: agent, actors: Vec::new(), audience, scopes, life })
    }

    pub(super) fn within_quota(&self, known: &Org) -> Result<(), ErrorCode> {
        let full = known.issued_in(Month::of(self.time())) >= known.monthly;
        if full { Err(ErrorCode::QuotaExceeded) } else { Ok(()) }
    }

    /// Asks for a token, which must come as expected, and by what cannot be used again.
    pub(super) fn issue(&mut self, wanted: &Wanted, expected: Result<Granted, ErrorCode>) {
        let proof = self.name();
        let issued = self.test.idp.token(&self.request(wanted, &proof));
        let expects = expected.as_ref().map(|_| ()).map_err(|code| *code);
        assert_eq!(told(&issued, TokenError::code), expects, "{:?}", wanted.ask);
        let (Ok(issued), Ok(granted)) = (issued, expected) else { return };
        self.check(wanted, &issued, &granted);
        let text = issued.access_token;
        let kid = parse_compact(&text).unwrap().header().kid().unwrap().to_owned();
        assert_eq!(kid, self.signing.current(Alg::Es256));
        let jti = self.introspect(&text).jti.expect("it is active");
        let month = Month::of(self.time());
        let Some(known) = &mut self.orgs[wanted.org] else { return };
        known.issued = (month, known.issued_in(month) + 1);
        let may_act = wanted.ask.may_act.filter(|agent| *agent < known.agents.len());
        let Granted { subject, actors, audience, scopes, life } = granted;
        self.tokens.push(Token {
            org: wanted.org,
            subject,
            client: wanted.client,
            actors,
            may_act,
            audience,
            scopes,
            bound: wanted.ask.bound,
            kid,
            jti: Jti::parse(&jti).unwrap(),
            text,
            alive: true,
            expires_at: self.now + life.unsigned_abs(),
        });
        self.is_refused_again(wanted, &proof);
        if let Evidence::Assertion(text) = &wanted.evidence {
            self.assertions.push((wanted.org, text.clone()));
        }
    }

    fn request(&self, wanted: &Wanted, proof: &str) -> TokenRequest {
        let Ask { scope, resources, bound, may_act } = wanted.ask;
        let mut request = TokenRequest::new(wanted.evidence.auth());
        if let Some(scope) = scope {
            request = request.scope(scope);
        }
        for resource in resources {
            request = request.resource(*resource);
        }
        if let Some((_, actor)) = may_act.and_then(|actor| self.agent(wanted.org, actor)) {
            request = request.may_act(&actor.id);
        }
        if let Some(place) = bound {
            request = request.dpop(self.pairs[place].holder.proof(&self.test, proof));
        }
        let Some((subject, actor)) = &wanted.handed else { return request };
        let exchange = TokenExchange::new(subject.as_str());
        request.exchange(match actor {
            Some(actor) => exchange.actor_token(actor.as_str()),
            None => exchange,
        })
    }

    /// The answer to a request is as it was granted.
    fn check(&self, wanted: &Wanted, issued: &TokenResponse, granted: &Granted) {
        let scope = Some(granted.scopes.as_str()).filter(|scopes| !scopes.is_empty());
        assert_eq!((issued.expires_in, issued.scope.as_deref()), (granted.life, scope));
        let token_type = if wanted.ask.bound.is_some() { "DPoP" } else { "Bearer" };
        assert_eq!(issued.token_type, token_type);
        let exchanged = wanted.handed.is_some();
        assert_eq!(issued.issued_token_type.is_some(), exchanged);
        let openid = has(&granted.scopes, "openid") && !exchanged;
        assert_eq!(issued.id_token.is_some(), openid);
        let (Some(id_token), Some((known, own))) =
            (&issued.id_token, self.agent(wanted.org, wanted.client))
        else {
            return;
        };
        let claims = self.test.idp.verifier().verify_id_token(id_token, own.id.as_str()).unwrap();
        assert_eq!((claims.sub.as_str(), &claims.agent_name), (own.id.as_str(), &own.name));
        assert_eq!(claims.organization_id, known.id.as_str());
        assert_eq!(claims.exp - claims.iat, granted.life);
    }

    /// An assertion and a proof are used once.
    fn is_refused_again(&self, wanted: &Wanted, proof: &str) {
        let used = match (&wanted.evidence, wanted.ask.bound) {
            (Evidence::Assertion(_), _) => ErrorCode::InvalidClient,
            (Evidence::Secret(..), Some(_)) => ErrorCode::InvalidDpopProof,
            (Evidence::Secret(..), None) => return,
        };
        let again = self.test.idp.token(&self.request(wanted, proof));
        self.is_refused(wanted.org, &again, used);
    }

    /// Shows an assertion again: it was used for good.
    pub(super) fn replay(&self, place: usize) {
        let at = place % self.assertions.len().max(1);
        let Some((org, text)) = self.assertions.get(at) else { return };
        let again = TokenRequest::new(ClientAuth::assertion(text.as_str()));
        let again = self.test.idp.token(&again);
        self.is_refused(*org, &again, ErrorCode::InvalidClient);
    }

    /// What was used before is used up, with that code. Where each process counts a part of the quota
    /// itself, it may be told that there is none left before what was used is looked for, which is when
    /// the token is written down.
    fn is_refused(&self, org: usize, answer: &Result<TokenResponse, TokenError>, used: ErrorCode) {
        let answer = told(answer, TokenError::code);
        let full = self.orgs[org].as_ref().is_some_and(|known| self.within_quota(known).is_err());
        let counts_first = full && !self.test.store.is_hot_row_cheap();
        if !(counts_first && answer == Err(ErrorCode::QuotaExceeded)) {
            assert_eq!(answer, Err(used), "again");
        }
    }

    pub(super) fn introspect(&self, token: &str) -> Introspection {
        self.test.idp.introspect(&IntrospectionRequest::new(token)).unwrap()
    }

    /// Whether the token passes for one that the instance signed, by a clock with the skew: others may
    /// accept it, and it can be ended.
    pub(super) fn is_ours(&self, token: &Token) -> bool {
        self.signing.is_published(&token.kid) && self.now < token.expires_at + SKEW
    }

    /// Whether the instance itself takes it, by its own clock.
    pub(super) fn is_active(&self, token: &Token) -> bool {
        token.alive && self.now < token.expires_at
    }

    /// Each token is active or not as the model has it, and says what it was issued to say. Who verifies
    /// offline sees its key and its time, and not whether it was ended before.
    pub(super) fn tokens_agree(&self) {
        let verifier = self.test.idp.verifier();
        for (at, token) in self.tokens.iter().enumerate() {
            let told = self.introspect(&token.text);
            assert_eq!(told.active, self.is_active(token), "token {at}");
            if told.active {
                self.says(token, &told);
            }
            let offline = verifier.verify_access_token(&token.text, token.audience);
            let passes = self.is_ours(token) && token.bound.is_none();
            assert_eq!(offline.is_ok(), passes, "token {at}: {:?}", offline.err());
        }
    }

    fn says(&self, token: &Token, told: &Introspection) {
        let Some(known) = &self.orgs[token.org] else { return };
        let id = |agent: usize| Some(known.agents[agent].id.as_str());
        let parties = (told.sub.as_deref(), told.client_id.as_deref());
        assert_eq!(parties, (id(token.subject), id(token.client)));
        let act = token.actors.iter().rev().fold(None, |before: Option<Value>, actor| {
            let mut act = json!({ "sub": id(*actor) });
            if let Some(before) = before {
                act["act"] = before;
            }
            Some(act)
        });
        assert_eq!(told.act, act);
        let scope = Some(token.scopes.as_str()).filter(|scopes| !scopes.is_empty());
        assert_eq!(
            (told.scope.as_deref(), &told.aud[..]),
            (scope, &[token.audience.to_owned()][..])
        );
        assert_eq!(told.exp, Some(self.began + i64::try_from(token.expires_at).unwrap()));
        let cnf = token.bound.map(|place| json!({ "jkt": self.pairs[place].kid }));
        let token_type = if cnf.is_some() { "DPoP" } else { "Bearer" };
        assert_eq!((told.token_type, &told.cnf), (Some(token_type), &cnf));
        assert_eq!(told.jti.as_deref(), Some(token.jti.as_str()));
        assert_eq!(told.organization_id.as_deref(), Some(known.id.as_str()));
    }
}
