//! Background work, one bounded unit at a time.

use serde::Serialize;

use crate::base::limits;
use crate::model::Action;
use crate::store::{Scope, StoreError, Tx};

use super::acting::Acting;
use super::context::Context;
use super::error::{Fault, SigningKeyError};
use super::keys::{self, KeyChange};
use super::{once, quota, revocation, tokens};

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
    // 4. Failed authentications that were too many to be told one by one.
    let told = tokens::tell_passed_over(context, now);
    // 5. Numbers for audit entries that are committed.
    let settled = context.store.settle();
    noticed?;
    let keys = keys?;
    returned?;
    let tokens_forgotten = forgotten?;
    uses?;
    let answers_forgotten = answers?;
    told?;
    settled?;
    Ok(Tick { keys, tokens_forgotten, answers_forgotten })
}

/// Forgets batch by batch, so that nobody waits long; tells how much.
pub(super) fn in_batches(
    context: &Context,
    name: &'static str,
    mut forget: impl FnMut(&mut dyn Tx) -> Result<u64, StoreError>,
) -> Result<u64, Fault> {
    let mut forgotten = 0;
    for _ in 0..limits::PURGE_BATCHES_MAX {
        let batch =
            context.store.write::<_, StoreError>(name, &Scope::Instance, |tx| forget(tx))?;
        forgotten += batch;
        if batch < limits::PURGE_BATCH_MAX {
            break;
        }
    }
    Ok(forgotten)
}
