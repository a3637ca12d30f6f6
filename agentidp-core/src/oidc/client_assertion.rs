//! Assertions by which clients prove themselves with a key (RFC 7523 section 3).

use crate::base::limits::{ASSERTION_LIFE_SECONDS_MAX, FOREIGN_JTI_BYTES_MAX, SKEW_SECONDS};
use crate::base::{SecretString, Timestamp};
use crate::crypto::{Alg, SignatureVerifier, sha256};
use crate::jose::{VerifyError, parse_compact};

use super::ClaimReader;

/// The types that an assertion may say it is. Most clients say `JWT` or nothing.
const TYPES: [&str; 2] = ["client-authentication+jwt", "JWT"];

/// An assertion taken apart. Nothing of it is to be believed before [`verify`](Self::verify).
///
/// ```
/// use agentidp_core::oidc::ClientAssertion;
/// assert!(ClientAssertion::parse(&"no token".into()).is_err());
/// ```
#[derive(Debug)]
pub struct ClientAssertion<'a> {
    text: &'a str,
    alg: Option<Alg>,
    kid: Option<String>,
    client_id: String,
    audience: Vec<String>,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
}

/// What has to be remembered so that an assertion or a proof is used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// The SHA-256 of its kind and its `jti`.
    pub jti_hash: [u8; 32],
    /// From when nobody accepts it any more.
    pub until: Timestamp,
}

impl<'a> ClientAssertion<'a> {
    /// Reads an assertion: all of RFC 7523 section 3 that its form tells.
    ///
    /// # Errors
    /// [`VerifyError`] when a claim is missing or malformed, or it is a token of another kind.
    pub fn parse(assertion: &'a SecretString) -> Result<ClientAssertion<'a>, VerifyError> {
        let text = assertion.expose();
        let token = parse_compact(text)?;
        let header = token.header();
        if header.typ().is_some() && !TYPES.iter().any(|typ| header.is_type(typ)) {
            return Err(VerifyError::Type);
        }
        let mut claims = ClaimReader::new(token.payload())?;
        let (iss, sub) = (claims.string("iss")?, claims.string("sub")?);
        if iss != sub {
            return Err(VerifyError::Issuer);
        }
        let jti = claims.string("jti")?;
        if jti.len() > FOREIGN_JTI_BYTES_MAX {
            return Err(VerifyError::Claim("jti"));
        }
        Ok(ClientAssertion {
            text,
            alg: Alg::parse(header.alg()),
            kid: header.kid().map(str::to_owned),
            client_id: sub,
            audience: claims.audience()?,
            exp: claims.seconds("exp")?,
            iat: claims.optional_seconds("iat")?,
            nbf: claims.optional_seconds("nbf")?,
            jti,
        })
    }

    /// The client that it says it is of.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The algorithm that it says it is signed with, if it is one of ours.
    pub fn alg(&self) -> Option<Alg> {
        self.alg
    }

    /// The name of the key that it says it is signed by.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Verifies that the client signed it for `issuer` and that it is recent. It must be used once.
    ///
    /// Its audience is the issuer and nobody else: an assertion for the address of an endpoint, or for
    /// several servers, could have been made for another one (CVE-2025-27370).
    ///
    /// # Errors
    /// [`VerifyError`] when anything at all is not as it should be.
    pub fn verify(
        &self,
        key: &dyn SignatureVerifier,
        issuer: &str,
        now: Timestamp,
    ) -> Result<SingleUse, VerifyError> {
        parse_compact(self.text)?.verify(key)?;
        let client = self.client_id.as_str();
        if self.audience != [issuer] {
            return Err(VerifyError::Audience);
        }
        let now = now.as_seconds();
        if now >= self.exp + SKEW_SECONDS {
            return Err(VerifyError::Expired);
        }
        if self.exp > now + ASSERTION_LIFE_SECONDS_MAX + SKEW_SECONDS {
            return Err(VerifyError::LifeTooLong);
        }
        if self.iat.max(self.nbf).is_some_and(|from| from > now + SKEW_SECONDS) {
            return Err(VerifyError::NotYetValid);
        }
        Ok(SingleUse {
            // Clients have ids of one length: the parts cannot run into each other.
            jti_hash: sha256(&[b"agentidp/assertion/v1", client.as_bytes(), self.jti.as_bytes()]),
            until: Timestamp::from_seconds(self.exp + SKEW_SECONDS),
        })
    }
}
