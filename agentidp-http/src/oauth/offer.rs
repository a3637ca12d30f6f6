//! What is implemented: the table that the metadata is written from. Endpoints, grants and types of tokens are
//! read by it as well; a test does each thing that the metadata names.

use agentidp_core::Alg;

/// Where something of the protocols is answered, under the issuer's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Requests for consent, of which there are none (RFC 6749 section 3.1).
    Authorization,
    /// Tokens (RFC 6749 section 3.2).
    Token,
    /// Questions about tokens (RFC 7662).
    Introspection,
    /// Ends of tokens (RFC 7009).
    Revocation,
    /// What a token tells about its agent (OpenID Connect Core section 5.3).
    AgentInfo,
    /// The public keys (RFC 7517).
    Jwks,
}

impl Endpoint {
    /// The path, under that of the issuer.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Endpoint::Authorization => "/oauth2/authorize",
            Endpoint::Token => "/oauth2/token",
            Endpoint::Introspection => "/oauth2/introspect",
            Endpoint::Revocation => "/oauth2/revoke",
            Endpoint::AgentInfo => "/agent-info",
            Endpoint::Jwks => "/.well-known/jwks.json",
        }
    }
}

/// How a client gets a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantType {
    /// By itself (RFC 6749 section 4.4).
    ClientCredentials,
    /// In exchange for another (RFC 8693).
    TokenExchange,
}

impl GrantType {
    /// Every one.
    pub(crate) const ALL: &[GrantType] = &[GrantType::ClientCredentials, GrantType::TokenExchange];

    /// Its name in `grant_type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            GrantType::ClientCredentials => "client_credentials",
            GrantType::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// The grant of that name.
    pub(crate) fn parse(name: &str) -> Option<GrantType> {
        GrantType::ALL.iter().copied().find(|grant| grant.as_str() == name)
    }
}

/// What an authorization request may ask for: nothing.
pub(crate) const RESPONSE_TYPES: [&str; 0] = [];

/// How clients prove themselves at the token, introspection and revocation endpoints (OpenID Connect
/// Core section 9).
pub(crate) const AUTH_METHODS: &[&str] =
    &["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The algorithms of what others sign: clients' assertions, and proofs of keys. RFC 9864 has a second
/// name for one of them, and both are read.
pub(crate) const FOREIGN_ALGS: &[&str] =
    &[Alg::Es256.as_str(), Alg::EdDsa.as_str(), "Ed25519", Alg::Rs256.as_str()];

/// The type of the tokens that may be exchanged, and of those that are issued for them (RFC 8693
/// section 3).
pub(crate) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// The claims of ID tokens and of `/agent-info`.
pub(crate) const CLAIMS: &[&str] =
    &["iss", "sub", "aud", "exp", "iat", "at_hash", "organization_id", "agent_did", "agent_name"];
