//! Sealed values: what is written in a column that must stay secret.
//!
//! ```text
//! version u8 = 1 | suite u8 = 1 | data key id 16 | nonce 24 | key commitment 32 | ciphertext | tag 16
//! ```
//!
//! - `(encryption key, commitment)` = 64 bytes of HKDF-SHA-256 with the data key as input, the nonce as
//!   salt and `agentidp/seal/v1` as info. XChaCha20-Poly1305 alone commits to no key: one ciphertext
//!   can be made to open under two. The commitment, checked first, forbids it.
//! - Suite 1 is XChaCha20-Poly1305; its 24-byte nonces may be drawn at random without end.
//! - The associated data are the first 18 bytes, then organization, table, column and row, each after
//!   its length (4 bytes, big-endian): a value moved to another place does not open.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::hash::{constant_time_eq, hkdf_sha256};
use crate::base::{DataKeyId, EntropyError, OrgId, Rng, SecretBytes};
use crate::error::ErrorCode;

/// Why a value could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The value was altered or moved, was sealed under another key, or was never sealed. Which of
    /// these is not told: it would help nobody but an attacker.
    #[error("a sealed value does not open: it was altered, moved, or sealed under another key")]
    Broken,
    /// The data key is not 32 bytes, or the value too long for its length to be written.
    #[error("a value cannot be sealed: the key or the value has an impossible length")]
    Length,
    /// No randomness for the nonce.
    #[error("{0}")]
    Entropy(#[from] EntropyError),
}

impl SealError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            SealError::Broken => ErrorCode::SealBroken,
            SealError::Length => ErrorCode::Internal,
            SealError::Entropy(_) => ErrorCode::EntropyFailed,
        }
    }
}

/// A data encryption key and its name.
#[derive(Debug)]
pub struct DataKey {
    id: DataKeyId,
    key: SecretBytes,
}

impl DataKey {
    /// The key `key`, of 32 bytes, named `id`.
    ///
    /// # Errors
    /// [`SealError::Length`] when it is not 32 bytes.
    pub fn new(id: DataKeyId, key: SecretBytes) -> Result<DataKey, SealError> {
        if key.expose().len() == KEY_LEN { Ok(DataKey { id, key }) } else { Err(SealError::Length) }
    }

    /// A new key named `id`.
    ///
    /// # Errors
    /// [`SealError::Entropy`] when `rng` fails.
    pub fn generate(id: DataKeyId, rng: &dyn Rng) -> Result<DataKey, SealError> {
        let mut key = vec![0; KEY_LEN];
        rng.fill(&mut key)?;
        DataKey::new(id, SecretBytes::new(key))
    }

    /// The name, which every value sealed under the key carries.
    pub fn id(&self) -> &DataKeyId {
        &self.id
    }

    /// The key itself, to be wrapped.
    pub fn key(&self) -> &SecretBytes {
        &self.key
    }
}

/// Where a sealed value is kept. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The organization whose row it is.
    pub organization_id: &'a OrgId,
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's primary key.
    pub row: &'a str,
}

/// Seals `plaintext` for `place` under `data_key`.
///
/// # Errors
/// [`SealError::Entropy`] when `rng` fails; [`SealError::Length`] beyond 256 GiB.
///
/// ```
/// use agentidp_core::crypto::{DataKey, Place, open, seal};
/// use agentidp_core::{DataKeyId, OrgId, SystemClock, SystemRng};
///
/// let key = DataKey::generate(DataKeyId::generate(&SystemClock, &SystemRng)?, &SystemRng)?;
/// let org = OrgId::system();
/// let place = Place { organization_id: &org, table: "webhooks", column: "secret", row: "1" };
/// let envelope = seal(&key, &place, b"whsec_example", &SystemRng)?;
/// assert_eq!(open(&key, &place, &envelope)?.expose(), b"whsec_example");
/// assert!(open(&key, &Place { row: "2", ..place }, &envelope).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn seal(
    data_key: &DataKey,
    place: &Place<'_>,
    plaintext: &[u8],
    rng: &dyn Rng,
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill(&mut nonce)?;
    let mut head = vec![VERSION, SUITE];
    head.extend_from_slice(&data_key.id.to_bytes());
    let associated = associated_data(&head, place).ok_or(SealError::Length)?;
    let (cipher, commitment) = derive(data_key, &nonce);
    let ciphertext = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: &associated })
        .map_err(|_| SealError::Length)?;
    head.extend_from_slice(&nonce);
    head.extend_from_slice(&commitment);
    head.extend_from_slice(&ciphertext);
    Ok(head)
}

