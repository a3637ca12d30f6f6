//! Agents and credentials of another installation, one line and one transaction each.

use std::collections::HashSet;
use std::io::BufRead;

use crate::audit::Datum;
use crate::base::{AgentId, Timestamp, limits};
use crate::did::agent_did;
use crate::error::ErrorCode;
use crate::import::{ImportLine, ImportedProof};
use crate::jose::Jwk;
use crate::model::{
    Action, Agent, AgentKey, Credential, CredentialKind, Custody, Denied, Invalid, OrgStatus,
};
use crate::store::instance::PublicIdKind;
use crate::store::{Tx, agent_keys, agents, credentials, orgs};

use super::acting::Acting;
use super::agent_keys::CustodialKey;
use super::agents::{check_token_alg, no_place, personal};
use super::credentials::{KeptSecret, credential};
use super::error::{AgentError, Fault, ImportError, ImportStop, LineError};
use super::import_lines::{Line, Lines};
use super::journal::{disclosures_key, reason};

/// The type of the event.
const IMPORTED: &str = "agent.imported";

/// How an import is done.
#[derive(Default)]
pub struct ImportOptions<'a> {
    dry_run: bool,
    progress: Option<&'a mut dyn FnMut(&ImportReport)>,
}

impl std::fmt::Debug for ImportOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportOptions").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

impl<'a> ImportOptions<'a> {
    /// Everything is imported that may be.
    pub fn new() -> ImportOptions<'a> {
        ImportOptions::default()
    }

    /// Checks all lines and stores nothing.
    ///
    /// ```
    /// # use agentidp_core::{Config, Idp, KekSource, NewOrg};
    /// use agentidp_core::{AgentFilter, ImportOptions, PageRequest};
    /// # let home = tempfile::tempdir()?;
    /// # let kek = home.path().join("kek.key");
    /// # let idp = Idp::open(Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com"))?;
    /// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
    /// let lines = br#"{"name":"invoice-bot"}"#;
    /// let report = org.import(&mut lines.as_slice(), ImportOptions::new().dry_run(true))?;
    /// assert_eq!((report.imported, report.refused), (1, 0));
    /// assert!(org.list_agents(&AgentFilter::All, &PageRequest::first())?.items.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> ImportOptions<'a> {
        self.dry_run = dry_run;
        self
    }

    /// Tells after each line how far the import is.
    #[must_use]
    pub fn progress(mut self, progress: &'a mut dyn FnMut(&ImportReport)) -> ImportOptions<'a> {
        self.progress = Some(progress);
        self
    }
}

/// What became of the lines of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Whether nothing was stored, on purpose.
    pub dry_run: bool,
    /// Lines read so far, the empty ones too.
    pub lines: u64,
    /// Agents that were imported; on a dry run, that could be.
    pub imported: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// The first of the refused lines.
    pub refusals: Vec<RefusedLine>,
}

/// A line that was refused, of which nothing is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// Its number, from 1.
    pub line: u64,
    /// The row of the error table.
    pub code: ErrorCode,
    /// Why.
    pub message: String,
}

/// Imports agents from `source`, line by line.
pub(crate) fn import(
    acting: &Acting<'_>,
    source: &mut dyn BufRead,
    mut options: ImportOptions<'_>,
) -> Result<ImportReport, ImportError> {
    let report = ImportReport { dry_run: options.dry_run, ..ImportReport::default() };
    let mut import = Import {
        acting,
        report,
        places_left: 0,
        taken: HashSet::new(),
        full: None,
        denied: false,
        leave: None,
    };
    match import.run(source, &mut options) {
        Ok(()) => Ok(import.report),
        Err(source) => Err(ImportError { report: import.report, source }),
    }
}

/// An import under way.
struct Import<'a> {
    acting: &'a Acting<'a>,
    report: ImportReport,
    /// On a dry run: how many more agents there may be.
    places_left: i64,
    /// On a dry run: the ids that lines before have taken.
    taken: HashSet<u128>,
    /// Once no more agents may be imported: why. The lines that follow are refused unasked.
    full: Option<i64>,
    /// Whether something was denied already: it is told once, not for each line.
    denied: bool,
    /// Whether the caller may change credentials, once it was asked.
    leave: Option<Result<(), Denied>>,
}

