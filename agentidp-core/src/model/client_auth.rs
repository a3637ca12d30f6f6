//! By what a client proves itself at the token, introspection and revocation endpoints.

use crate::base::SecretString;

/// By what a client proves itself (RFC 6749 section 2.3, RFC 7523 section 2.2).
///
/// ```
/// use agentidp_core::ClientAuth;
/// let by_secret = ClientAuth::secret("client", "aidp_secret");
/// let by_key = ClientAuth::assertion("header.payload.signature");
/// ```
#[derive(Debug)]
pub struct ClientAuth(pub(crate) ClientProof);

#[derive(Debug)]
pub(crate) enum ClientProof {
    Secret { client_id: String, client_secret: SecretString },
    Assertion { client_id: Option<String>, assertion: SecretString },
}

impl ClientAuth {
    /// The client `client_id`, by its secret (`client_secret_basic`, `client_secret_post`).
    pub fn secret(client_id: impl ToString, client_secret: impl Into<SecretString>) -> ClientAuth {
        let client_id = client_id.to_string();
        ClientAuth(ClientProof::Secret { client_id, client_secret: client_secret.into() })
    }

    /// The client that signed `assertion` by a key of its own (`private_key_jwt`). It names itself
    /// inside: as `iss` and `sub`.
    pub fn assertion(assertion: impl Into<SecretString>) -> ClientAuth {
        ClientAuth(ClientProof::Assertion { client_id: None, assertion: assertion.into() })
    }

    /// Refuses an assertion of another client than `client_id`, which a request may name beside it
    /// (RFC 7521 section 4.2). A secret is that of the client it was given with.
    #[must_use]
    pub fn of_client(mut self, named: impl ToString) -> ClientAuth {
        if let ClientProof::Assertion { client_id, .. } = &mut self.0 {
            *client_id = Some(named.to_string());
        }
        self
    }
}