/// Opens an envelope that [`seal`] made for `place` under `data_key`.
///
/// # Errors
/// [`SealError::Broken`] in every other case.
pub fn open(
    data_key: &DataKey,
    place: &Place<'_>,
    envelope: &[u8],
) -> Result<SecretBytes, SealError> {
    let envelope = Envelope::split(envelope).ok_or(SealError::Broken)?;
    if envelope.data_key_id != data_key.id.to_bytes() {
        return Err(SealError::Broken);
    }
    let associated = associated_data(envelope.head, place).ok_or(SealError::Broken)?;
    let (cipher, commitment) = derive(data_key, &envelope.nonce);
    if !constant_time_eq(&commitment, &envelope.commitment) {
        return Err(SealError::Broken);
    }
    let payload = Payload { msg: envelope.ciphertext, aad: &associated };
    let plaintext = cipher.decrypt(&XNonce::from(envelope.nonce), payload);
    plaintext.map(SecretBytes::new).map_err(|_| SealError::Broken)
}

/// The name of the key that an envelope was sealed under. It is not authenticated until the
/// envelope has been opened.
///
/// # Errors
/// [`SealError::Broken`] when the bytes are no envelope.
pub fn data_key_id(envelope: &[u8]) -> Result<DataKeyId, SealError> {
    let envelope = Envelope::split(envelope).ok_or(SealError::Broken)?;
    Ok(DataKeyId::from_bytes(envelope.data_key_id))
}

/// An envelope's parts.
struct Envelope<'a> {
    head: &'a [u8],
    data_key_id: [u8; ID_LEN],
    nonce: [u8; NONCE_LEN],
    commitment: [u8; COMMITMENT_LEN],
    ciphertext: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn split(bytes: &'a [u8]) -> Option<Envelope<'a>> {
        let (head, rest) = bytes.split_at_checked(2 + ID_LEN)?;
        let data_key_id = head.strip_prefix(&[VERSION, SUITE])?.try_into().ok()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (commitment, ciphertext) = rest.split_first_chunk()?;
        Some(Envelope { head, data_key_id, nonce: *nonce, commitment: *commitment, ciphertext })
    }
}

/// The cipher and the commitment of a key under a nonce.
fn derive(
    data_key: &DataKey,
    nonce: &[u8; NONCE_LEN],
) -> (XChaCha20Poly1305, [u8; COMMITMENT_LEN]) {
    let derived: Zeroizing<[u8; 64]> =
        Zeroizing::new(hkdf_sha256(data_key.key.expose(), nonce, INFO));
    let mut key = Zeroizing::new([0; KEY_LEN]);
    let mut commitment = [0; COMMITMENT_LEN];
    for (to, from) in key.iter_mut().chain(&mut commitment).zip(derived.iter()) {
        *to = *from;
    }
    (XChaCha20Poly1305::new((&*key).into()), commitment)
}

fn associated_data(head: &[u8], place: &Place<'_>) -> Option<Vec<u8>> {
    let mut data = Vec::with_capacity(128);
    let organization_id = place.organization_id.as_str();
    for field in [
        head,
        organization_id.as_bytes(),
        place.table.as_bytes(),
        place.column.as_bytes(),
        place.row.as_bytes(),
    ] {
        data.extend_from_slice(&u32::try_from(field.len()).ok()?.to_be_bytes());
        data.extend_from_slice(field);
    }
    Some(data)
}

const VERSION: u8 = 1;
const SUITE: u8 = 1;
const ID_LEN: usize = 16;
const NONCE_LEN: usize = 24;
const COMMITMENT_LEN: usize = 32;
const KEY_LEN: usize = 32;
const INFO: &[u8] = b"agentidp/seal/v1";
