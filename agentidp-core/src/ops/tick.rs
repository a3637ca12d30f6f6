//! Background work, one bounded unit at a time.

use serde::Serialize;

use crate::model::Action;

use super::acting::Acting;
use super::error::SigningKeyError;
use super::keys::{self, KeyChange};
use super::{once, quota, revocation};

/// What a tick did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Tick {
    /// What happened to the instance's keys, in this order.
    pub keys: Vec<KeyChange>,
    /// How many revoked tokens were forgotten, which have expired.
    pub tokens_forgotten: u64,
    /// How many answers were forgotten that nobody may ask for again.
    pub answers_forgotten: u64,
}

/// Does what is due. Each unit has a bound, may be repeated, and may run in several processes at
/// once; one that fails keeps none of the others from running, and the first failure is told.
///
/// New units go here, each with its field in [`Tick`].
pub(crate) fn tick(acting: &Acting<'_>) -> Result<Tick, SigningKeyError> {
    let context = acting.context;
    acting.ask::<SigningKeyError>(Action::ManageKeys)?;
    // 1. What other processes did to the keys.
    let noticed = context.reload_signing();
    // 2. The instance's keys: made, promoted, removed when they are due.
    let keys = keys::turn(acting);
    // 3. What was set aside of month quotas and not used; what is kept no longer than it may be used.
    let now = context.now();
    let returned = quota::return_unused(context, now);
    let forgotten = revocation::purge(context, now);
    let uses = revocation::purge_uses(context, now);
    let answers = once::purge(context, now);
    // 4. Numbers for audit entries that are committed.
    let settled = context.store.settle();
    noticed?;
    let keys = keys?;
    returned?;
    let tokens_forgotten = forgotten?;
    uses?;
    let answers_forgotten = answers?;
    settled?;
    Ok(Tick { keys, tokens_forgotten, answers_forgotten })
}
