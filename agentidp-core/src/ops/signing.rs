//! The instance's keys, parsed once: signing with them must not read a row or a PEM.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::base::{Clock, LastSeen, OrgId, Rng, Timestamp, limits};
use crate::crypto::{
    Alg, CryptoProvider, DataKey, Place, PrivateKey, PublicKey, SealError, Signer, seal,
};
use crate::jose::{Jwk, Jwks, TokenSigner};
use crate::model::{Issuer, KeyKind, KeyPurpose, KeyState, SigningKey};
use crate::oidc::{ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, Verifier};
use crate::store::signing_keys::{self, SigningKeyRow};
use crate::store::{Scope, Store, StoreError, installation};

use super::context::Parts;
use super::error::Fault;
use super::keyring::Keyring;

/// A key that signs tokens.
pub(super) struct TokenKey {
    pub(super) access_token: TokenSigner,
    pub(super) id_token: TokenSigner,
    /// In microseconds; as far as we know, for other processes extend it as well.
    signs_until: AtomicI64,
    /// When it was last seen to be the current one.
    pub(super) last_seen: LastSeen,
}

impl TokenKey {
    fn new(signer: Arc<dyn Signer>, key: &SigningKey) -> TokenKey {
        TokenKey {
            access_token: TokenSigner::new(Arc::clone(&signer), ACCESS_TOKEN_TYPE),
            id_token: TokenSigner::new(signer, ID_TOKEN_TYPE),
            signs_until: AtomicI64::new(key.signs_until.map_or(0, Timestamp::as_micros)),
            last_seen: LastSeen::default(),
        }
    }

    /// Whether it may sign at `now` under the lease that we know of.
    pub(super) fn may_sign(&self, now: Timestamp) -> bool {
        now.as_micros() < self.signs_until.load(Ordering::SeqCst)
    }

    /// Takes note of a lease that was written down.
    pub(super) fn extended(&self, signs_until: Timestamp) {
        self.signs_until.fetch_max(signs_until.as_micros(), Ordering::SeqCst);
    }
}

/// The keys of the instance at one moment.
pub(crate) struct SigningKeys {
    /// Which of their changes they were read after.
    pub(super) version: i64,
    token: Vec<TokenKey>,
    jwks: Jwks,
    verifier: Arc<Verifier>,
    audit: PublicKey,
    opened: Vec<Opened>,
}

/// A key that was opened, and what it was opened from.
struct Opened {
    kid: String,
    sealed_private_key: Vec<u8>,
    public_jwk: String,
    signer: Arc<dyn Signer>,
}

