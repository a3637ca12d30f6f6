//! Organizations.

use std::time::Duration;

use crate::audit::{Datum, log_origin};
use crate::base::{Month, OrgId, Page, PageRequest, limits};
use crate::error::ErrorCode;
use crate::model::{
    Action, Caller, NewOrg, Org, OrgChanges, OrgFootprint, OrgStatus, OrgStays, OrgTransition, Slug,
};
use crate::store::instance::{self, PublicIdKind};
use crate::store::orgs::{self, DataKeyPurpose};
use crate::store::{Scope, StoreError, Tx, agents, audit, credentials};

use super::acting::Acting;
use super::context::Context;
use super::error::OrgError;
use super::journal::{Event, disclosures_key, journal, reason, refuse};

/// Makes an organization, with its log and its data keys.
pub(crate) fn create(context: &Context, caller: &Caller, new: NewOrg) -> Result<Org, OrgError> {
    let system = OrgId::system();
    let acting = Acting { context, organization: &system, caller };
    acting.ask::<OrgError>(Action::ManageOrgs)?;
    let id = OrgId::generate(&*context.clock, &*context.rng)?;
    let asked = new.asked_slug().to_owned();
    let org = match new.build(id, context.now()) {
        Ok(org) => org,
        Err(invalid) => {
            if invalid.code() == ErrorCode::SlugReserved {
                let event = acting.refused(CREATED, reason(invalid.code())).with("slug", asked);
                refuse(context, &system, &event)?;
            }
            return Err(invalid.into());
        }
    };
    let keys = DataKeyPurpose::ALL
        .into_iter()
        .map(|purpose| context.keyring.generate(&org.id, purpose, &*context.clock, &*context.rng))
        .collect::<Result<Vec<_>, _>>()?;
    let disclosures = keys.iter().find(|(_, row)| row.purpose == DataKeyPurpose::Disclosures);
    let scope = Scope::Org(org.id.clone());
    let created = context.store.write("create organization", &scope, |tx| {
        if !orgs::claim_public_id(tx, PublicIdKind::Slug, org.slug.as_str())? {
            return Err(OrgError::SlugTaken(org.slug.to_string()));
        }
        insert(context, tx, &org)?;
        for (_, row) in &keys {
            orgs::insert_data_key(tx, row, org.created_at)?;
        }
        let mut event = acting
            .event(CREATED)
            .target(org.id.as_str())
            .with("slug", org.slug.as_str())
            .with("planTier", org.plan_tier.as_str());
        if let Some((key, _)) = disclosures {
            event = event.personal(key, [("name", org.name.as_str())]);
        }
        journal(context, tx, &org.id, &event)?;
        Ok(())
    });
    if let Err(OrgError::SlugTaken(slug)) = &created {
        let refused = acting.refused(CREATED, reason(ErrorCode::SlugTaken));
        refuse(context, &system, &refused.with("slug", slug.as_str()))?;
    }
    created.map(|()| org)
}

/// The type of the event.
pub(super) const CREATED: &str = "org.created";

/// Stores the organization and its empty log.
pub(super) fn insert(context: &Context, tx: &mut dyn Tx, org: &Org) -> Result<(), OrgError> {
    orgs::insert(tx, org)?;
    audit::open_log(tx, &log_origin(&context.issuer, &org.id))?;
    Ok(())
}

/// The organization of that id.
pub(crate) fn get(acting: &Acting<'_>) -> Result<Org, OrgError> {
    acting.read(Action::SeeOrg, |tx| orgs::get(tx)?.ok_or(OrgError::NotFound))
}

/// The organization that goes by that slug or id.
pub(crate) fn find(context: &Context, caller: &Caller, slug_or_id: &str) -> Result<Org, OrgError> {
    let known = match OrgId::parse(slug_or_id) {
        Ok(id) => Some(id),
        Err(_) if !Slug::is_label(slug_or_id) => None,
        Err(_) => context.organization_of(PublicIdKind::Slug, slug_or_id)?,
    };
    // A slug that nobody has is looked for like one that is another's, so that the time does not tell.
    let id = match known {
        Some(id) => id,
        None => OrgId::generate(&*context.clock, &*context.rng)?,
    };
    get(&Acting { context, organization: &id, caller })
}

/// A page of the organizations, in the order of their ids.
pub(crate) fn list(
    context: &Context,
    caller: &Caller,
    page: &PageRequest,
) -> Result<Page<Org>, OrgError> {
    let system = OrgId::system();
    Acting { context, organization: &system, caller }.ask::<OrgError>(Action::ManageOrgs)?;
    let from = page.cursor().map(|cursor| OrgId::parse(cursor.as_str())).transpose()?;
    let items = page.items();
    let rows = context.store.read::<_, StoreError>(&Scope::Instance, |tx| {
        instance::organizations_from(tx, from.as_ref(), items + 1)
    })?;
    Ok(Page::cut(rows, items, |org| org.id.as_str()))
}

/// How many credentials of all organizations expire within that time. Each organization is counted in a
/// transaction of its own.
pub(crate) fn credentials_expiring(
    context: &Context,
    caller: &Caller,
    within: Duration,
) -> Result<u64, OrgError> {
    let now = context.now();
    let until = now.plus(within);
    let first = PageRequest::first().limit(limits::PAGE_ITEMS_MAX);
    let (mut page, mut count) = (first.clone(), 0);
    loop {
        let orgs = list(context, caller, &page)?;
        for org in orgs.items.iter().filter(|org| org.status != OrgStatus::Deleted) {
            let scope = Scope::Org(org.id.clone());
            let read = |tx: &mut dyn Tx| credentials::expiring(tx, now, until);
            let expiring = context.store.read::<_, StoreError>(&scope, read)?;
            count += u64::try_from(expiring).unwrap_or(0);
        }
        match orgs.next_cursor {
            Some(cursor) => page = first.clone().after(cursor),
            None => return Ok(count),
        }
    }
}

