//! The instance's keys, parsed once: signing with them must not read a row or a PEM.

use std::sync::Arc;

use crate::base::{Clock, OrgId};
use crate::crypto::{Alg, CryptoProvider, Place, PrivateKey, PublicKey, SealError, Signer};
use crate::jose::{Jwk, Jwks, TokenSigner};
use crate::model::Issuer;
use crate::oidc::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, Verifier};
use crate::store::installation::{self, KeyPurpose, KeyState, SigningKeyRow};
use crate::store::{Scope, Store};

use super::context::Parts;
use super::error::Fault;
use super::keyring::Keyring;

/// A key that signs tokens.
pub(super) struct TokenKey {
    pub(super) access_token: TokenSigner,
    pub(super) id_token: TokenSigner,
}

/// The keys of the instance at one moment.
pub(crate) struct SigningKeys {
    token: Vec<TokenKey>,
    jwks: Jwks,
    verifier: Arc<Verifier>,
    audit: PublicKey,
}

impl SigningKeys {
    /// Reads and opens the peppers and the keys of an instance that is being opened.
    pub(super) fn load(parts: &Parts) -> Result<SigningKeys, Fault> {
        let peppers = parts.store.read(&Scope::Instance, installation::peppers)?;
        let system = OrgId::system();
        for (version, sealed) in peppers {
            let row = version.to_string();
            let place = place(&system, "peppers", "sealed_pepper", &row);
            let scope = Scope::Org(system.clone());
            let pepper = parts.store.read(&scope, |tx| parts.keyring.open(tx, &place, &sealed))?;
            let pepper = pepper.expose().try_into().map_err(|_| Fault::MissingKey("pepper"))?;
            parts.keyring.add_pepper(version, pepper);
        }
        SigningKeys::read(
            &*parts.store,
            &parts.keyring,
            &parts.provider,
            &parts.issuer,
            &parts.clock,
        )
    }

    /// Reads and opens the keys as they stand.
    ///
    /// A public key is believed only as the half of the private one that is sealed beside it: what
    /// somebody without the KEK wrote into the table is refused, and not published.
    pub(super) fn read(
        store: &dyn Store,
        keyring: &Keyring,
        provider: &CryptoProvider,
        issuer: &Issuer,
        clock: &Arc<dyn Clock>,
    ) -> Result<SigningKeys, Fault> {
        let rows = store.read(&Scope::Instance, installation::signing_keys)?;
        let mut keys = (Vec::new(), Vec::new(), None);
        let (token, published, audit) = (&mut keys.0, &mut keys.1, &mut keys.2);
        for row in rows.iter().filter(|row| row.state != KeyState::Revoked) {
            let Some(signer) = opened(store, keyring, provider, row)? else { continue };
            let public = signer.public_key().clone();
            match row.purpose {
                KeyPurpose::Audit if row.state == KeyState::Current => *audit = Some(public),
                KeyPurpose::Token => {
                    published.push(public);
                    if row.state == KeyState::Current {
                        token.push(TokenKey {
                            access_token: TokenSigner::new(Arc::clone(&signer), ACCESS_TOKEN_TYPE),
                            id_token: TokenSigner::new(signer, ID_TOKEN_TYPE),
                        });
                    }
                }
                KeyPurpose::Document | KeyPurpose::Audit => {}
            }
        }
        let (token, published, audit) = keys;
        let jwks = Jwks::from_keys(published)?;
        let verifier = Verifier::new(issuer.as_str(), &jwks, provider)?.clock(Arc::clone(clock));
        let audit = audit.ok_or(Fault::MissingKey("audit"))?;
        Ok(SigningKeys { token, jwks, verifier: Arc::new(verifier), audit })
    }

    /// The current key for tokens of `alg`.
    pub(super) fn token(&self, alg: Alg) -> Result<&TokenKey, Fault> {
        let current = self.token.iter().find(|key| key.access_token.alg() == alg);
        current.ok_or(Fault::MissingKey("token signing"))
    }

    /// The public keys of tokens.
    pub(crate) fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// A verifier of our own tokens.
    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.verifier)
    }

    /// The public key of the audit log.
    pub(crate) fn audit(&self) -> &PublicKey {
        &self.audit
    }
}

/// The signer of a row, whose public half must be the row's name. `None` for an algorithm that the
/// provider does not offer.
fn opened(
    store: &dyn Store,
    keyring: &Keyring,
    provider: &CryptoProvider,
    row: &SigningKeyRow,
) -> Result<Option<Arc<dyn Signer>>, Fault> {
    if !provider.algs().contains(&row.alg) {
        return Ok(None);
    }
    let system = OrgId::system();
    let place = place(&system, "signing_keys", "sealed_private_key", &row.kid);
    let scope = Scope::Org(system.clone());
    let private = store.read(&scope, |tx| keyring.open(tx, &place, &row.sealed_private_key))?;
    let signer = provider.signer(&PrivateKey::from_bytes(row.alg, private)?)?;
    let told = Jwk::parse(row.public_jwk.as_bytes())?.key().thumbprint();
    if signer.public_key().thumbprint() != row.kid || told != row.kid {
        return Err(Fault::Seal(SealError::Broken));
    }
    Ok(Some(signer))
}

pub(super) fn place<'a>(
    organization_id: &'a OrgId,
    table: &'a str,
    column: &'a str,
    row: &'a str,
) -> Place<'a> {
    Place { organization_id, table, column, row }
}
