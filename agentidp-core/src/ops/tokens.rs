//! Issuing tokens.

use crate::base::{OrgId, Timestamp};
use crate::model::{Client, Refusal, TokenRequest, TokenResponse, decide};
use crate::store::{Scope, StoreError, Tx};

use super::acting::DENIED;
use super::context::Context;
use super::error::{Fault, Refused, TokenError};
use super::journal::{Event, journal};
use super::proof::{Presented, use_once};
use super::quota::{self, Place, Taken};
use super::recording::{Decided, NotRecorded, Signed, Uses, prepare};
use super::refusals::{Telling, is_untold};
use super::{clients, dpop, exchange, keys};

/// The type of the event.
pub(super) const ISSUED: &str = "token.issued";

/// The transaction that records a token.
const ISSUE: &str = "issue token";
/// Decisions made on rows that changed before they were written, before giving up.
const ATTEMPTS_MAX: u32 = 5;

/// Answers a token request (RFC 6749 section 4.4, RFC 8693 section 2). `again` says that it was submitted,
/// and what it was decided on did not stand: it counts for its organization's rate already.
pub(crate) fn issue(
    context: &Context,
    request: &TokenRequest,
    again: bool,
) -> Result<TokenResponse, TokenError> {
    let presented = Presented::read(&request.auth);
    let id = presented.client();
    let mut counted = again;
    if let Some(id) = id.as_ref().filter(|_| again) {
        context.clients.forget(id);
        context.reload_signing()?;
    }
    // Who is not there is decided on as often as a client with a wrong secret.
    let mut client = id.as_ref().and_then(|id| context.clients.cached(id));
    let mut fresh = false;
    for _ in 0..ATTEMPTS_MAX {
        let now = context.now();
        let decided = decided(context, client.as_deref(), &presented, request, now)?;
        // A stranger takes nothing of what an organization may send, and a client pays before the work.
        let known =
            decided.as_ref().map_or_else(|(refusal, _)| refusal.is_authenticated(), |_| true);
        if let Some(client) = client.as_deref().filter(|_| known && !counted) {
            context.count(&client.organization_id, client.terms.per_minute_max)?;
            counted = true;
        }
        match (decided, &client) {
            (Ok(decided), Some(client)) => match grant_token(context, client, &decided, now)? {
                Recorded::Yes(response) => return Ok(response),
                Recorded::Not(refusal) => {
                    // Whatever was used before, the assertion is used now.
                    let spent = Uses { proof: None, ..decided.uses };
                    return Err(refuse(context, Some(client), refusal, &spent, now)?);
                }
                Recorded::Full if fresh => return Err(quota::refused(context, client, now)?),
                // Nothing was written that would have noticed a client which is none any more.
                Recorded::Full => {}
                Recorded::Stale => {
                    context.clients.forget(&client.agent_id);
                    context.reload_signing()?;
                }
            },
            // What the cache says no to may have been allowed since.
            (Err(_), _) if !fresh => {}
            (Err((refusal, uses)), _) => {
                return Err(refuse(context, client.as_deref(), refusal, &uses, now)?);
            }
            (Ok(_), None) => break,
        }
        client = clients::read(context, id.as_ref())?;
        fresh = true;
    }
    Err(TokenError::Fault(Fault::Contended))
}

