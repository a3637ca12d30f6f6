//! `agentidp agent register`.

use std::path::PathBuf;

use agentidp_core::{Alg, NewAgent};
use clap::Args;

use crate::command::OrgFlag;
use crate::command::key::alg;
use crate::failure::Failure;
use crate::files;

/// A new agent.
#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    pub(super) org: OrgFlag,
    /// Name for people.
    #[arg(long, env = "AGENTIDP_NAME")]
    name: String,
    /// Scope it may ask for; may be given several times.
    #[arg(long, env = "AGENTIDP_SCOPE", value_delimiter = ' ')]
    scope: Vec<String>,
    /// Resource it may ask tokens for; may be given several times.
    #[arg(long, value_name = "URL", env = "AGENTIDP_AUDIENCE", value_delimiter = ' ')]
    audience: Vec<String>,
    /// What it does.
    #[arg(long, env = "AGENTIDP_DESCRIPTION")]
    description: Option<String>,
    /// Who is responsible for it.
    #[arg(long, env = "AGENTIDP_OWNER")]
    owner: Option<String>,
    /// Name of an OASF skill that it has; may be given several times.
    #[arg(long, value_name = "SKILL", env = "AGENTIDP_CAPABILITY", value_delimiter = ' ')]
    capability: Vec<String>,
    /// Where it is reached itself: https, or http on localhost.
    #[arg(long, env = "AGENTIDP_URL")]
    url: Option<String>,
    /// Longest life of its tokens in seconds, 60 to 3600 [default: its organization's].
    #[arg(long, value_name = "SECONDS", env = "AGENTIDP_TOKEN_LIFE_SECONDS_MAX")]
    token_life_seconds_max: Option<i64>,
    /// Algorithm of its tokens, which the instance must have a key for [default: the instance's].
    #[arg(long, value_name = "ALG", env = "AGENTIDP_TOKEN_ALG", value_parser = alg)]
    token_alg: Option<Alg>,
    /// File with a public key whose private half it holds: a JWK or PEM; may be given several times.
    #[arg(long, value_name = "FILE", env = "AGENTIDP_PUBLIC_KEY")]
    public_key: Vec<PathBuf>,
}

impl Register {
    pub(super) fn new_agent(&self) -> Result<NewAgent, Failure> {
        let given = |list: &[String]| {
            list.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>()
        };
        let mut agent = NewAgent::new(&self.name);
        agent = given(&self.scope).into_iter().fold(agent, NewAgent::scope);
        agent = given(&self.audience).into_iter().fold(agent, NewAgent::audience);
        agent = given(&self.capability).into_iter().fold(agent, NewAgent::capability);
        if let Some(description) = &self.description {
            agent = agent.description(description);
        }
        if let Some(owner) = &self.owner {
            agent = agent.owner(owner);
        }
        if let Some(url) = &self.url {
            agent = agent.url(url);
        }
        if let Some(seconds) = self.token_life_seconds_max {
            agent = agent.token_life_seconds_max(seconds);
        }
        if let Some(alg) = self.token_alg {
            agent = agent.token_alg(alg);
        }
        for path in &self.public_key {
            agent = agent.public_key(&files::read_text(path)?);
        }
        Ok(agent)
    }
}
