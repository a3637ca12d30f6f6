//! Signed tokens in compact form (RFC 7515 section 7.1).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Jwk, VerifyError};
use crate::base::limits::{KID_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::canon::parse_strict_object;
use crate::crypto::{Alg, CryptoError, SignatureVerifier, Signer};

/// Signs tokens of one type with one key. The header is encoded once.
#[derive(Clone)]
pub struct TokenSigner {
    signer: Arc<dyn Signer>,
    kid: String,
    /// The encoded header and the dot after it.
    prefix: String,
}

impl TokenSigner {
    /// Signs tokens whose header's `typ` is `typ`, such as `at+jwt`. Their `kid` is the thumbprint of
    /// the key.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))] {
    /// use agentidp_core::crypto::{Alg, CryptoProvider};
    /// use agentidp_core::jose::{TokenSigner, parse_compact};
    /// use agentidp_core::SystemRng;
    ///
    /// let provider = CryptoProvider::default_provider();
    /// let key = provider.generate(Alg::EdDsa, &SystemRng).unwrap();
    /// let signer = TokenSigner::new(provider.signer(&key).unwrap(), "at+jwt");
    /// let token = signer.sign(br#"{"sub":"agent"}"#).unwrap();
    /// assert_eq!(parse_compact(&token).unwrap().payload(), br#"{"sub":"agent"}"#);
    /// # }
    /// ```
    pub fn new(signer: Arc<dyn Signer>, typ: &str) -> TokenSigner {
        let kid = signer.public_key().thumbprint();
        let header = Value::Object(Map::from_iter([
            ("alg".to_owned(), Value::from(signer.alg().as_str())),
            ("kid".to_owned(), Value::from(kid.as_str())),
            ("typ".to_owned(), Value::from(typ)),
        ]));
        let mut prefix = URL_SAFE_NO_PAD.encode(header.to_string());
        prefix.push('.');
        TokenSigner { signer, kid, prefix }
    }

    /// The name of the key in the set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm.
    pub fn alg(&self) -> Alg {
        self.signer.alg()
    }

    /// The token with the payload `claims`, the bytes of a JSON object.
    ///
    /// # Errors
    /// [`CryptoError::Signing`] when the provider fails.
    pub fn sign(&self, claims: &[u8]) -> Result<String, CryptoError> {
        let mut token = String::with_capacity(self.prefix.len() + claims.len() * 4 / 3 + 100);
        token.push_str(&self.prefix);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signer.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSigner({}, {})", self.alg(), self.kid)
    }
}

/// What a token's header says, as far as we listen.
///
/// `jwk`, `jku`, `x5u`, `x5c` and `x5t` are ignored: a token does not bring the key it is verified with.
/// The one kind that does is the proof of a key; see [`Compact::embedded_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

impl Header {
    /// The algorithm it names. It is compared with the key's and decides nothing.
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The type of the token.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// The name of the key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the type is `expected`, with or without `application/` before it; media types have no
    /// case (RFC 7515 section 4.1.9).
    pub fn is_type(&self, expected: &str) -> bool {
        const PREFIX: &str = "application/";
        self.typ().is_some_and(|typ| {
            let bare = match typ.split_at_checked(PREFIX.len()) {
                Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
                _ => typ,
            };
            bare.eq_ignore_ascii_case(expected)
        })
    }

    /// Reads a header. What changes the meaning of a token and is unknown here refuses it.
    fn parse(bytes: &[u8]) -> Result<Header, VerifyError> {
        let mut members = parse_strict_object(bytes, TOKEN_BYTES_MAX)
            .map_err(|_| VerifyError::Header("not an acceptable JSON object"))?;
        // `crit` names extensions that must be understood, and we know none (RFC 7515 section 4.1.11).
        // `b64` (RFC 7797) and `zip` change what is signed or read; `enc` belongs to JWE.
        for name in ["crit", "b64", "zip", "enc"] {
            if members.contains_key(name) {
                return Err(VerifyError::Header("an extension that is not supported"));
            }
        }
        let cty = take_string(&mut members, "cty", "`cty` is not a string")?;
        if cty.is_some_and(|cty| is_nested(&cty)) {
            return Err(VerifyError::Header("a token within a token"));
        }
        let kid = take_string(&mut members, "kid", "`kid` is not a string")?;
        if kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
            return Err(VerifyError::Header("`kid` is too long"));
        }
        let alg = take_string(&mut members, "alg", "`alg` is not a string")?;
        Ok(Header {
            alg: alg.ok_or(VerifyError::Header("`alg` is missing"))?,
            typ: take_string(&mut members, "typ", "`typ` is not a string")?,
            kid,
        })
    }
}

