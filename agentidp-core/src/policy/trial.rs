//! The trial of a policy when it is loaded: what it must deny, and its own tests.

use regorus::Value;

use super::error::PolicyError;
use super::files::PolicyFile;
use super::question::{Asking, Question};
use super::rego::{RegoPolicy, compile, path_of};
use crate::base::SYSTEM_ORG;
use crate::model::{Action, Leave, Role};

/// Organizations and an agent that no instance has.
const ACME: &str = "01900000-0000-7000-8000-000000000001";
const GLOBEX: &str = "01900000-0000-7000-8000-000000000002";
const AGENT: &str = "01900000-0000-7000-8000-0000000000a1";
/// Who acts for the agent: nobody, and another one.
const ACTORS: [&[&str]; 2] = [&[], &["01900000-0000-7000-8000-0000000000a2"]];

/// Refuses a policy that fails on an everyday question, and one that opens a wall: the wall would hold,
/// but whoever wrote the policy meant something else.
pub(super) fn ask_the_forbidden(policy: &RegoPolicy) -> Result<(), PolicyError> {
    let roles = Role::ALL.into_iter().map(Some).chain([None]);
    let done_by = roles.flat_map(|role| ACTORS.map(|actors| (role, actors)));
    for (role, actors) in done_by {
        for action in Action::ALL.iter().copied() {
            let answer = |of: &str, organization: Option<&str>| {
                let asking = Asking { actors: actors.to_vec(), ..mightiest(of, role) };
                let question = Question::new(asking, organization, action);
                let fails = |reason| PolicyError::Fails { action: action.as_str(), reason };
                policy.allows(&question).map_err(fails)
            };
            let opens = |although| PolicyError::Opens { action: action.as_str(), although };
            for own in [ACME, SYSTEM_ORG] {
                answer(own, Some(own))?;
                if answer(own, None)? {
                    return Err(opens("the organization is missing"));
                }
            }
            if answer(GLOBEX, Some(ACME))? {
                return Err(opens("the agent is of another organization"));
            }
        }
    }
    Ok(())
}

/// An agent with every scope that gives leave for anything.
fn mightiest(organization: &str, role: Option<Role>) -> Asking<'_> {
    let scope = |action: &Action| match action.leave() {
        Leave::Scope(scope) | Leave::Instance(scope) => Some(scope),
        Leave::Belonging | Leave::Role(_) => None,
    };
    let scopes = Action::ALL.iter().filter_map(scope).collect();
    let role = role.map(Role::as_str);
    Asking { id: AGENT, organization, scopes, role, actors: Vec::new() }
}

/// Runs the tests in `files`, by the side of the policy that they are about; tells how many there are.
pub(super) fn run_tests(files: &[PolicyFile]) -> Result<usize, PolicyError> {
    if !files.iter().any(PolicyFile::holds_tests) {
        return Ok(0);
    }
    let (engine, modules) = compile(files.iter())?;
    let tests = modules.iter().flat_map(|module| module.tests().map(move |test| (module, test)));
    let mut count = 0;
    for (module, test) in tests {
        let answer = engine.clone().eval_rule(path_of(&module.package, test));
        if !matches!(answer, Ok(Value::Bool(true))) {
            return Err(PolicyError::TestFailed(format!("{}: {test}", module.file)));
        }
        count += 1;
    }
    Ok(count)
}
