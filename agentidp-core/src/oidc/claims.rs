//! The claims of access tokens (RFC 9068) and ID tokens (OpenID Connect Core section 2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::ClaimReader;
use crate::base::JsonObject;
use crate::crypto::{Alg, sha256, sha512};
use crate::jose::VerifyError;

/// The `typ` of access tokens (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
/// The `typ` of ID tokens (RFC 7519 section 5.1).
pub const ID_TOKEN_TYPE: &str = "JWT";

/// What an access token says. Fields have the names of their claims; times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AccessTokenClaims {
    /// Who issued it.
    pub iss: String,
    /// The agent.
    pub sub: String,
    /// For whom it is meant; never empty.
    #[serde(serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// The second from which it is no longer valid.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// The second from which it is valid, where that is not `iat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its own name.
    pub jti: String,
    /// The client that asked for it: the agent itself, unless it acts for another.
    pub client_id: String,
    /// What it allows: scopes separated by spaces. Absent when it allows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The agent's organization.
    pub organization_id: String,
    /// The agent's DID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_did: Option<String>,
    /// Who acts for the subject (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Value>,
    /// Who may act for the subject (RFC 8693 section 4.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Value>,
    /// The key that its holder must prove to have (RFC 7800 section 3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Value>,
}

impl AccessTokenClaims {
    /// Reads the payload of an access token. Only its form is checked; times, issuer and audience are
    /// the [`Verifier`](super::Verifier)'s.
    ///
    /// # Errors
    /// [`VerifyError`] when the payload is not JSON that we read, or a claim is missing or malformed.
    pub fn from_payload(payload: &[u8]) -> Result<AccessTokenClaims, VerifyError> {
        let mut claims = ClaimReader::new(payload)?;
        Ok(AccessTokenClaims {
            iss: claims.string("iss")?,
            sub: claims.string("sub")?,
            aud: claims.audience()?,
            exp: claims.seconds("exp")?,
            iat: claims.seconds("iat")?,
            nbf: claims.optional_seconds("nbf")?,
            jti: claims.string("jti")?,
            client_id: claims.string("client_id")?,
            scope: claims.optional_string("scope")?,
            organization_id: claims.string("organization_id")?,
            agent_did: claims.optional_string("agent_did")?,
            act: claims.optional_object("act")?,
            may_act: claims.optional_object("may_act")?,
            cnf: claims.optional_object("cnf")?,
        })
    }

    /// The scopes, one by one.
    ///
    /// ```
    /// use agentidp_core::oidc::AccessTokenClaims;
    /// let claims = AccessTokenClaims::from_payload(br#"{"iss":"https://idp.example.com","sub":"a",
    ///     "aud":"https://api.example.com","iat":1,"exp":2,"jti":"b","client_id":"a",
    ///     "organization_id":"c","scope":"tools:read tools:write"}"#)?;
    /// assert_eq!(claims.scopes().collect::<Vec<_>>(), ["tools:read", "tools:write"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.iter().flat_map(|scope| scope.split(' ')).filter(|scope| !scope.is_empty())
    }

    /// The payload of a token that says this.
    pub fn to_payload(&self) -> Vec<u8> {
        let claims = AccessClaims {
            iss: &self.iss,
            sub: &self.sub,
            aud: &self.aud,
            exp: self.exp,
            iat: self.iat,
            nbf: self.nbf,
            jti: &self.jti,
            client_id: &self.client_id,
            scope: self.scope.as_deref(),
            organization_id: &self.organization_id,
            agent_did: self.agent_did.as_deref(),
            act: self.act.as_ref(),
            may_act: self.may_act.as_ref(),
            cnf: self.cnf.as_ref(),
        };
        claims.to_payload()
    }
}

/// Bytes for which there is room at first in the payload of an access token.
const PAYLOAD_BYTES: usize = 768;

/// As [`AccessTokenClaims`], of texts that are somebody else's: for whoever signs thousands a second.
pub(crate) struct AccessClaims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) aud: &'a [String],
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) nbf: Option<i64>,
    pub(crate) jti: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scope: Option<&'a str>,
    pub(crate) organization_id: &'a str,
    pub(crate) agent_did: Option<&'a str>,
    pub(crate) act: Option<&'a Value>,
    pub(crate) may_act: Option<&'a Value>,
    pub(crate) cnf: Option<&'a Value>,
}

impl AccessClaims<'_> {
    /// The payload of a token that says this.
    pub(crate) fn to_payload(&self) -> Vec<u8> {
        let mut claims = JsonObject::with_capacity(PAYLOAD_BYTES);
        claims.text("iss", self.iss);
        claims.text("sub", self.sub);
        match self.aud {
            [one] => claims.text("aud", one),
            many => claims.texts("aud", many),
        }
        claims.bare("exp", self.exp);
        claims.bare("iat", self.iat);
        if let Some(nbf) = self.nbf {
            claims.bare("nbf", nbf);
        }
        claims.text("jti", self.jti);
        claims.text("client_id", self.client_id);
        claims.text_if_any("scope", self.scope);
        claims.text("organization_id", self.organization_id);
        claims.text_if_any("agent_did", self.agent_did);
        claims.value_if_any("act", self.act);
        claims.value_if_any("may_act", self.may_act);
        claims.value_if_any("cnf", self.cnf);
        claims.end().into_bytes()
    }
}

/// What an ID token says. Fields have the names of their claims; times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// Who issued it.
    pub iss: String,
    /// The agent.
    pub sub: String,
    /// The client it was issued to, and nobody else.
    #[serde(serialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// The second from which it is no longer valid.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// The hash of the access token issued with it; see [`at_hash`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// The agent's organization.
    pub organization_id: String,
    /// The agent's DID.
    pub agent_did: String,
    /// The agent's name.
    pub agent_name: String,
}

impl IdTokenClaims {
    /// Reads the payload of an ID token; see [`AccessTokenClaims::from_payload`].
    ///
    /// # Errors
    /// [`VerifyError`] when the payload is not JSON that we read, or a claim is missing or malformed.
    pub fn from_payload(payload: &[u8]) -> Result<IdTokenClaims, VerifyError> {
        let mut claims = ClaimReader::new(payload)?;
        Ok(IdTokenClaims {
            iss: claims.string("iss")?,
            sub: claims.string("sub")?,
            aud: claims.audience()?,
            exp: claims.seconds("exp")?,
            iat: claims.seconds("iat")?,
            at_hash: claims.optional_string("at_hash")?,
            organization_id: claims.string("organization_id")?,
            agent_did: claims.string("agent_did")?,
            agent_name: claims.string("agent_name")?,
        })
    }

    /// The payload of a token that says this.
    pub fn to_payload(&self) -> Vec<u8> {
        // Strings and integers: there is nothing here that JSON cannot hold.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The `at_hash` of an access token in an ID token signed with `alg` (OpenID Connect Core section
/// 3.1.3.6): the left half of the hash that the algorithm uses, which for Ed25519 is SHA-512.
///
/// ```
/// use agentidp_core::{crypto::Alg, oidc::at_hash};
/// // The example of OpenID Connect Core appendix A.3.
/// assert_eq!(at_hash(Alg::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
/// ```
pub fn at_hash(alg: Alg, access_token: &str) -> String {
    let token = access_token.as_bytes();
    let hash = match alg {
        Alg::EdDsa => sha512(&[token]).to_vec(),
        Alg::Es256 | Alg::Rs256 => sha256(&[token]).to_vec(),
    };
    let (left, _) = hash.split_at(hash.len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

/// One audience is written as a string, which every reader understands (RFC 7519 section 4.1.3).
fn one_or_many<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}