/// How much there is of the organization.
pub(crate) fn footprint(acting: &Acting<'_>) -> Result<OrgFootprint, OrgError> {
    let now = acting.context.now();
    let read =
        acting.read(Action::SeeOrg, |tx| orgs::footprint(tx, now)?.ok_or(OrgError::NotFound));
    let mut footprint = read?;
    // What is only set aside is not issued.
    let unused = acting.context.quotas.unused(acting.organization, Month::of(now));
    footprint.tokens_this_month = (footprint.tokens_this_month - unused).max(0);
    Ok(footprint)
}

/// The type of the event.
const UPDATED: &str = "org.updated";

/// Changes the organization. What changes nothing leaves nothing behind, no entry either.
pub(crate) fn update(acting: &Acting<'_>, changes: OrgChanges) -> Result<Org, OrgError> {
    let Acting { context, organization, .. } = *acting;
    let changes = changes.build()?;
    let action = changes.action();
    let known = acting.read(action, |tx| orgs::get(tx)?.ok_or(OrgError::NotFound))?;
    let key = match changes.name() {
        Some(_) if known.status != OrgStatus::Deleted => {
            Some(disclosures_key(context, organization)?)
        }
        _ => None,
    };
    let now = context.now();
    acting.write("update organization", action, |tx| {
        let old = locked(tx)?;
        if old.status == OrgStatus::Deleted {
            let stays = stays(acting, tx, UPDATED, OrgStays::Deleted)?;
            return Ok(stays.map_err(OrgError::from));
        }
        if let Some(expected) = changes.misses(&old) {
            let conflict = OrgError::VersionConflict { expected, found: old.version };
            let event = acting.refused(UPDATED, reason(conflict.code()));
            acting.journal(tx, &event.target(organization.as_str()))?;
            return Ok(Err(conflict));
        }
        let (new, changed) = changes.apply(&old, now);
        if changed.is_empty() {
            return Ok(Ok(old));
        }
        orgs::update(tx, &new)?;
        let mut event = updated(acting, &new, &changed);
        if let (Some(key), true) = (&key, new.name != old.name) {
            event = event.personal(key, [("name", new.name.as_str())]);
        }
        acting.journal(tx, &event)?;
        Ok::<_, OrgError>(Ok(new))
    })?
}

/// Tells what changed, and to what, but for the name.
fn updated<'a>(acting: &Acting<'a>, new: &'a Org, changed: &[&'static str]) -> Event<'a> {
    let names = changed.iter().map(|name| (*name).into()).collect();
    let mut event =
        acting.event(UPDATED).target(new.id.as_str()).with("changed", Datum::List(names));
    for name in changed {
        event = match *name {
            "planTier" => event.with(name, new.plan_tier.as_str()),
            "maxAgents" => event.with(name, new.max_agents),
            "maxTokensPerMonth" => event.with(name, new.max_tokens_per_month),
            "rateLimitPerMinute" => event.with(name, new.rate_limit_per_minute),
            "tokenLifeSecondsMax" => match new.token_life_seconds_max {
                Some(seconds) => event.with(name, seconds),
                None => event,
            },
            _ => event,
        };
    }
    event
}

/// Suspends, activates or deletes the organization. Each ends all tokens issued before.
pub(crate) fn change_status(
    acting: &Acting<'_>,
    transition: OrgTransition,
) -> Result<Org, OrgError> {
    let (name, event_type) = match transition {
        OrgTransition::Suspend => ("suspend organization", "org.suspended"),
        OrgTransition::Activate => ("activate organization", "org.activated"),
        OrgTransition::Delete => ("delete organization", "org.deleted"),
    };
    let outcome = acting.write(name, Action::ManageOrgs, |tx| {
        let old = locked(tx)?;
        // Read where nobody else issues by what was there before: the lock may have taken its time.
        let now = acting.context.now();
        match transition.decide(&old) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(old)),
            Err(reason) => return stays(acting, tx, event_type, reason),
        }
        let new = transition.apply(&old, now);
        orgs::update(tx, &new)?;
        orgs::end_tokens(tx, now.plus(limits::TOKENS_END_MARGIN))?;
        let mut event = acting.event(event_type).target(new.id.as_str());
        if transition == OrgTransition::Delete {
            agents::forget_persons(tx)?;
            let destroyed = orgs::destroy_data_keys(tx)?;
            event = event.with("dataKeysDestroyed", i64::try_from(destroyed).unwrap_or(i64::MAX));
        }
        acting.journal(tx, &event)?;
        Ok::<_, OrgError>(Ok(new))
    })?;
    if matches!(&outcome, Ok(org) if org.status == OrgStatus::Deleted) {
        acting.context.forget_organization(acting.organization);
    }
    Ok(outcome?)
}

/// The organization, which nobody else changes until this transaction ends.
fn locked(tx: &mut dyn Tx) -> Result<Org, OrgError> {
    if !orgs::lock(tx)? {
        return Err(OrgError::NotFound);
    }
    orgs::get(tx)?.ok_or(OrgError::NotFound)
}

/// Tells the log that the organization stays as it is.
fn stays(
    acting: &Acting<'_>,
    tx: &mut dyn Tx,
    event_type: &'static str,
    stays: OrgStays,
) -> Result<Result<Org, OrgStays>, OrgError> {
    let event = acting.refused(event_type, reason(stays.code()));
    acting.journal(tx, &event.target(acting.organization.as_str()))?;
    Ok(Err(stays))
}
