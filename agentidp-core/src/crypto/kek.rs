//! The key-encryption key: where it comes from, and what it wraps.
//!
//! File, environment and passphrase live here, since they need nothing but this machine. Vault and
//! PKCS#11 are on a higher floor.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::hash::hkdf_sha256;
use super::seal::{DataKey, Place, SealError, data_key_id, open, seal};
use crate::base::limits::KEK_FILE_BYTES_MAX;
use crate::base::{DataKeyId, EntropyError, OrgId, Rng, SecretBytes, SecretString};
use crate::error::ErrorCode;

/// Why the key-encryption key cannot be had or does not fit. No variant holds bytes of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KekError {
    /// The file cannot be read or written.
    #[error("the key file `{path}` cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error(
        "the key file `{path}` has mode {mode:04o}: its owner alone may have access (chmod 600)"
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A directory, a device, a pipe, or too long for a key.
    #[error("the key file `{0}` is not a regular file of the size of a key")]
    NotAKeyFile(PathBuf),
    /// The variable is not set, or is not text.
    #[error("the environment variable `{0}` that should hold the key is not set")]
    Variable(String),
    /// What was read is not a key.
    #[error("the key from the {0} is not 32 bytes as 64 hexadecimal digits or as base64url")]
    Format(&'static str),
    /// The passphrase is empty, or Argon2 refused it.
    #[error("the passphrase cannot be used")]
    Passphrase,
    /// The key is not the one that wrapped this.
    #[error("wrong key-encryption key: the data keys were wrapped by another")]
    Wrong,
    /// The wrapped key was altered or moved.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// No randomness.
    #[error("{0}")]
    Entropy(#[from] EntropyError),
}

impl KekError {
    /// The row of the error table.
    pub fn code(&self) -> ErrorCode {
        match self {
            KekError::Seal(error) => error.code(),
            KekError::Entropy(_) => ErrorCode::EntropyFailed,
            _ => ErrorCode::KekUnavailable,
        }
    }
}

/// Where the key-encryption key comes from.
///
/// ```
/// use agentidp_core::crypto::KekSource;
/// assert_eq!(KekSource::file("kek.key").kind(), "file");
/// ```
#[derive(Debug)]
pub struct KekSource(Source);

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Env(String),
    Passphrase(SecretString),
}

impl KekSource {
    /// A file that its owner alone can read (mode 0600 or 0400), as [`Kek::create_file`] makes it.
    pub fn file(path: impl Into<PathBuf>) -> KekSource {
        KekSource(Source::File(path.into()))
    }

    /// An environment variable, with the same text as the file.
    pub fn env(variable: impl Into<String>) -> KekSource {
        KekSource(Source::Env(variable.into()))
    }

    /// A passphrase, stretched by Argon2id with the salt that the instance keeps.
    pub fn passphrase(passphrase: SecretString) -> KekSource {
        KekSource(Source::Passphrase(passphrase))
    }

    /// Makes the key file where the source is one that is not there; other sources are left alone.
    ///
    /// # Errors
    /// [`KekError::File`] when the file cannot be written.
    pub fn create_if_missing(&self, rng: &dyn Rng) -> Result<(), KekError> {
        match &self.0 {
            Source::File(path) if !path.exists() => Kek::create_file(path, rng),
            Source::File(_) | Source::Env(_) | Source::Passphrase(_) => Ok(()),
        }
    }

    /// The kind of source: `file`, `env` or `passphrase`.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Source::File(_) => "file",
            Source::Env(_) => "env",
            Source::Passphrase(_) => "passphrase",
        }
    }

    /// Fetches the key. `salt` matters to a passphrase only.
    ///
    /// # Errors
    /// [`KekError`] when the key is missing, malformed or open to others.
    pub fn load(&self, salt: &KekSalt) -> Result<Kek, KekError> {
        let key = match &self.0 {
            Source::File(path) => parse(&read_file(path)?, "file")?,
            Source::Env(variable) => {
                let text = std::env::var(variable).map(Zeroizing::new);
                parse(&text.map_err(|_| KekError::Variable(variable.clone()))?, "environment")?
            }
            Source::Passphrase(passphrase) => stretch(passphrase, salt)?,
        };
        Kek::new(key, self.kind())
    }
}

