//! Organizations.

use crate::audit::log_origin;
use crate::base::OrgId;
use crate::error::ErrorCode;
use crate::model::{Action, Caller, NewOrg, Org, Slug};
use crate::store::instance::PublicIdKind;
use crate::store::orgs::{self, DataKeyPurpose};
use crate::store::{Scope, Tx, audit};

use super::acting::Acting;
use super::context::Context;
use super::error::OrgError;
use super::journal::{Event, journal, reason, refuse};

/// Makes an organization, with its log and its data keys.
pub(crate) fn create(context: &Context, caller: &Caller, new: NewOrg) -> Result<Org, OrgError> {
    let system = OrgId::system();
    Acting { context, organization: &system, caller }.ask::<OrgError>(Action::ManageOrgs)?;
    let id = OrgId::generate(&*context.clock, &*context.rng)?;
    let asked = new.asked_slug().to_owned();
    let org = match new.build(id, context.now()) {
        Ok(org) => org,
        Err(invalid) => {
            if invalid.code() == ErrorCode::SlugReserved {
                let event = Event::refused(CREATED, reason(invalid.code())).with("slug", asked);
                refuse(context, &OrgId::system(), &event)?;
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
        let mut event = Event::new(CREATED)
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
        let event =
            Event::refused(CREATED, reason(ErrorCode::SlugTaken)).with("slug", slug.as_str());
        refuse(context, &OrgId::system(), &event)?;
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
    let id = match OrgId::parse(slug_or_id) {
        Ok(id) => id,
        Err(_) if !Slug::is_label(slug_or_id) => return Err(OrgError::NotFound),
        Err(_) => {
            context.organization_of(PublicIdKind::Slug, slug_or_id)?.ok_or(OrgError::NotFound)?
        }
    };
    get(&Acting { context, organization: &id, caller })
}
