//! Why a client gets no token, and what may be told of it.

use crate::error::ErrorCode;

/// Why a request is refused. Strangers are told the code alone; the audit log is told all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such client.
    UnknownClient,
    /// The secret is none of the client's live ones.
    WrongSecret,
    /// The secret has expired.
    ExpiredSecret,
    /// The assertion is not signed by a key of the client's, or is not meant for us, or too old.
    WrongAssertion,
    /// The assertion was used before.
    UsedAssertion,
    /// The agent is suspended or decommissioned.
    AgentNotActive,
    /// The organization is suspended or deleted.
    OrgNotActive,
    /// A scope is malformed.
    MalformedScope,
    /// A scope is not the agent's to ask for, or not for this audience.
    ScopeNotAllowed,
    /// A resource is not one of the agent's audiences.
    ResourceNotAllowed,
    /// Several resources were asked for at once.
    AudienceUndecided,
    /// The proof of a key is not one, or not for this request (RFC 9449 section 4.3).
    WrongDpopProof,
    /// The proof of a key was used before.
    UsedDpopProof,
    /// The proof of a key lacks a recent nonce of ours (RFC 9449 section 8).
    DpopNonceMissing,
    /// The token to be exchanged is none of ours, does not stand, or is not for this client.
    SubjectTokenRefused,
    /// The token of who is to act is none of ours, does not stand, or is not this client's.
    ActorTokenRefused,
    /// The token to be exchanged does not say that this client may act (RFC 8693 section 4.4).
    MayNotAct,
    /// More agents would act one for another than may.
    TooManyActors,
    /// Who may act is not named by an agent's id.
    MalformedMayAct,
    /// The token to be ended is another client's (RFC 7009 section 2.1).
    NotItsOwn,
}

impl Refusal {
    /// The row of the error table. Everything about who the client is has one and the same.
    pub fn code(self) -> ErrorCode {
        match self {
            Refusal::UnknownClient
            | Refusal::WrongSecret
            | Refusal::ExpiredSecret
            | Refusal::WrongAssertion
            | Refusal::UsedAssertion
            | Refusal::AgentNotActive
            | Refusal::OrgNotActive => ErrorCode::InvalidClient,
            Refusal::MalformedScope | Refusal::ScopeNotAllowed => ErrorCode::InvalidScope,
            Refusal::ResourceNotAllowed | Refusal::AudienceUndecided => ErrorCode::InvalidTarget,
            Refusal::WrongDpopProof | Refusal::UsedDpopProof => ErrorCode::InvalidDpopProof,
            Refusal::DpopNonceMissing => ErrorCode::UseDpopNonce,
            Refusal::SubjectTokenRefused
            | Refusal::ActorTokenRefused
            | Refusal::MayNotAct
            | Refusal::TooManyActors => ErrorCode::ExchangeRefused,
            Refusal::MalformedMayAct => ErrorCode::InvalidInput,
            Refusal::NotItsOwn => ErrorCode::UnauthorizedClient,
        }
    }

    /// Whether the client had proved itself before it was refused.
    pub fn is_authenticated(self) -> bool {
        !matches!(
            self,
            Refusal::UnknownClient
                | Refusal::WrongSecret
                | Refusal::ExpiredSecret
                | Refusal::WrongAssertion
                | Refusal::UsedAssertion
        )
    }

    /// The reason as the audit log has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::UnknownClient => "unknown_client",
            Refusal::WrongSecret => "wrong_secret",
            Refusal::ExpiredSecret => "expired_secret",
            Refusal::AgentNotActive => "agent_not_active",
            Refusal::OrgNotActive => "org_not_active",
            Refusal::MalformedScope => "malformed_scope",
            Refusal::ScopeNotAllowed => "scope_not_allowed",
            Refusal::ResourceNotAllowed => "resource_not_allowed",
            Refusal::AudienceUndecided => "audience_undecided",
            Refusal::WrongAssertion => "wrong_assertion",
            Refusal::UsedAssertion => "used_assertion",
            Refusal::WrongDpopProof => "wrong_dpop_proof",
            Refusal::UsedDpopProof => "used_dpop_proof",
            Refusal::DpopNonceMissing => "dpop_nonce_missing",
            Refusal::SubjectTokenRefused => "subject_token_refused",
            Refusal::ActorTokenRefused => "actor_token_refused",
            Refusal::MayNotAct => "may_not_act",
            Refusal::TooManyActors => "too_many_actors",
            Refusal::MalformedMayAct => "malformed_may_act",
            Refusal::NotItsOwn => "not_its_own",
        }
    }
}
