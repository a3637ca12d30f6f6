//! The instance's keys, parsed once: signing with them must not read a row or a PEM.

use std::sync::Arc;

use crate::base::{Clock, OrgId};
use crate::crypto::{Alg, CryptoProvider, Place, PrivateKey, PublicKey};
use crate::jose::{Jwk, Jwks, TokenSigner};
use crate::model::Issuer;
use crate::oidc::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, Verifier};
use crate::store::installation::{self, KeyPurpose, KeyState, SigningKeyRow};
use crate::store::{Scope, StoreError};

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
    /// Reads and opens the keys of an instance that is being opened.
    pub(super) fn load(parts: &Parts) -> Result<SigningKeys, Fault> {
        let (peppers, rows) = parts.store.read::<_, StoreError>(&Scope::Instance, |tx| {
            Ok((installation::peppers(tx)?, installation::signing_keys(tx)?))
        })?;
        let system = OrgId::system();
        for (version, sealed) in peppers {
            let row = version.to_string();
            let pepper =
                open_of_system(parts, &place(&system, "peppers", "sealed_pepper", &row), &sealed)?;
            let pepper = pepper.expose().try_into().map_err(|_| Fault::MissingKey("pepper"))?;
            parts.keyring.add_pepper(version, pepper);
        }
        // One sealed value of the `keys` purpose loads all of the system organization's data keys.
        parts.keyring.active(&*parts.store, &system, crate::store::orgs::DataKeyPurpose::Keys)?;
        SigningKeys::from_rows(rows, &parts.keyring, &parts.provider, &parts.issuer, &parts.clock)
    }

    pub(super) fn from_rows(
        rows: Vec<SigningKeyRow>,
        keyring: &Keyring,
        provider: &CryptoProvider,
        issuer: &Issuer,
        clock: &Arc<dyn Clock>,
    ) -> Result<SigningKeys, Fault> {
        let system = OrgId::system();
        let mut token = Vec::new();
        let mut published = Vec::new();
        let mut audit = None;
        for row in rows {
            let public = Jwk::parse(row.public_jwk.as_bytes())?.key().clone();
            match (row.purpose, row.state) {
                (KeyPurpose::Audit, KeyState::Current) => audit = Some(public),
                (KeyPurpose::Token, KeyState::Revoked) => {}
                (KeyPurpose::Token, state) => {
                    published.push(public);
                    if state == KeyState::Current && provider.algs().contains(&row.alg) {
                        let place = place(&system, "signing_keys", "sealed_private_key", &row.kid);
                        let private = keyring.open_loaded(&place, &row.sealed_private_key)?;
                        let signer = provider.signer(&PrivateKey::from_bytes(row.alg, private)?)?;
                        token.push(TokenKey {
                            access_token: TokenSigner::new(Arc::clone(&signer), ACCESS_TOKEN_TYPE),
                            id_token: TokenSigner::new(signer, ID_TOKEN_TYPE),
                        });
                    }
                }
                (KeyPurpose::Document | KeyPurpose::Audit, _) => {}
            }
        }
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

fn open_of_system(
    parts: &Parts,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<crate::base::SecretBytes, Fault> {
    let scope = Scope::Org(OrgId::system());
    parts.store.read(&scope, |tx| parts.keyring.open(tx, place, sealed))
}

pub(super) fn place<'a>(
    organization_id: &'a OrgId,
    table: &'a str,
    column: &'a str,
    row: &'a str,
) -> Place<'a> {
    Place { organization_id, table, column, row }
}
