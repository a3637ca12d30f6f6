//! Who a client is: by its secret, or by an assertion that it signed with a key of its own.

use std::sync::Arc;

use crate::base::{AgentId, SecretString, Timestamp};
use crate::crypto::{CryptoProvider, PublicKey, SignatureVerifier};
use crate::model::{Client, ClientAuth, ClientKey, ClientProof, ProvenBy, Refusal, authenticate};
use crate::oidc::{ClientAssertion, SingleUse};
use crate::store::{StoreError, Tx, tokens};

use super::context::Context;

/// The generator of P-256: a public key whose private half is 1, to do the work of a verification
/// with where there is no key to verify with.
const NOBODY_X: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
    0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const NOBODY_Y: [u8; 32] = [
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
    0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

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
    let known = client.and_then(|client| key_of(client, assertion.kid(), now));
    let verifier = verifier(&context.provider, known).ok_or(Refusal::WrongAssertion)?;
    let verified = assertion.verify(&*verifier, context.issuer.as_str(), now);
    let client = client.ok_or(Refusal::UnknownClient)?;
    let (Some(known), Ok(assertion)) = (known, verified) else {
        return Err(Refusal::WrongAssertion);
    };
    client.may_act()?;
    Ok(Proven { by: known.proven_by.clone(), assertion: Some(assertion) })
}

/// The live key of that name; the only one there is, where the assertion names none.
fn key_of<'a>(client: &'a Client, kid: Option<&str>, now: Timestamp) -> Option<&'a ClientKey> {
    let live = |key: &&ClientKey| key.expires_at.is_none_or(|expires_at| now < expires_at);
    let mut keys = client.keys.iter().filter(live);
    match kid {
        Some(kid) => keys.find(|key| key.kid == kid),
        None => keys.next().filter(|_| keys.next().is_none()),
    }
}

fn verifier(
    provider: &CryptoProvider,
    key: Option<&ClientKey>,
) -> Option<Arc<dyn SignatureVerifier>> {
    match key {
        Some(key) => provider.verifier(&key.key).ok(),
        None => provider.verifier(&PublicKey::p256(&NOBODY_X, &NOBODY_Y).ok()?).ok(),
    }
}

/// Records the use of an assertion or a proof in the transaction of what comes of it. `false` when it
/// was used before.
pub(super) fn use_once(tx: &mut dyn Tx, used: Option<&SingleUse>) -> Result<bool, StoreError> {
    used.map_or(Ok(true), |used| tokens::use_once(tx, &used.jti_hash, used.until))
}