/// The salt of a passphrase: drawn when an instance is made, and stored with it in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KekSalt([u8; 16]);

impl KekSalt {
    /// A new salt.
    ///
    /// # Errors
    /// [`EntropyError`] when `rng` fails.
    pub fn generate(rng: &dyn Rng) -> Result<KekSalt, EntropyError> {
        let mut salt = [0; 16];
        rng.fill(&mut salt)?;
        Ok(KekSalt(salt))
    }

    /// The salt that was stored.
    pub fn from_bytes(bytes: [u8; 16]) -> KekSalt {
        KekSalt(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What a wrapped key is for. It unwraps for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct KeyBinding<'a> {
    /// The name of the key that is wrapped.
    pub key_id: &'a DataKeyId,
    /// The organization whose data it seals.
    pub organization_id: &'a OrgId,
    /// The kind of data it seals.
    pub purpose: &'a str,
}

/// The key-encryption key. It wraps other keys and seals nothing else.
pub struct Kek {
    key: DataKey,
    kind: &'static str,
}

impl Kek {
    fn new(key: SecretBytes, kind: &'static str) -> Result<Kek, KekError> {
        // A name of the key that tells nothing of it, so that a wrong key is known as such.
        let name = DataKeyId::from_bytes(hkdf_sha256(key.expose(), b"", b"agentidp/kek-id/v1"));
        Ok(Kek { key: DataKey::new(name, key)?, kind })
    }

    /// Makes a file with a new key that its owner alone can read, and forces it to the disk.
    ///
    /// # Errors
    /// [`KekError::File`] when it exists already or cannot be written.
    pub fn create_file(path: &Path, rng: &dyn Rng) -> Result<(), KekError> {
        let mut key = Zeroizing::new([0u8; KEY_LEN]);
        rng.fill(key.as_mut_slice())?;
        let mut text = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.as_slice()));
        text.push('\n');
        // Written elsewhere first, so that nobody ever finds half a key by this name.
        let draft = path.with_extension(format!("new-{}", std::process::id()));
        let made =
            write_new(&draft, text.as_bytes()).and_then(|()| std::fs::hard_link(&draft, path));
        let _ = std::fs::remove_file(&draft);
        made.map_err(|source| KekError::File { path: path.to_owned(), source })
    }

    /// The kind of source it came from.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The name of this key, derived from it: the same key has the same name everywhere.
    pub fn id(&self) -> &DataKeyId {
        self.key.id()
    }

    /// Wraps `secret` for `binding`, in the envelope of [`seal`].
    ///
    /// # Errors
    /// [`KekError`] when `rng` fails.
    pub fn wrap(
        &self,
        binding: &KeyBinding<'_>,
        secret: &SecretBytes,
        rng: &dyn Rng,
    ) -> Result<Vec<u8>, KekError> {
        Ok(seal(&self.key, &binding.place(), secret.expose(), rng)?)
    }

    /// Unwraps what [`Kek::wrap`] made for `binding`.
    ///
    /// # Errors
    /// [`KekError::Wrong`] when another key wrapped it, [`KekError::Seal`] when it was altered or
    /// belongs to another binding.
    pub fn unwrap(
        &self,
        binding: &KeyBinding<'_>,
        wrapped: &[u8],
    ) -> Result<SecretBytes, KekError> {
        if data_key_id(wrapped)? != *self.id() {
            return Err(KekError::Wrong);
        }
        Ok(open(&self.key, &binding.place(), wrapped)?)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kek({}, redacted)", self.kind)
    }
}

impl KeyBinding<'_> {
    fn place(&self) -> Place<'_> {
        Place {
            organization_id: self.organization_id,
            table: "wrapped-key",
            column: self.purpose,
            row: self.key_id.as_str(),
        }
    }
}

