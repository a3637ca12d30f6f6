//! Floor 0: one table of every failure that users, scripts and clients may rely on.
//!
//! A code never changes its meaning. Each row gives its text, the HTTP status, the OAuth error of
//! RFC 6749 section 5.2 where one applies, the exit code of the command line, and what to do.

use std::fmt;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $http:literal, $oauth:expr, $exit:literal, $hint:literal;)*) => {
        /// What failed, as one row of the table in this module.
        ///
        /// ```
        /// use agentidp_core::ErrorCode;
        /// let code = ErrorCode::InvalidClient;
        /// assert_eq!(code.as_str(), "invalid_client");
        /// assert_eq!((code.http_status(), code.exit_code()), (401, 1));
        /// assert_eq!(code.oauth_error(), Some("invalid_client"));
        /// assert!(ErrorCode::ALL.contains(&code));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            const fn row(self) -> Row {
                match self {
                    $(ErrorCode::$name => Row {
                        text: $text, http: $http, oauth: $oauth, exit: $exit, hint: $hint,
                        // The comment's text, whose lines begin with a space each.
                        meaning: concat!($($doc),+).trim_ascii(),
                    },)*
                }
            }
        }
    };
}

struct Row {
    text: &'static str,
    http: u16,
    oauth: Option<&'static str>,
    exit: u8,
    hint: &'static str,
    meaning: &'static str,
}

