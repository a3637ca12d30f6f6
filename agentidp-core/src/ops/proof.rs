//! Who a client is: by its secret, or by an assertion that it signed with a key of its own.

use std::sync::LazyLock;

use crate::base::{AgentId, SecretString, Timestamp};
use crate::crypto::{Alg, PublicKey};
use crate::jose::Jwk;
use crate::model::{Client, ClientAuth, ClientKey, ClientProof, ProvenBy, Refusal, authenticate};
use crate::oidc::{ClientAssertion, SingleUse};
use crate::store::{StoreError, Tx, tokens};

use super::context::Context;

/// Public keys to do the work of a verification with where the client has none of the assertion's
/// algorithm. Nobody proves anything by them: P-256's generator, the key of RFC 8037 appendix A.2, and an RSA
/// key whose private half was thrown away.
static NOBODYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}"#;
    const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const RSA: &str = concat!(
        r#"{"kty":"RSA","e":"AQAB","n":""#,
        "uEY-IPqMJ2W5N-lSM9f6tolHZpbW3jB9eU7gdTdqb0Dspof3KYeNykXedCxitgo7jdvE2Ljee-nfj5uIoqwQPL",
        "1qU8vMeb7lcSNtjfnfU3ZFhpt0uO4OhIozWScPD5TdmrK1FWPs5PBZycXHPRbfYfmIqvTpLzkSnkmrvgtTU748",
        "clUEKQwuKF-ohkXYWok_uSMS7F4rInpUdLVUJuiRhiaL0mHizJxQcEK-nEd9bbHWxpDRfXSmvxknc_BfpECw_q",
        "NQi6kf0OqBlA8t0l9M2BDGq9oTiSHsewy82eh62gRZLWecfqC11fdxCvJx38VwwqnP2I4W6BnkMqvEq37YBw",
        r#""}"#,
    );
    let read = |jwk: &str| Some(Jwk::parse(jwk.as_bytes()).ok()?.key().clone());
    [P256, ED25519, RSA].into_iter().filter_map(read).collect()
});

/// What somebody who says to be a client sent, read once.
pub(super) enum Presented<'a> {
    /// A secret.
    Secret {
        /// The client that it is said to be of.
        client_id: &'a str,
        /// The secret.
        secret: &'a SecretString,
    },
    /// An assertion.
    Assertion(ClientAssertion<'a>),
    /// What is no assertion, or one of another client than the request names.
    Nothing,
}

/// A client that proved to be itself.
#[derive(Debug, Clone)]
pub(super) struct Proven {
    pub(super) by: ProvenBy,
    /// The assertion, where it was one: whatever comes of it has to record its use.
    pub(super) assertion: Option<SingleUse>,
}