/// Argon2id with the second recommended parameters of RFC 9106 section 4, for where memory is scarce.
fn stretch(passphrase: &SecretString, salt: &KekSalt) -> Result<SecretBytes, KekError> {
    const MEMORY_KIB: u32 = 64 * 1024;
    const PASSES: u32 = 3;
    const LANES: u32 = 4;
    if passphrase.expose().is_empty() {
        return Err(KekError::Passphrase);
    }
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(KEY_LEN));
    let params = params.map_err(|_| KekError::Passphrase)?;
    let mut key = Zeroizing::new(vec![0; KEY_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), &salt.0, &mut key)
        .map_err(|_| KekError::Passphrase)?;
    Ok(SecretBytes::new(std::mem::take(&mut *key)))
}

/// The key in `text`: 64 hexadecimal digits or 43 characters of base64url, and perhaps a line end.
pub(crate) fn parse(text: &str, origin: &'static str) -> Result<SecretBytes, KekError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let bytes =
        if text.len() == 2 * KEY_LEN { from_hex(text) } else { URL_SAFE_NO_PAD.decode(text).ok() };
    match bytes.map(SecretBytes::new) {
        Some(key) if key.expose().len() == KEY_LEN => Ok(key),
        _ => Err(KekError::Format(origin)),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(KEY_LEN);
    for pair in text.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
    }
    Some(bytes)
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, KekError> {
    let failed = |source| KekError::File { path: path.to_owned(), source };
    // Opening a pipe would block, so the kind is looked at first. What was opened is looked at again.
    check_file(path, &std::fs::metadata(path).map_err(failed)?)?;
    let file = std::fs::File::open(path).map_err(failed)?;
    check_file(path, &file.metadata().map_err(failed)?)?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY_LEN + 2));
    file.take(KEK_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn check_file(path: &Path, metadata: &std::fs::Metadata) -> Result<(), KekError> {
    if !metadata.is_file() || metadata.len() > KEK_FILE_BYTES_MAX {
        return Err(KekError::NotAKeyFile(path.to_owned()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = metadata.permissions().mode() & 0o7777;
        if mode != 0o600 && mode != 0o400 {
            return Err(KekError::Mode { path: path.to_owned(), mode });
        }
    }
    Ok(())
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()?;
    // The file's name is an entry of its directory, which must reach the disk as well.
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        std::fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

const KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// By the reference implementation: `argon2.low_level.hash_secret_raw` of argon2-cffi, with 3 passes
    /// over 65536 KiB in 4 lanes, version 19.
    #[test]
    fn a_passphrase_gives_the_key_that_the_reference_implementation_gives() {
        let salt = KekSalt::from_bytes([1; 16]);
        let key = stretch(&SecretString::from("correct horse"), &salt).unwrap();
        let expected = "4471256fa58cf203c9c30f88acf8284cb765abf5fdb02f0e300f6bade11793d1";
        assert_eq!(key.expose(), from_hex(expected).unwrap());
    }

    #[test]
    fn a_key_file_may_end_as_lines_end_on_windows() {
        for key in ["ab".repeat(KEY_LEN), URL_SAFE_NO_PAD.encode([0xab; KEY_LEN])] {
            assert_eq!(parse(&format!("{key}\r\n"), "file").unwrap().expose(), [0xab; KEY_LEN]);
            assert!(parse(&format!("{key}\r\r\n"), "file").is_err());
        }
    }

    #[test]
    fn a_key_may_be_hexadecimal_or_base64url() {
        let hex = "00".repeat(31) + "ff\n";
        let key = parse(&hex, "file").unwrap();
        let same = parse(&URL_SAFE_NO_PAD.encode(key.expose()), "file").unwrap();
        assert_eq!(key.expose(), same.expose());
        let digits = "0".repeat(63);
        for bad in [
            "",
            "\n",
            &digits,
            &format!("{digits}g"),
            &format!("{digits}0\n\n"),
            &format!(" {digits}0"),
        ] {
            let error = parse(bad, "file").unwrap_err();
            assert!(matches!(error, KekError::Format("file")), "{bad}");
        }
    }
}