impl Import<'_> {
    fn run(
        &mut self,
        source: &mut dyn BufRead,
        options: &mut ImportOptions<'_>,
    ) -> Result<(), ImportStop> {
        self.begin().map_err(ImportStop::Agent)?;
        let mut lines = Lines::new(source);
        while let Some(line) = lines.next().map_err(ImportStop::Read)? {
            if self.report.lines >= limits::IMPORT_LINES_MAX {
                return Err(ImportStop::TooManyLines(limits::IMPORT_LINES_MAX));
            }
            self.report.lines += 1;
            match self.line(&line) {
                Ok(imported) => self.report.imported += u64::from(imported),
                Err(LineError::Agent(
                    stop @ (AgentError::Fault(_)
                    | AgentError::OrgNotActive
                    | AgentError::NotFound
                    | AgentError::Denied(Denied::NotActive | Denied::OrgDeleted)),
                )) => return Err(ImportStop::Agent(stop)),
                Err(refused) => self.refuse(&refused),
            }
            if let Some(progress) = &mut options.progress {
                progress(&self.report);
            }
        }
        Ok(())
    }

    /// Asks whether anything at all may be imported.
    fn begin(&mut self) -> Result<(), AgentError> {
        self.places_left = self.acting.read::<_, AgentError>(Action::ChangeAgents, |tx| {
            let org = orgs::get(tx)?.ok_or(AgentError::NotFound)?;
            if org.status != OrgStatus::Active {
                return Err(AgentError::OrgNotActive);
            }
            Ok(agents::places_left(tx)?)
        })?;
        Ok(())
    }

    fn refuse(&mut self, refused: &LineError) {
        self.report.refused += 1;
        match refused {
            LineError::Agent(AgentError::LimitReached(most)) => self.full = Some(*most),
            LineError::Agent(AgentError::Denied(_)) => self.denied = true,
            _ => {}
        }
        if self.report.refusals.len() < limits::IMPORT_REFUSALS_TOLD_MAX {
            self.report.refusals.push(RefusedLine {
                line: self.report.lines,
                code: refused.code(),
                message: refused.to_string(),
            });
        }
    }

    /// Imports the agent of a line; an empty one has none.
    fn line(&mut self, line: &Line<'_>) -> Result<bool, LineError> {
        let text = match line {
            Line::Text(text) if text.trim_ascii().is_empty() => return Ok(false),
            Line::Text(text) => *text,
            Line::TooLong => {
                let reason = format!("longer than {} bytes", limits::IMPORT_LINE_BYTES_MAX);
                return Err(AgentError::from(Invalid::new("line", reason)).into());
            }
        };
        let line = ImportLine::parse(text)?;
        // Whether an id is free tells of other organizations.
        if line.id.is_some() && self.acting.caller.agent().is_some() {
            let reason = "only who runs the instance may keep the ids of another installation";
            return Err(AgentError::from(Invalid::new("agentId", reason)).into());
        }
        if let Some(most) = self.full {
            return Err(AgentError::LimitReached(most).into());
        }
        let with_credentials = !line.credentials.is_empty();
        let draft = Draft::make(self.acting, line)?;
        self.ask(&draft.agent, with_credentials)?;
        if self.report.dry_run {
            self.try_out(&draft)?
        } else {
            draft.store(self.acting)?
        }
        Ok(true)
    }

    /// Asks whether the caller may import this agent.
    fn ask(&mut self, agent: &Agent, with_credentials: bool) -> Result<(), AgentError> {
        if self.denied {
            self.acting.caller.holds(&agent.scopes)?;
        } else {
            self.acting.ask_holds::<AgentError>(Action::ChangeAgents, &agent.scopes)?;
        }
        if !with_credentials {
            return Ok(());
        }
        if let Some(known) = self.leave {
            return Ok(known?);
        }
        let asked = self.acting.ask::<AgentError>(Action::ChangeCredentials);
        self.leave = match &asked {
            Ok(()) => Some(Ok(())),
            Err(AgentError::Denied(denied)) => Some(Err(*denied)),
            Err(_) => None,
        };
        asked
    }

    /// Checks what only the database and the lines before can tell, and stores nothing.
    fn try_out(&mut self, draft: &Draft) -> Result<(), AgentError> {
        let Acting { context, .. } = *self.acting;
        let id = &draft.agent.id;
        // In the order of the import itself, which gives the same reasons.
        if self.places_left <= 0 {
            let org = self.acting.read::<_, AgentError>(Action::ChangeAgents, |tx| {
                orgs::get(tx)?.ok_or(AgentError::NotFound)
            })?;
            return Err(AgentError::LimitReached(org.max_agents));
        }
        let named = if draft.id_given {
            context.organization_of(PublicIdKind::Agent, id.as_str())?
        } else {
            None
        };
        let number = u128::from_str_radix(&id.as_str().replace('-', ""), 16).unwrap_or(0);
        if named.is_some() || self.taken.contains(&number) {
            return Err(AgentError::IdTaken);
        }
        self.places_left -= 1;
        if draft.id_given {
            self.taken.insert(number);
        }
        Ok(())
    }
}

/// An agent with its keys and credentials, checked, and not stored yet.
struct Draft {
    agent: Agent,
    id_given: bool,
    claimed_created_at: Option<Timestamp>,
    /// The keys that the agent holds itself.
    held_keys: Vec<AgentKey>,
    credentials: Vec<(Credential, ImportedProof)>,
}