impl<'a> Presented<'a> {
    pub(super) fn read(auth: &'a ClientAuth) -> Presented<'a> {
        match &auth.0 {
            ClientProof::Secret { client_id, client_secret } => {
                Presented::Secret { client_id, secret: client_secret }
            }
            ClientProof::Assertion { client_id, assertion } => {
                match ClientAssertion::parse(assertion) {
                    Ok(read) if client_id.as_deref().is_none_or(|id| id == read.client_id()) => {
                        Presented::Assertion(read)
                    }
                    _ => Presented::Nothing,
                }
            }
        }
    }

    /// The client that it is said to be of.
    pub(super) fn client(&self) -> Option<AgentId> {
        let named = match self {
            Presented::Secret { client_id, .. } => client_id,
            Presented::Assertion(assertion) => assertion.client_id(),
            Presented::Nothing => return None,
        };
        AgentId::parse(named).ok()
    }

    /// The client that it is said to be of, where a secret is to prove that.
    pub(super) fn secret_of(&self) -> Option<AgentId> {
        matches!(self, Presented::Secret { .. }).then(|| self.client()).flatten()
    }

    /// Decides whether it is of `client`, and whether that one may act. The same is computed where
    /// there is no such client.
    pub(super) fn prove(
        &self,
        context: &Context,
        client: Option<&Client>,
        now: Timestamp,
    ) -> Result<Proven, Refusal> {
        match self {
            Presented::Secret { secret, .. } => {
                let peppers = |version| context.keyring.pepper(version);
                let (_, by) = authenticate(client, &peppers, secret.expose(), now)?;
                Ok(Proven { by, assertion: None })
            }
            Presented::Assertion(assertion) => prove_key(context, client, assertion, now),
            Presented::Nothing => Err(Refusal::WrongAssertion),
        }
    }
}

fn prove_key(
    context: &Context,
    client: Option<&Client>,
    assertion: &ClientAssertion<'_>,
    now: Timestamp,
) -> Result<Proven, Refusal> {
    let alg = assertion.alg().ok_or(Refusal::WrongAssertion)?;
    let keys = client.map(|client| client.keys.as_slice()).unwrap_or_default();
    let known = key_of(keys, alg, assertion.kid(), now);
    let key = known.map_or_else(|| nobodys(alg), |own| Some(&own.key));
    let verifier = key.and_then(|key| context.provider.verifier(key).ok());
    let verifier = verifier.ok_or(Refusal::WrongAssertion)?;
    let verified = assertion.verify(&*verifier, context.issuer.as_str(), now);
    let client = client.ok_or(Refusal::UnknownClient)?;
    let (Some(known), Ok(assertion)) = (known, verified) else {
        return Err(Refusal::WrongAssertion);
    };
    client.may_act()?;
    Ok(Proven { by: known.proven_by.clone(), assertion: Some(assertion) })
}

/// The live key of that name; the only one there is, where the assertion names none. One of another
/// algorithm is as none: there would be nothing to compute, and its owner would be known by that.
fn key_of<'a>(
    keys: &'a [ClientKey],
    alg: Alg,
    kid: Option<&str>,
    now: Timestamp,
) -> Option<&'a ClientKey> {
    let live = |key: &&ClientKey| key.expires_at.is_none_or(|expires_at| now < expires_at);
    let mut live = keys.iter().filter(live);
    let named = match kid {
        Some(kid) => live.find(|key| key.kid == kid),
        None => live.next().filter(|_| live.next().is_none()),
    };
    named.filter(|key| key.key.alg() == alg)
}

fn nobodys(alg: Alg) -> Option<&'static PublicKey> {
    NOBODYS.iter().find(|key| key.alg() == alg)
}

/// Records the use of an assertion or a proof in the transaction of what comes of it. `false` when it
/// was used before.
pub(super) fn use_once(tx: &mut dyn Tx, used: Option<&SingleUse>) -> Result<bool, StoreError> {
    used.map_or(Ok(true), |used| tokens::use_once(tx, &used.jti_hash, used.until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assertion_of_any_algorithm_costs_a_verification() {
        for alg in Alg::ALL {
            assert_eq!(nobodys(*alg).map(PublicKey::alg), Some(*alg));
        }
    }

    #[test]
    fn a_key_of_another_algorithm_is_as_none() {
        let now = Timestamp::from_seconds(1);
        let key = ClientKey {
            proven_by: ProvenBy::AgentKey("own".to_owned()),
            kid: "own".to_owned(),
            key: nobodys(Alg::Es256).unwrap().clone(),
            expires_at: None,
        };
        let keys = [key];
        for kid in [Some("own"), None] {
            assert!(key_of(&keys, Alg::Es256, kid, now).is_some());
            assert!(key_of(&keys, Alg::EdDsa, kid, now).is_none());
            assert!(key_of(&keys, Alg::Rs256, kid, now).is_none());
        }
        assert!(key_of(&keys, Alg::Es256, Some("another"), now).is_none());
        assert!(key_of(&[], Alg::Es256, None, now).is_none());
    }
}
