//! Where audit entries and deliveries are made. `tokens` writes its own by the statement that issues.
//!
//! Called inside the transaction of the change itself: state, entry and deliveries commit together
//! or not at all. A refusal is a change too; its transaction commits nothing but the entry.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::audit::{Datum, Entry, Outcome, log_origin};
use crate::base::{EventId, OrgId, Timestamp};
use crate::canon;
use crate::crypto::{DataKey, seal};
use crate::error::ErrorCode;
use crate::store::orgs::DataKeyPurpose;
use crate::store::{Scope, Tx, audit};

use super::context::Context;
use super::error::Fault;
use super::signing::place;

/// Something that happened, to be told.
pub(super) struct Event<'a> {
    event_type: &'static str,
    outcome: Outcome,
    actor: Option<&'a str>,
    target: Option<&'a str>,
    data: Vec<(&'static str, Datum<'a>)>,
    personal: Vec<(&'static str, &'a str)>,
    disclosures: Option<Arc<DataKey>>,
}

impl<'a> Event<'a> {
    /// Something that was done.
    pub(super) fn new(event_type: &'static str) -> Event<'a> {
        Event {
            event_type,
            outcome: Outcome::Success,
            actor: None,
            target: None,
            data: Vec::new(),
            personal: Vec::new(),
            disclosures: None,
        }
    }

    /// Something that was refused, for a reason that the log is told and strangers are not.
    pub(super) fn refused(event_type: &'static str, reason: &'a str) -> Event<'a> {
        let mut event = Event::new(event_type).with("reason", reason);
        event.outcome = Outcome::Refused;
        event
    }

    pub(super) fn actor(mut self, actor: &'a str) -> Event<'a> {
        self.actor = Some(actor);
        self
    }

    pub(super) fn target(mut self, target: &'a str) -> Event<'a> {
        self.target = Some(target);
        self
    }

    pub(super) fn with(mut self, name: &'static str, datum: impl Into<Datum<'a>>) -> Event<'a> {
        self.data.push((name, datum.into()));
        self
    }

    /// Personal values: the entry commits to them, and they are kept beside it under `key`.
    pub(super) fn personal(
        mut self,
        key: &Arc<DataKey>,
        values: impl IntoIterator<Item = (&'static str, &'a str)>,
    ) -> Event<'a> {
        self.personal.extend(values);
        self.disclosures = Some(Arc::clone(key));
        self
    }

    /// The entry without its personal values.
    pub(super) fn entry(&self, log: &'a str, event_id: &'a EventId, now: Timestamp) -> Entry<'a> {
        let mut entry = Entry::new(log, event_id, now, self.event_type, self.outcome)
            .actor(self.actor)
            .target(self.target);
        for (name, datum) in &self.data {
            entry = entry.with(name, datum.clone());
        }
        entry
    }

    /// The body of a webhook (Standard Webhooks): `type`, `timestamp`, `data`.
    pub(super) fn payload(&self, organization: &OrgId, now: Timestamp) -> Result<String, Fault> {
        let mut data = Map::new();
        data.insert("organizationId".to_owned(), json!(organization));
        if let Some(target) = self.target {
            data.insert("subject".to_owned(), json!(target));
        }
        for (name, datum) in &self.data {
            data.insert((*name).to_owned(), json!(datum));
        }
        let payload = json!({ "type": self.event_type, "timestamp": now, "data": data });
        let bytes = canon::to_canonical(&payload)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Writes the entry, the personal values beside it, and a delivery for each subscription.
pub(super) fn journal(
    context: &Context,
    tx: &mut dyn Tx,
    organization: &OrgId,
    event: &Event<'_>,
) -> Result<EventId, Fault> {
    let now = context.now();
    let event_id = context.event_id()?;
    let log = log_origin(&context.issuer, organization);
    let mut entry = event.entry(&log, &event_id, now);
    if let Some(key) = &event.disclosures {
        for (name, value) in &event.personal {
            let mut salt = [0; 16];
            context.rng.fill(&mut salt)?;
            let value = Value::from(*value);
            entry = entry.committed(name, &salt, &value)?;
            let disclosure = canon::to_canonical(&(salt, &value))?;
            let row = format!("{event_id}/{name}");
            let place = place(organization, "audit_disclosures", "sealed_disclosure", &row);
            let sealed = seal(key, &place, &disclosure, &*context.rng)?;
            audit::disclose(tx, &event_id, name, &sealed)?;
        }
    }
    tx.append_entry(event_id.as_str(), &entry.to_bytes()?)?;
    if event.outcome == Outcome::Success {
        let payload = event.payload(organization, now)?;
        audit::enqueue(tx, &event_id, event.event_type, &payload, now.as_micros())?;
    }
    Ok(event_id)
}

/// Commits the entry of a refusal that left nothing else behind.
pub(super) fn refuse(
    context: &Context,
    organization: &OrgId,
    event: &Event<'_>,
) -> Result<(), Fault> {
    let scope = Scope::Org(organization.clone());
    context
        .store
        .write("refuse", &scope, |tx| journal(context, tx, organization, event).map(|_| ()))
}

/// The reason of a refusal by rule.
pub(super) fn reason(code: ErrorCode) -> &'static str {
    code.as_str()
}

/// The key for personal values of `organization`.
pub(super) fn disclosures_key(
    context: &Context,
    organization: &OrgId,
) -> Result<Arc<DataKey>, Fault> {
    context.keyring.active(&*context.store, organization, DataKeyPurpose::Disclosures)
}
