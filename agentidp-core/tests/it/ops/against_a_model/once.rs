//! Requests of the model that are done once, however often they are made under one key.

use std::collections::HashMap;

use agentidp_core::base::limits;
use agentidp_core::{Claim, IdempotencyKey, Once};
use agentidp_testkit::ISSUER;
use proptest::prelude::*;

use super::acting::{Acting, Leave};
use super::verbs::Pick;
use super::{Model, Token};

/// How a request ends that nobody made before.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Answered,
    /// It did nothing, and gives its key back.
    Released,
    /// Nobody can tell whether it was done.
    CutOff,
}

pub(super) fn end() -> impl Strategy<Value = End> {
    prop_oneof![4 => Just(End::Answered), 1 => Just(End::Released), 1 => Just(End::CutOff)]
}

/// What is known of the use of a key.
pub(super) struct Use {
    request: String,
    answer: Option<String>,
    until: u64,
}

/// Uses of keys, by who makes the request and the key. Each caller has keys of its own.
pub(super) type Uses = HashMap<(String, usize), Use>;

impl Model {
    /// Registers an agent once: as the operator of an organization, or as the bearer of a token.
    pub(super) fn once(&mut self, org: usize, bearer: Option<Pick>, key: usize, end: End) {
        let Some(pick) = bearer else {
            let operator = "operator".to_owned();
            self.as_operator(org, |model, acting| {
                model.register_once(acting, org, (operator, key), end)
            });
            return;
        };
        let suits = |token: &Token| self.is_active(token) && token.audience == ISSUER;
        let Some(at) = self.pick(pick, suits) else { return };
        let Some(acting) = self.bearer(at) else { return };
        let Token { org, subject, actors, .. } = &self.tokens[at];
        let (org, doer) = (*org, actors.first().unwrap_or(subject));
        let caller = format!("{doer} for {subject} of {org}");
        self.register_once(&acting, org, (caller, key), end);
    }

    fn register_once(&mut self, acting: &Acting, org: usize, slot: (String, usize), end: End) {
        let key = IdempotencyKey::parse(&format!("key {}", slot.1)).unwrap();
        let body = format!("an agent of {org}");
        let begun = acting.idp.once(&key, body.as_bytes()).unwrap();
        // To a token with other leave it is another request.
        let leave = match &acting.leave {
            Leave::Everything => "",
            Leave::OfToken { scopes, .. } => scopes.as_str(),
        };
        let request = format!("{body}, {leave}");
        let now = self.now;
        let known = self.uses.get(&slot).filter(|known| now < known.until);
        let known = known.map(|known| (known.request.clone(), known.answer.clone()));
        match (begun, known) {
            (Once::Other, Some((other, _))) => assert_ne!(other, request),
            (Once::Running, Some(known)) => assert_eq!(known, (request, None)),
            (Once::Answered(answer), Some(known)) => {
                let answer = String::from_utf8(answer.expose().to_vec()).unwrap();
                assert_eq!(known, (request, Some(answer)));
            }
            (Once::First(claim), None) => {
                let answer = self.done_now(acting, org, claim, end);
                let until = now + limits::IDEMPOTENCY_LIFE.as_secs();
                match answer {
                    Some(answer) => self.uses.insert(slot, Use { request, answer, until }),
                    None => self.uses.remove(&slot),
                };
            }
            (begun, known) => panic!("{begun:?}, where it is known: {}", known.is_some()),
        }
    }

    /// Does the request, or not, and tells what is kept of it: the answer, if it has one; nothing at all,
    /// where it was refused and gave its key back.
    fn done_now(
        &mut self,
        acting: &Acting,
        org: usize,
        claim: Claim,
        end: End,
    ) -> Option<Option<String>> {
        let before = self.orgs[org].as_ref()?.agents.len();
        match end {
            End::Answered => self.register(acting, org, 0),
            End::CutOff => {
                drop(claim);
                return Some(None);
            }
            End::Released => {}
        }
        let Some((_, made)) = self.agent(org, before) else {
            claim.release().unwrap();
            return None;
        };
        let answer = made.id.to_string();
        assert!(claim.answer(answer.as_bytes()).unwrap());
        Some(Some(answer))
    }

    /// Forgets the uses that are over, and tells how many.
    pub(super) fn forget_answers(&mut self) -> u64 {
        let (before, now) = (self.uses.len(), self.now);
        self.uses.retain(|_, known| now < known.until);
        (before - self.uses.len()) as u64
    }
}