error_codes! {
    /// A value that a caller gave breaks a rule.
    InvalidInput = "invalid_input", 400, Some("invalid_request"), 1, "correct the value and try again";
    /// Unknown client, wrong secret, inactive agent or organization: one answer for all.
    InvalidClient = "invalid_client", 401, Some("invalid_client"), 1, "check the client id and the secret; `agentidp audit list` tells an administrator why";
    /// The scope is malformed or not the agent's to ask for.
    InvalidScope = "invalid_scope", 400, Some("invalid_scope"), 1, "ask only for scopes the agent is registered with";
    /// The resource is not an audience of the agent.
    InvalidTarget = "invalid_target", 400, Some("invalid_target"), 1, "ask only for a resource the agent is registered with";
    /// The token to be exchanged, or that of who is to act, is not acceptable (RFC 8693 section 2.2.2).
    ExchangeRefused = "exchange_refused", 400, Some("invalid_request"), 1, "hand in a live token that names this client in `may_act`; `agentidp audit list` tells an administrator why";
    /// The proof of a key is not one, or not for this request (RFC 9449 section 5).
    InvalidDpopProof = "invalid_dpop_proof", 400, Some("invalid_dpop_proof"), 1, "make a new proof for each request, by a clock that is right";
    /// The proof of a key lacks a recent nonce (RFC 9449 section 8).
    UseDpopNonce = "use_dpop_nonce", 400, Some("use_dpop_nonce"), 1, "make the proof again with the nonce in `DPoP-Nonce`";
    /// The agent exists but may not do this.
    UnauthorizedClient = "unauthorized_client", 400, Some("unauthorized_client"), 1, "ask as the client whose token it is, or as one with the scope that allows it";
    /// Nothing by that id, or nothing that the caller may see.
    NotFound = "not_found", 404, None, 1, "check the id and the organization";
    /// The slug is taken.
    SlugTaken = "slug_taken", 409, None, 1, "choose another slug";
    /// The slug is one that URLs, DIDs or issuers need themselves.
    SlugReserved = "slug_reserved", 400, None, 1, "choose another slug";
    /// The organization or agent is not active.
    NotActive = "not_active", 409, None, 1, "activate it again first; what was deleted or decommissioned stays so";
    /// The agent is decommissioned.
    Decommissioned = "decommissioned", 409, None, 1, "register another agent: this one is gone for good";
    /// A limit of the organization or of the library is reached.
    LimitReached = "limit_reached", 409, None, 1, "remove what is no longer needed, or raise the limit";
    /// The organization has issued as many tokens in this calendar month (UTC) as it may. Unlike a rate
    /// limit, it does not pass in a minute.
    QuotaExceeded = "quota_exceeded", 429, Some("quota_exceeded"), 1, "wait for the next month (UTC), or raise the organization's limit of tokens";
    /// As many requests have come in the last minute as may: of the organization, or of the address.
    RateLimited = "rate_limited", 429, Some("rate_limited"), 1, "wait as long as `Retry-After` says; an administrator may raise the organization's limit";
    /// There is one already, of that id or of that key.
    AlreadyExists = "already_exists", 409, None, 1, "use the one that is there, or choose another";
    /// What the decision was made on changed before it could be written.
    Conflict = "conflict", 409, None, 1, "read it again and repeat";
    /// The access token lacks a scope, or its bearer would grant one that it does not hold.
    InsufficientScope = "insufficient_scope", 403, Some("insufficient_scope"), 1, "ask for a token with that scope, if the agent may have it";
    /// The caller's role in the organization does not allow this.
    Forbidden = "forbidden", 403, None, 1, "ask an owner of the organization";
    /// The `system` organization can be neither suspended nor deleted.
    SystemOrg = "system_org", 409, None, 1, "the instance is administered from it: suspend or delete another one";
    /// The agent is a member of the organization already, in another role.
    AlreadyMember = "already_member", 409, None, 1, "change its role instead: agentidp org member set-role";
    /// The organization's last owner can be neither removed nor made anything else.
    LastOwner = "last_owner", 409, None, 1, "make another agent an owner first";
    /// The token is not valid.
    InvalidToken = "invalid_token", 401, Some("invalid_token"), 3, "ask the issuer for a new token";
    /// A key is not acceptable: its policy, its form or its algorithm.
    InvalidKey = "invalid_key", 400, None, 1, "supply an Ed25519, P-256 or RSA (2048 to 8192 bits) signature key";
    /// A key set is not acceptable.
    InvalidKeySet = "invalid_key_set", 400, None, 1, "supply a JWK set with public signature keys and distinct key ids";
    /// The audit trail does not verify.
    AuditBroken = "audit_broken", 500, None, 3, "keep the database as it is and compare it with the last export";
    /// The configuration cannot be used.
    ConfigInvalid = "config_invalid", 500, None, 1, "see `agentidp init --help` for what the home holds";
    /// There is no instance here yet.
    NotInitialized = "not_initialized", 500, None, 1, "make one: agentidp init --issuer URL";
    /// There is an instance here already.
    AlreadyInitialized = "already_initialized", 409, None, 1, "use it as it is, or choose another home";
    /// The key-encryption key is missing, wrong or readable by others.
    KekUnavailable = "kek_unavailable", 500, None, 1, "supply the key that this instance was made with, readable by its owner alone (mode 0600)";
    /// A sealed value does not open: it was moved, altered, or sealed under another key.
    SealBroken = "seal_broken", 500, None, 1, "restore the value from a backup; it was not written by this instance as it stands";
    /// The database cannot be reached or opened.
    DatabaseUnavailable = "database_unavailable", 503, Some("temporarily_unavailable"), 1, "check the database URL, its permissions and that it runs";
    /// The database is read-only, full or failing.
    DatabaseFailed = "database_failed", 503, Some("temporarily_unavailable"), 1, "check the disk's space and the permissions; nothing was changed";
    /// The connection was lost while the database was committing: it was done, or it was not.
    OutcomeUnknown = "outcome_unknown", 503, Some("temporarily_unavailable"), 1, "look whether it was done before you repeat it";
    /// The database is busy with another process.
    DatabaseBusy = "database_busy", 503, Some("temporarily_unavailable"), 1, "try again in a moment";
    /// All threads are busy and the queue is full.
    Overloaded = "overloaded", 503, Some("temporarily_unavailable"), 1, "try again in a moment, or give it more threads";
    /// The database belongs to another instance.
    DatabaseForeign = "database_foreign", 500, None, 1, "use the home and the database that were made together";
    /// The schema is newer than this program, or a migration was changed.
    SchemaMismatch = "schema_mismatch", 500, None, 1, "use the version of agentidp that wrote this database, or a newer one";
    /// The schema is older than this program.
    SchemaOutdated = "schema_outdated", 500, None, 1, "run: agentidp db migrate";
    /// The database role could read around the tenant walls.
    RoleTooStrong = "role_too_strong", 500, None, 1, "use a role that is no superuser and has no BYPASSRLS";
    /// The system's source of randomness failed.
    EntropyFailed = "entropy_failed", 500, None, 1, "check the system's random device";
    /// A statement touched a row of another organization: a fault of this program, stopped by a wall.
    TenantWall = "tenant_wall", 500, None, 1, "report it: this is a fault of agentidp";
    /// A fault of this program.
    Internal = "internal", 500, Some("server_error"), 1, "report it: this is a fault of agentidp";
}

impl ErrorCode {
    /// The stable text of the code.
    pub const fn as_str(self) -> &'static str {
        self.row().text
    }

    /// The HTTP status that carries it.
    pub const fn http_status(self) -> u16 {
        self.row().http
    }

    /// The OAuth error (RFC 6749 section 5.2, RFC 6750, RFC 8707), where one applies.
    pub const fn oauth_error(self) -> Option<&'static str> {
        self.row().oauth
    }

    /// The exit code of the command line: 1 refused or failed, 3 the thing checked is not valid.
    pub const fn exit_code(self) -> u8 {
        self.row().exit
    }

    /// What happened, in a sentence: the one that documents the code.
    ///
    /// ```
    /// use agentidp_core::ErrorCode;
    /// assert_eq!(ErrorCode::SlugTaken.meaning(), "The slug is taken.");
    /// ```
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// What to do about it.
    pub const fn hint(self) -> &'static str {
        self.row().hint
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn codes_are_distinct_and_their_rows_make_sense() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert!(matches!(code.exit_code(), 1 | 3), "{code}");
            assert!(!code.hint().ends_with('.'), "{code}");
            assert!(code.meaning().ends_with('.') && !code.meaning().contains("  "), "{code}");
        }
    }
}