/// Decides who asks, and what it gets. What a client that proved itself used is used also where it is
/// refused.
fn decided(
    context: &Context,
    client: Option<&Client>,
    presented: &Presented<'_>,
    request: &TokenRequest,
    now: Timestamp,
) -> Result<Result<Decided, (Refusal, Uses)>, Fault> {
    let proven = match (presented.prove(context, client, now), client) {
        (Ok(proven), Some(client)) => (proven, client),
        (Ok(_), None) => return Ok(Err((Refusal::UnknownClient, Uses::default()))),
        (Err(refusal), _) => return Ok(Err((refusal, Uses::default()))),
    };
    let (proven, client) = proven;
    let mut uses = Uses { assertion: proven.assertion, proof: None };
    let key = request.dpop.as_ref().map(|proof| dpop::prove_for_token(context, proof, now));
    let key = match key.transpose() {
        Ok(key) => key,
        Err(refusal) => return Ok(Err((refusal, uses))),
    };
    let exchange = request.exchange.as_ref();
    let exchange = exchange.map(|exchange| exchange::read(context, client, exchange, now));
    let exchange = match exchange.transpose()?.transpose() {
        Ok(exchange) => exchange,
        Err(refusal) => return Ok(Err((refusal, uses))),
    };
    Ok(match decide(client, proven.by, request, exchange.as_ref(), &context.issuer) {
        Ok(grant) => {
            let jkt = key.map(|key| {
                uses.proof = Some(key.single_use);
                key.jkt
            });
            Ok(Decided { grant, jkt, uses })
        }
        Err(refusal) => Err((refusal, uses)),
    })
}

/// What became of a token that was signed.
enum Recorded {
    /// It is issued.
    Yes(TokenResponse),
    /// It is refused after all.
    Not(Refusal),
    /// No token is left of what was set aside for the month.
    Full,
    /// What it was decided on no longer stands.
    Stale,
}

/// Signs and records a token.
fn grant_token(
    context: &Context,
    client: &Client,
    decided: &Decided,
    now: Timestamp,
) -> Result<Recorded, TokenError> {
    let signing = keys::signing_at(context, context.token_alg_of(client), now)?;
    let place = match quota::take(context, client, now)? {
        Taken::Place(place) => Some(place),
        Taken::ToCount => None,
        Taken::Full => return Ok(Recorded::Full),
    };
    let signed = prepare(context, &signing, client, decided, place.as_ref(), now)?;
    let Signed { response, recording, scope } = signed;
    let recorded = context.store.write_owned(ISSUE, &scope, move |tx| recording.write(tx));
    keep(place, &recorded);
    match recorded {
        Ok(()) => Ok(Recorded::Yes(response)),
        Err(NotRecorded::Stale) => Ok(Recorded::Stale),
        Err(NotRecorded::Used(refusal)) => Ok(Recorded::Not(refusal)),
        Err(NotRecorded::QuotaExceeded) => Err(quota::refused(context, client, now)?),
        Err(NotRecorded::Store(error)) => Err(error.into()),
        Err(NotRecorded::Fault(error)) => Err(error.into()),
    }
}

/// A token that may have been recorded has its place for good.
fn keep(place: Option<Place>, recorded: &Result<(), NotRecorded>) {
    if let (Ok(()) | Err(NotRecorded::Store(StoreError::OutcomeUnknown(_))), Some(place)) =
        (recorded, place)
    {
        place.keep();
    }
}

/// What became of a request that was begun in a thread which must not wait.
pub(crate) enum Begun {
    /// Its token is signed, and being recorded.
    Submitted,
    /// It is over.
    Over(TokenError),
    /// Something has to be waited for first. Nothing was done.
    NotAtHand,
}

/// What became of a token that was submitted.
pub(crate) enum Submitted {
    /// It is issued.
    Issued(TokenResponse),
    /// Nobody has it, and the request has to be answered by [`issue`]; it is counted.
    Again,
    /// The database failed.
    Failed(TokenError),
}

