//! A policy in Rego, by the interpreter of `regorus`.

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use super::agent::KnownAgent;
use super::error::PolicyError;
use super::files::{self, PolicyFile};
use super::question::{Asking, Question};
use super::syntax::{self, Module};
use super::trial;
use crate::base::{OrgId, limits};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::model::Role;
use crate::model::{ActingAgent, Action, Denied, Leave, Standing, permit, within_walls};

/// The policy that comes with this library. Our tests run those of the policy, so that opening an
/// instance need not.
const BUILT_IN: &str = include_str!("../../policies/authz.rego");

/// The package and the rule that are asked.
pub(super) const PACKAGE: &str = "agentidp.authz";
pub(super) const RULE: &str = "allow";

/// How many steps of an evaluation are made between two looks at the clock.
const STEPS_BETWEEN_LOOKS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// A policy in Rego that decides what agents may do, in the stead of the table of [`Action`].
///
/// It was compiled and tried when it was loaded. What it says nothing about, and what it fails on or
/// takes too long for, is denied. Cheap to clone, and usable from any thread. docs/policy.md tells what
/// it is asked, and what holds whatever it says.
///
/// ```
/// # use agentidp_core::{NewAgent, NewCredential, NewOrg, TokenRequest};
/// use agentidp_core::{Config, ErrorCode, Idp, KekSource, RegoPolicy};
/// # let home = tempfile::tempdir()?;
/// # let kek = home.path().join("kek.key");
/// # let dir = home.path().join("policies");
/// # std::fs::create_dir(&dir)?;
/// // The file `authz.rego` there: package agentidp.authz
/// //                              default allow := false
/// # std::fs::write(dir.join("authz.rego"), "package agentidp.authz\ndefault allow := false")?;
/// let policy = RegoPolicy::from_dir(&dir)?;
/// let config = Config::memory().kek(KekSource::file(kek)).issuer("https://idp.example.com");
/// let idp = Idp::open(config.policy(policy))?;
/// # let org = idp.org(&idp.create_org(NewOrg::new("acme"))?.id);
/// # let agent = org.register_agent(NewAgent::new("bot").scope("tools:read"))?;
/// # let credential = org.issue_credential(&agent.id, NewCredential::default())?;
/// # let request = TokenRequest::client_credentials(&agent.id, credential.secret());
///
/// let token = idp.token(&request)?.access_token;
/// let theirs = idp.on_behalf_of(&token)?.org(&agent.organization_id);
/// assert_eq!(theirs.get().unwrap_err().code(), ErrorCode::Forbidden);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RegoPolicy {
    engine: Arc<Engine>,
}

impl fmt::Debug for RegoPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegoPolicy")
    }
}

impl RegoPolicy {
    /// The policy that comes with this library. It decides as the table does, and more slowly.
    ///
    /// # Errors
    /// [`PolicyError`] when it fails its trial, which it does not.
    pub fn built_in() -> Result<RegoPolicy, PolicyError> {
        Self::load(&[PolicyFile { name: "authz.rego".to_owned(), text: BUILT_IN.to_owned() }])
    }

    /// The policy in the `.rego` files of a directory. It is read once: a later change of the files
    /// changes nothing. Its tests (`test_*` in `*_test.rego`) are run.
    ///
    /// # Errors
    /// [`PolicyError`] when the files cannot be read, are too large, do not compile or lack the rule
    /// `allow`; when a test fails; and when the policy, on trial, fails, allows an agent something in
    /// another organization, or allows something although the organization is missing.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<RegoPolicy, PolicyError> {
        Self::load(&files::read_dir(dir.as_ref())?)
    }

    pub(super) fn load(files: &[PolicyFile]) -> Result<RegoPolicy, PolicyError> {
        let (mut engine, modules) = compile(files.iter().filter(|file| !file.holds_tests()))?;
        syntax::check(&modules)?;
        let declares = |module: &Module| module.package == PACKAGE && module.declares(RULE);
        if !modules.iter().any(declares) {
            return Err(PolicyError::NoRule);
        }
        // The first evaluation prepares the rules; the clones of what is prepared need not.
        engine.set_input(Value::Undefined);
        engine.eval_rule(path_of(PACKAGE, RULE)).map_err(not_compiled)?;
        let policy = RegoPolicy { engine: Arc::new(engine) };
        trial::ask_the_forbidden(&policy)?;
        trial::run_tests(files)?;
        Ok(policy)
    }

    /// Decides whether an agent, as it stands, may do `action` in `organization`, as
    /// [`permit`](crate::model::permit) does by the table.
    ///
    /// # Errors
    /// [`Denied`] when it may not.
    pub fn permit(
        &self,
        agent: &ActingAgent,
        standing: Option<Standing>,
        organization: &OrgId,
        action: Action,
    ) -> Result<(), Denied> {
        let stands = within_walls(agent, standing, organization, action)?;
        let asking = Asking::new(agent.into(), stands.role);
        let question = Question::new(asking, Some(organization.as_str()), action);
        let denied = match self.allows(&question) {
            Ok(true) => return Ok(()),
            Ok(false) => Denied::Policy,
            Err(_) => Denied::PolicyFailed,
        };
        // Where the table denies it too, its reason tells the caller what to ask for.
        permit(agent, standing, organization, action)?;
        let of_the_instance = matches!(action.leave(), Leave::Instance(_));
        let foreign = !of_the_instance && agent.organization_id != *organization;
        Err(if foreign { Denied::Foreign } else { denied })
    }

    /// Whether an agent that is active may do `action` in its own organization.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(super) fn allows_at_home(
        &self,
        agent: KnownAgent<'_>,
        role: Option<Role>,
        action: Action,
    ) -> bool {
        let asking = Asking::new(agent, role);
        let home = Some(agent.organization_id.as_str());
        self.allows(&Question::new(asking, home, action)) == Ok(true)
    }

    /// What the policy answers: nothing but `true` allows, and what is neither that nor `false` nor
    /// undefined is a failure.
    pub(super) fn allows(&self, question: &Question<'_>) -> Result<bool, String> {
        let input = serde_json::to_value(question).map_err(|error| error.to_string())?;
        let mut engine = Engine::clone(&self.engine);
        engine.set_input(Value::from(input));
        match engine.eval_rule(path_of(PACKAGE, RULE)) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(Value::Undefined) => Ok(false),
            Ok(_) => Err("`allow` is neither true nor false".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An engine with the files, which are parsed and not yet prepared, and what is in them.
pub(super) fn compile<'a>(
    files: impl Iterator<Item = &'a PolicyFile>,
) -> Result<(Engine, Vec<Module>), PolicyError> {
    let mut engine = Engine::new();
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: limits::POLICY_TIME_MAX,
        check_interval: STEPS_BETWEEN_LOOKS,
    });
    // Otherwise `not` makes a call that fails true.
    engine.set_strict_builtin_errors(true);
    // Otherwise `print` writes to the standard error.
    engine.set_gather_prints(true);
    for file in files {
        if syntax::depth(&file.text) > limits::POLICY_DEPTH_MAX {
            return Err(PolicyError::TooDeep(file.name.clone()));
        }
        engine.add_policy(file.name.clone(), file.text.clone()).map_err(not_compiled)?;
    }
    let tree = engine.get_ast_as_json().map_err(not_compiled)?;
    Ok((engine, syntax::read(&tree)?))
}

pub(super) fn path_of(package: &str, rule: &str) -> String {
    format!("data.{package}.{rule}")
}

fn not_compiled(error: impl fmt::Display) -> PolicyError {
    PolicyError::NotCompiled(error.to_string())
}
