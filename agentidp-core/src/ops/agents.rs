//! Agents.

use crate::base::{AgentId, OrgId};
use crate::crypto::{Alg, seal};
use crate::did::agent_did;
use crate::jose::Jwk;
use crate::model::{Agent, NewAgent};
use crate::store::agents::{self, CustodialKeyRow};
use crate::store::instance::PublicIdKind;
use crate::store::orgs::{self, DataKeyPurpose};
use crate::store::{Scope, Tx};

use super::context::Context;
use super::error::{AgentError, Fault, OrgError};
use super::journal::{Event, disclosures_key, journal, reason};

/// The type of the event.
const CREATED: &str = "agent.created";

/// Registers an agent: its DID and its keys are made and sealed in the same transaction.
pub(crate) fn register(
    context: &Context,
    organization: &OrgId,
    new: NewAgent,
) -> Result<Agent, AgentError> {
    let id = AgentId::generate(&*context.clock, &*context.rng)?;
    let did = agent_did(&context.issuer, &id);
    let agent = new.build(id, organization.clone(), did, context.now())?;
    super::orgs::get(context, organization).map_err(|error| match error {
        OrgError::Fault(fault) => AgentError::Fault(fault),
        _ => AgentError::NotFound,
    })?;
    let key = CustodialKey::make(context, &agent)?;
    let disclosures = disclosures_key(context, organization)?;
    let personal = [("name", Some(&agent.name)), ("owner", agent.owner.as_ref())];
    let personal = personal.into_iter().filter_map(|(n, v)| v.map(|value| (n, value.as_str())));
    let scopes = agent.scopes.to_string();
    let event = Event::new(CREATED)
        .target(agent.id.as_str())
        .with("did", agent.did.as_str())
        .with("kid", key.kid.as_str())
        .with("scope", scopes.as_str())
        .personal(&disclosures, personal);
    let scope = Scope::Org(organization.clone());
    let refusal = context.store.write("register agent", &scope, |tx| {
        if let Some(refusal) = refusal(tx)? {
            let event = Event::refused(CREATED, reason(refusal.code()));
            journal(context, tx, organization, &event)?;
            return Ok(Some(refusal));
        }
        agents::insert(tx, &agent)?;
        if !orgs::claim_public_id(tx, PublicIdKind::Agent, agent.id.as_str())? {
            return Err(AgentError::Fault(Fault::Contended));
        }
        agents::insert_custodial_key(tx, &key.row(&agent), agent.created_at)?;
        journal(context, tx, organization, &event)?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(agent), Err)
}

/// Why the organization may not have one more agent, decided under its lock.
fn refusal(tx: &mut dyn Tx) -> Result<Option<AgentError>, AgentError> {
    if !agents::lock_org(tx)? {
        return Ok(Some(AgentError::OrgNotActive));
    }
    let Some(org) = orgs::get(tx)? else { return Ok(Some(AgentError::OrgNotActive)) };
    let full = agents::count_live(tx)? >= org.max_agents;
    Ok(full.then_some(AgentError::LimitReached(org.max_agents)))
}

/// A key that we hold for an agent, sealed for its row.
struct CustodialKey {
    kid: String,
    public_jwk: String,
    sealed_private_key: Vec<u8>,
}

impl CustodialKey {
    const ALG: Alg = Alg::Es256;

    fn make(context: &Context, agent: &Agent) -> Result<CustodialKey, AgentError> {
        let private = context.provider.generate(Self::ALG, &*context.rng)?;
        let signer = context.provider.signer(&private)?;
        let kid = signer.public_key().thumbprint();
        let public_jwk = Jwk::new(signer.public_key().clone()).to_value().to_string();
        let data_key = context.keyring.active(
            &*context.store,
            &agent.organization_id,
            DataKeyPurpose::Keys,
        )?;
        let row = format!("{}/{kid}", agent.id);
        let place =
            super::signing::place(&agent.organization_id, "agent_keys", "sealed_private_key", &row);
        let sealed_private_key = seal(&data_key, &place, private.expose(), &*context.rng)?;
        Ok(CustodialKey { kid, public_jwk, sealed_private_key })
    }

    fn row<'a>(&'a self, agent: &'a Agent) -> CustodialKeyRow<'a> {
        CustodialKeyRow {
            agent_id: &agent.id,
            kid: &self.kid,
            alg: Self::ALG.as_str(),
            public_jwk: &self.public_jwk,
            sealed_private_key: &self.sealed_private_key,
        }
    }
}

/// The agent of that id.
pub(crate) fn get(
    context: &Context,
    organization: &OrgId,
    id: &AgentId,
) -> Result<Agent, AgentError> {
    let scope = Scope::Org(organization.clone());
    context.store.read(&scope, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))
}
