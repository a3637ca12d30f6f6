//! Requests that are done once, however often they are made.

use std::fmt;
use std::sync::Arc;

use crate::base::SecretBytes;
use crate::model::{Caller, IdempotencyKey};
use crate::ops::once::{self, Begun, KeyClaim};
use crate::ops::{Context, Fault};

use super::Idp;

/// What is known of a request that is to be done once.
#[derive(Debug)]
#[non_exhaustive]
pub enum Once {
    /// Nothing: do it now, and then say what came of it.
    First(Claim),
    /// The answer that it was given when it was done.
    Answered(SecretBytes),
    /// It runs at this moment, or was cut off, so that nobody can tell whether it was done.
    Running,
    /// The key was used for another request.
    Other,
    /// The organization has more requests remembered than it may.
    Full,
}

/// A request that nobody else does under its key. Where neither [`answer`](Claim::answer) nor
/// [`release`](Claim::release) is called, the key stays taken for a day.
#[must_use = "the key stays taken until the answer is kept or the claim released"]
pub struct Claim {
    context: Arc<Context>,
    claim: KeyClaim,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(..)")
    }
}

impl Idp {
    /// Who this handle acts for.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Asks whether `request` was made before under `key`, by the caller that this handle acts for, and
    /// takes the key for it if it was not. A request is told from another by all of its bytes and by
    /// the scopes of the caller's token.
    ///
    /// Keys and answers are kept sealed for [a day](crate::base::limits::IDEMPOTENCY_LIFE);
    /// [`Idp::tick`] forgets them then.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::{IdempotencyKey, Once};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let key = IdempotencyKey::parse("order 7")?;
    /// let Once::First(claim) = idp.once(&key, b"create acme")? else { panic!("it is new") };
    /// let acme = idp.create_org(NewOrg::new("acme"))?;
    /// claim.answer(acme.id.as_str().as_bytes())?;
    ///
    /// let Once::Answered(answer) = idp.once(&key, b"create acme")? else { panic!("it was done") };
    /// assert_eq!(answer.expose(), acme.id.as_str().as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Fault`] when the database fails; the request must then not be done.
    pub fn once(&self, key: &IdempotencyKey, request: &[u8]) -> Result<Once, Fault> {
        Ok(match once::begin(&self.context, &self.caller, key, request)? {
            Begun::First(claim) => Once::First(Claim { context: Arc::clone(&self.context), claim }),
            Begun::Answered(answer) => Once::Answered(answer),
            Begun::Running => Once::Running,
            Begun::Other => Once::Other,
            Begun::Full => Once::Full,
        })
    }
}

impl Claim {
    /// Keeps the answer of the request, which was done. Tells whether it is kept: one that is longer
    /// than [`limits::IDEMPOTENCY_ANSWER_BYTES_MAX`](crate::base::limits::IDEMPOTENCY_ANSWER_BYTES_MAX)
    /// is not.
    ///
    /// # Errors
    /// [`Fault`] when the database fails. The request was done all the same.
    pub fn answer(self, answer: &[u8]) -> Result<bool, Fault> {
        once::answer(&self.context, &self.claim, answer)
    }

    /// Gives the key back: the request was refused, or failed, and did nothing.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource};
    /// use agentidp_core::{IdempotencyKey, Once};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// let key = IdempotencyKey::parse("order 7")?;
    /// let Once::First(claim) = idp.once(&key, b"create acme")? else { panic!("it is new") };
    /// // It was refused, and whoever mends it may use the key again.
    /// claim.release()?;
    /// assert!(matches!(idp.once(&key, b"create acme")?, Once::First(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Fault`] when the database fails; the key stays taken.
    pub fn release(self) -> Result<(), Fault> {
        once::release(&self.context, &self.claim).map(|_| ())
    }
}