/// What keys are opened with.
pub(super) struct Opener<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) keyring: &'a Keyring,
    pub(super) provider: &'a CryptoProvider,
    pub(super) issuer: &'a Issuer,
    pub(super) clock: &'a Arc<dyn Clock>,
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
        let opener = Opener {
            store: &*parts.store,
            keyring: &parts.keyring,
            provider: &parts.provider,
            issuer: &parts.issuer,
            clock: &parts.clock,
        };
        SigningKeys::read(&opener, None)
    }

    /// Reads and opens the keys as they stand. Those that are as they were in `before` are not opened
    /// again.
    ///
    /// A public key is believed only as the half of the private one that is sealed beside it: what
    /// somebody without the KEK wrote into the table is refused, and not published.
    pub(super) fn read(
        opener: &Opener<'_>,
        before: Option<&SigningKeys>,
    ) -> Result<SigningKeys, Fault> {
        let Opener { store, provider, issuer, clock, .. } = *opener;
        // The version first: should a change come in between, the keys pass for older than they are,
        // and are read again.
        let (version, rows) = store.read::<_, StoreError>(&Scope::Instance, |tx| {
            Ok((signing_keys::version(tx)?, signing_keys::all(tx)?))
        })?;
        let (mut token, mut published, mut audit, mut all) = (vec![], vec![], None, vec![]);
        for row in within_set(rows).into_iter().filter(|row| row.key.is_published()) {
            let Some(opened) = opener.open(&row, before)? else { continue };
            let public = opened.signer.public_key().clone();
            match row.key.purpose {
                KeyPurpose::Audit if row.key.state == KeyState::Current => audit = Some(public),
                KeyPurpose::Token => {
                    published.push(public);
                    if row.key.state == KeyState::Current {
                        token.push(TokenKey::new(Arc::clone(&opened.signer), &row.key));
                    }
                }
                KeyPurpose::Document | KeyPurpose::Audit => {}
            }
            all.push(opened);
        }
        let jwks = Jwks::from_keys(published)?;
        let verifier = Verifier::new(issuer.as_str(), &jwks, provider)?.clock(Arc::clone(clock));
        let audit = audit.ok_or(Fault::MissingKey("audit"))?;
        Ok(SigningKeys { version, token, jwks, verifier: Arc::new(verifier), audit, opened: all })
    }

    /// The current key for tokens of `alg`. While that one is only published, another signs: first
    /// ES256, which every instance has.
    pub(super) fn token(&self, alg: Alg) -> Result<&TokenKey, Fault> {
        let current = |alg| self.token.iter().find(|key| key.access_token.alg() == alg);
        let any = || current(Alg::Es256).or_else(|| self.token.first());
        current(alg).or_else(any).ok_or(Fault::MissingKey("token signing"))
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

/// The rows without the oldest retired keys for tokens, where there are more than a set may hold. No
/// rotation makes so many; should a database have them, their tokens are refused and the others not.
fn within_set(mut rows: Vec<SigningKeyRow>) -> Vec<SigningKeyRow> {
    let of_tokens = |row: &&SigningKeyRow| row.key.purpose == KeyPurpose::Token;
    let published = rows.iter().filter(of_tokens).filter(|row| row.key.is_published()).count();
    let mut surplus = published.saturating_sub(limits::JWKS_KEYS_MAX);
    rows.retain(|row| {
        let goes = surplus > 0 && of_tokens(&row) && row.key.state == KeyState::Retired;
        surplus -= usize::from(goes);
        !goes
    });
    rows
}

impl Opener<'_> {
    /// The key of a row, whose public half must be the row's name. `None` for an algorithm that the
    /// provider does not offer.
    fn open(
        &self,
        row: &SigningKeyRow,
        before: Option<&SigningKeys>,
    ) -> Result<Option<Opened>, Fault> {
        if !self.provider.algs().contains(&row.key.alg) {
            return Ok(None);
        }
        let kid = &row.key.kid;
        let sealed = row.sealed_private_key.as_deref().ok_or(Fault::Seal(SealError::Broken))?;
        let same = |known: &&Opened| {
            known.kid == *kid
                && known.sealed_private_key == sealed
                && known.public_jwk == row.public_jwk
        };
        let known = before.and_then(|before| before.opened.iter().find(same));
        let signer = match known {
            Some(known) => Arc::clone(&known.signer),
            None => self.signer(row, sealed)?,
        };
        Ok(Some(Opened {
            kid: kid.clone(),
            sealed_private_key: sealed.to_vec(),
            public_jwk: row.public_jwk.clone(),
            signer,
        }))
    }

    fn signer(&self, row: &SigningKeyRow, sealed: &[u8]) -> Result<Arc<dyn Signer>, Fault> {
        let kid = &row.key.kid;
        let system = OrgId::system();
        let place = place(&system, "signing_keys", "sealed_private_key", kid);
        let scope = Scope::Org(system.clone());
        let private = self.store.read(&scope, |tx| self.keyring.open(tx, &place, sealed))?;
        let signer = self.provider.signer(&PrivateKey::from_bytes(row.key.alg, private)?)?;
        let told = Jwk::parse(row.public_jwk.as_bytes())?.key().thumbprint();
        if signer.public_key().thumbprint() != *kid || told != *kid {
            return Err(Fault::Seal(SealError::Broken));
        }
        Ok(signer)
    }
}

/// Makes a key, whose private half is sealed for its row.
pub(super) fn make_key(
    provider: &CryptoProvider,
    rng: &dyn Rng,
    sealing: &DataKey,
    key: NewKey,
) -> Result<SigningKeyRow, Fault> {
    let private = provider.generate(key.kind.alg, rng)?;
    let signer = provider.signer(&private)?;
    let kid = signer.public_key().thumbprint();
    let system = OrgId::system();
    let place = place(&system, "signing_keys", "sealed_private_key", &kid);
    Ok(SigningKeyRow {
        sealed_private_key: Some(seal(sealing, &place, private.expose(), rng)?),
        public_jwk: Jwk::new(signer.public_key().clone()).to_value().to_string(),
        key: SigningKey::made(kid, key.kind, key.state, key.now),
    })
}

/// A key to be made.
pub(super) struct NewKey {
    pub(super) kind: KeyKind,
    pub(super) state: KeyState,
    pub(super) now: Timestamp,
}

pub(super) fn place<'a>(
    organization_id: &'a OrgId,
    table: &'a str,
    column: &'a str,
    row: &'a str,
) -> Place<'a> {
    Place { organization_id, table, column, row }
}
