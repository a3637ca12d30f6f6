//! Agents.

use crate::base::AgentId;
use crate::crypto::{Alg, seal};
use crate::did::agent_did;
use crate::jose::Jwk;
use crate::model::{Action, Agent, NewAgent, Org, OrgStatus};
use crate::store::Tx;
use crate::store::agents::{self, CustodialKeyRow};
use crate::store::instance::PublicIdKind;
use crate::store::orgs::{self, DataKeyPurpose};

use super::acting::Acting;
use super::context::Context;
use super::error::{AgentError, Fault};
use super::journal::{disclosures_key, reason};

/// The type of the event.
const CREATED: &str = "agent.created";

/// Registers an agent: its DID and its keys are made and sealed in the same transaction.
pub(crate) fn register(acting: &Acting<'_>, new: NewAgent) -> Result<Agent, AgentError> {
    let Acting { context, organization, caller } = *acting;
    let id = AgentId::generate(&*context.clock, &*context.rng)?;
    let did = agent_did(&context.issuer, &id);
    let agent = new.build(id, organization.clone(), did, context.now())?;
    acting.read(Action::ChangeAgents, |tx| orgs::get(tx)?.ok_or(AgentError::NotFound))?;
    caller.holds(&agent.scopes)?;
    let key = CustodialKey::make(context, &agent)?;
    let disclosures = disclosures_key(context, organization)?;
    let personal = [("name", Some(&agent.name)), ("owner", agent.owner.as_ref())];
    let personal = personal.into_iter().filter_map(|(n, v)| v.map(|value| (n, value.as_str())));
    let scopes = agent.scopes.to_string();
    let event = acting
        .event(CREATED)
        .target(agent.id.as_str())
        .with("did", agent.did.as_str())
        .with("kid", key.kid.as_str())
        .with("scope", scopes.as_str())
        .personal(&disclosures, personal);
    let refusal = acting.write("register agent", Action::ChangeAgents, |tx| {
        if let Some(refusal) = refusal(tx)? {
            acting.journal(tx, &acting.refused(CREATED, reason(refusal.code())))?;
            return Ok(Some(refusal));
        }
        agents::insert(tx, &agent)?;
        if !orgs::claim_public_id(tx, PublicIdKind::Agent, agent.id.as_str())? {
            return Err(AgentError::Fault(Fault::Contended));
        }
        agents::insert_custodial_key(tx, &key.row(&agent), agent.created_at)?;
        acting.journal(tx, &event)?;
        Ok::<_, AgentError>(None)
    })?;
    refusal.map_or(Ok(agent), Err)
}

/// Takes a place among the organization's agents, or tells why it may not have one more.
fn refusal(tx: &mut dyn Tx) -> Result<Option<AgentError>, AgentError> {
    if agents::take_place(tx)? {
        return Ok(None);
    }
    let org = orgs::get(tx)?.filter(|org| org.status == OrgStatus::Active);
    let refusal = |org: Org| AgentError::LimitReached(org.max_agents);
    Ok(Some(org.map_or(AgentError::OrgNotActive, refusal)))
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
pub(crate) fn get(acting: &Acting<'_>, id: &AgentId) -> Result<Agent, AgentError> {
    acting.read(Action::SeeAgents, |tx| agents::get(tx, id)?.ok_or(AgentError::NotFound))
}
