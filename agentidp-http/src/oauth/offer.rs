//! What is implemented: the table that requests are read by and that the metadata is written from.

/// Where something of the protocols is answered, under the issuer's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
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
}

impl GrantType {
    /// Every one.
    pub(crate) const ALL: &[GrantType] = &[GrantType::ClientCredentials];

    /// Its name in `grant_type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            GrantType::ClientCredentials => "client_credentials",
        }
    }

    /// The grant of that name.
    pub(crate) fn parse(name: &str) -> Option<GrantType> {
        GrantType::ALL.iter().copied().find(|grant| grant.as_str() == name)
    }
}

/// How a client proves itself at the token, introspection and revocation endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthMethod {
    /// By a secret in the `Authorization` field (RFC 6749 section 2.3.1).
    Basic,
    /// By a secret in the body.
    Post,
}

impl AuthMethod {
    /// Every one.
    pub(crate) const ALL: &[AuthMethod] = &[AuthMethod::Basic, AuthMethod::Post];

    /// Its name in the metadata (OpenID Connect Core section 9).
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            AuthMethod::Basic => "client_secret_basic",
            AuthMethod::Post => "client_secret_post",
        }
    }
}

/// The claims of ID tokens and of `/agent-info`.
pub(crate) const CLAIMS: &[&str] =
    &["iss", "sub", "aud", "exp", "iat", "at_hash", "organization_id", "agent_did", "agent_name"];