/// Answers a token request without waiting, where all that it takes is at hand: a client that was seen
/// before and shows its secret, keys that may sign, a database that takes what is left to it. `done` is
/// told from another thread, and must not block.
///
/// A refusal is left to [`issue`], which reads the rows again and writes down what it refuses; only a rate
/// that is used up, and a failure, are told at once.
pub(crate) fn submit(
    context: &Context,
    request: &TokenRequest,
    done: impl FnOnce(Submitted) + Send + 'static,
) -> Begun {
    let plain = request.dpop.is_none() && request.exchange.is_none();
    if !(plain && context.store.submits() && context.store.is_hot_row_cheap()) {
        return Begun::NotAtHand;
    }
    let presented = Presented::read(&request.auth);
    // What it takes to verify an assertion is too much for a thread of the host's.
    let Some(id) = presented.secret_of() else { return Begun::NotAtHand };
    let (cached, now) = (context.clients.cached(&id), context.now());
    let decided = decided(context, cached.as_deref(), &presented, request, now);
    let Some(client) = cached else { return Begun::NotAtHand };
    let signing = keys::at_hand(context, context.token_alg_of(&client), now);
    let (Ok(Ok(decided)), Some(signing)) = (decided, signing) else { return Begun::NotAtHand };
    if let Err(limited) = context.count(&client.organization_id, client.terms.per_minute_max) {
        return Begun::Over(limited.into());
    }
    match prepare(context, &signing, &client, &decided, None, now) {
        Ok(Signed { response, recording, scope }) => {
            let write = move |tx: &mut dyn Tx| recording.write(tx);
            let tell = move |recorded| done(Submitted::of(recorded, response));
            context.store.submit(ISSUE, &scope, write, tell);
            Begun::Submitted
        }
        Err(error) => Begun::Over(error),
    }
}

impl Submitted {
    fn of(recorded: Result<(), NotRecorded>, response: TokenResponse) -> Submitted {
        match recorded {
            Ok(()) => Submitted::Issued(response),
            Err(NotRecorded::Stale | NotRecorded::Used(_) | NotRecorded::QuotaExceeded) => {
                Submitted::Again
            }
            Err(NotRecorded::Store(error)) => Submitted::Failed(error.into()),
            Err(NotRecorded::Fault(error)) => Submitted::Failed(error.into()),
        }
    }
}

/// Tells each log how many failures were passed over that none since has told of.
pub(super) fn tell_passed_over(context: &Context, now: Timestamp) -> Result<(), Fault> {
    let mut told = Ok(());
    for (organization, count) in context.refusals.take_passed_over(now) {
        let event = Event::refused(DENIED, "passed_over").with("passedOver", count);
        let result = super::journal::refuse(context, &organization, &event);
        if result.as_ref().is_err_and(is_untold) {
            context.refusals.put_back(&organization, count);
        }
        // One organization's failure keeps no other from being told.
        told = told.and(result);
    }
    told
}

/// A refusal to be told.
pub(super) struct Refusing<'a> {
    pub(super) event_type: &'static str,
    pub(super) client: Option<&'a Client>,
    pub(super) refusal: Refusal,
    /// What is used up all the same.
    pub(super) uses: &'a Uses,
}

fn refuse(
    context: &Context,
    client: Option<&Client>,
    refusal: Refusal,
    uses: &Uses,
    now: Timestamp,
) -> Result<TokenError, Fault> {
    note_refusal(context, &Refusing { event_type: ISSUED, client, refusal, uses }, now)?;
    Ok(TokenError::Refused(Refused::new(refusal)))
}

/// Tells the log of a refusal: that of the client's organization, or the system's for strangers.
pub(super) fn note_refusal(
    context: &Context,
    refusing: &Refusing<'_>,
    now: Timestamp,
) -> Result<(), Fault> {
    let Refusing { event_type, client, refusal, uses } = *refusing;
    let system = OrgId::system();
    let organization = client.map_or(&system, |client| &client.organization_id);
    let mut passed_over = 0;
    if !refusal.is_authenticated() {
        match context.refusals.note(organization, now) {
            Telling::Tell { passed_over: others } => passed_over = others,
            Telling::PassOver => return Ok(()),
        }
    }
    let mut event = Event::refused(event_type, refusal.as_str());
    if let Some(client) = client {
        event = event.actor(client.agent_id.as_str());
    }
    if passed_over > 0 {
        event = event.with("passedOver", passed_over);
    }
    let told = context.store.write("refuse", &Scope::Org(organization.clone()), |tx| {
        for used in uses.iter() {
            use_once(tx, Some(used))?;
        }
        journal(context, tx, organization, &event).map(|_| ())
    });
    if told.as_ref().is_err_and(is_untold) {
        context.refusals.put_back(organization, passed_over);
    }
    told
}