impl Draft {
    fn make(acting: &Acting<'_>, line: ImportLine) -> Result<Draft, AgentError> {
        let Acting { context, organization, .. } = *acting;
        let now = context.now();
        if line.created_at.is_some_and(|created_at| created_at > now) {
            return Err(Invalid::new("createdAt", "in the future").into());
        }
        let id_given = line.id.is_some();
        let id = match line.id {
            Some(id) => id,
            None => AgentId::generate(&*context.clock, &*context.rng)?,
        };
        let did = agent_did(&context.issuer, &id);
        let mut agent = line.agent.build(id, organization.clone(), did, now)?;
        check_token_alg(context, agent.token_alg)?;
        agent.status = line.status;
        agent.imported_at = Some(now);
        agent.created_at = line.created_at.unwrap_or(now);
        let held = |key| AgentKey::current(&agent.id, key, Custody::HeldByAgent, now);
        let held_keys = line.held_keys.iter().map(held).collect();
        let mut credentials = Vec::new();
        for imported in line.credentials {
            if imported.expires_at.is_some_and(|expires_at| expires_at <= now) {
                return Err(Invalid::new("expiresAt", "in the past").into());
            }
            let kind = match imported.proof {
                ImportedProof::Digest(_) => CredentialKind::Secret,
                ImportedProof::PublicKey(_) => CredentialKind::PublicKey,
            };
            let mut new = credential(context, &agent.id, kind, imported.expires_at, now)?;
            if let ImportedProof::PublicKey(key) = &imported.proof {
                new.kid = Some(key.thumbprint());
            }
            credentials.push((new, imported.proof));
        }
        let claimed_created_at = line.created_at;
        Ok(Draft { agent, id_given, claimed_created_at, held_keys, credentials })
    }

    /// Stores the agent with all that is its own, in one transaction.
    fn store(&self, acting: &Acting<'_>) -> Result<(), AgentError> {
        let Acting { context, organization, .. } = *acting;
        let agent = &self.agent;
        let key = CustodialKey::make(context, organization, &agent.id)?;
        let disclosures = disclosures_key(context, organization)?;
        let mut kept = Vec::new();
        for (credential, proof) in &self.credentials {
            kept.push((credential, Kept::of(acting, credential, proof)?));
        }
        let (scopes, kid) = (agent.scopes.to_string(), key.kid());
        let ids = self.credentials.iter().map(|(own, _)| own.id.as_str().into()).collect();
        let mut event = acting
            .event(IMPORTED)
            .target(agent.id.as_str())
            .with("did", agent.did.as_str())
            .with("kid", kid.as_str())
            .with("scope", scopes.as_str())
            .with("status", agent.status.as_str())
            .with("assuredSince", agent.updated_at.to_string())
            .with("credentialIds", Datum::List(ids))
            .personal(&disclosures, personal(agent));
        if let Some(created_at) = self.claimed_created_at {
            event = event.with("claimedCreatedAt", created_at.to_string());
        }
        if !self.held_keys.is_empty() {
            let kids = self.held_keys.iter().map(|key| key.kid.as_str().into()).collect();
            event = event.with("heldKids", Datum::List(kids));
        }
        let refusal = acting.write("import agent", Action::ChangeAgents, |tx| {
            if let Some(refusal) = self.no_room(tx)? {
                let refused = acting.refused(IMPORTED, reason(refusal.code()));
                acting.journal(tx, &refused.target(agent.id.as_str()))?;
                return Ok(Some(refusal));
            }
            agents::insert(tx, agent)?;
            key.insert(tx, &key.current(&agent.id, agent.updated_at))?;
            for held in &self.held_keys {
                agent_keys::insert(tx, held, None)?;
            }
            for (credential, kept) in &kept {
                kept.insert(tx, credential)?;
            }
            acting.journal(tx, &event)?;
            Ok::<_, AgentError>(None)
        })?;
        refusal.map_or(Ok(()), Err)
    }

    /// Takes a place and the id, or neither and tells why.
    fn no_room(&self, tx: &mut dyn Tx) -> Result<Option<AgentError>, AgentError> {
        if let Some(refusal) = no_place(tx)? {
            return Ok(Some(refusal));
        }
        if orgs::claim_public_id(tx, PublicIdKind::Agent, self.agent.id.as_str())? {
            return Ok(None);
        }
        agents::leave_place(tx)?;
        Ok(Some(AgentError::IdTaken))
    }
}

/// A credential as its row has it.
enum Kept {
    Secret(KeptSecret),
    PublicKey(String),
}

impl Kept {
    fn of(
        acting: &Acting<'_>,
        credential: &Credential,
        proof: &ImportedProof,
    ) -> Result<Kept, Fault> {
        let Acting { context, organization, .. } = *acting;
        Ok(match proof {
            ImportedProof::Digest(digest) => {
                Kept::Secret(KeptSecret::imported(context, organization, credential, digest)?)
            }
            ImportedProof::PublicKey(key) => {
                Kept::PublicKey(Jwk::new(key.clone()).to_value().to_string())
            }
        })
    }

    fn insert(&self, tx: &mut dyn Tx, credential: &Credential) -> Result<(), AgentError> {
        match self {
            Kept::Secret(kept) => credentials::insert_secret(tx, credential, &kept.row())?,
            Kept::PublicKey(jwk) => credentials::insert_public_key(tx, credential, jwk)?,
        }
        Ok(())
    }
}