/// `JWT`, or any media type of tokens (RFC 7519 section 5.2).
fn is_nested(cty: &str) -> bool {
    let cty = cty.to_ascii_lowercase();
    cty == "jwt" || cty == "application/jwt" || cty.ends_with("+jwt")
}

fn take_string(
    members: &mut Map<String, Value>,
    name: &str,
    complaint: &'static str,
) -> Result<Option<String>, VerifyError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(VerifyError::Header(complaint)),
    }
}

/// A token taken apart. Nothing of it is to be believed before [`Compact::verify`].
pub struct Compact<'a> {
    header: Header,
    encoded_header: &'a str,
    payload: Vec<u8>,
    signing_input: &'a [u8],
    signature: Vec<u8>,
}

impl Compact<'_> {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload's bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The public key that the header brings, by the same policy as any other (RFC 9449 section 4.2).
    /// Whoever made the token has it; that says nothing about who they are.
    ///
    /// # Errors
    /// [`VerifyError::Header`] when there is none, or it is one that is not let in.
    pub fn embedded_key(&self) -> Result<Jwk, VerifyError> {
        let refused = VerifyError::Header("`jwk` is missing or not an acceptable public key");
        let members = parse_strict_object(&decode(self.encoded_header)?, TOKEN_BYTES_MAX);
        let members = members.map_err(|_| refused.clone())?;
        let jwk = members.get("jwk").and_then(Value::as_object).ok_or(refused.clone())?;
        Jwk::from_members(jwk).map_err(|_| refused)
    }

    /// Checks the signature by `verifier`, whose key was found without asking the token for more than
    /// its name.
    ///
    /// # Errors
    /// [`VerifyError::Algorithm`] when the header names another algorithm than the key's,
    /// [`VerifyError::Signature`] when the signature does not verify.
    pub fn verify(&self, verifier: &dyn SignatureVerifier) -> Result<(), VerifyError> {
        if !verifier.alg().is_named(&self.header.alg) {
            return Err(VerifyError::Algorithm);
        }
        verifier.verify(self.signing_input, &self.signature).map_err(|_| VerifyError::Signature)
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compact").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Takes a token apart: three parts of canonical base64url, and a header without anything that would
/// change the meaning of the rest.
///
/// # Errors
/// [`VerifyError`] when it is longer than 16 KiB, not in compact form, or when its header is refused.
pub fn parse_compact(token: &str) -> Result<Compact<'_>, VerifyError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(VerifyError::TooLong { size: token.len(), limit: TOKEN_BYTES_MAX });
    }
    let (signing_input, signature) = token.rsplit_once('.').ok_or(VerifyError::Form)?;
    // A further dot in the header or payload is not base64url, hence no fourth part passes.
    let (header, payload) = signing_input.split_once('.').ok_or(VerifyError::Form)?;
    Ok(Compact {
        header: Header::parse(&decode(header)?)?,
        encoded_header: header,
        payload: decode(payload)?,
        signing_input: signing_input.as_bytes(),
        signature: decode(signature)?,
    })
}

/// Decodes one part, which is not empty. The engine refuses padding, whitespace and trailing bits.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    if part.is_empty() {
        return Err(VerifyError::Form);
    }
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Form)
}
