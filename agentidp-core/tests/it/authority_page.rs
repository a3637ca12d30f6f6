//! docs/authority.md is the table of who may do what. To write it anew, set `UPDATE_DOCS`.

use std::fmt::Write as _;
use std::path::Path;

use agentidp_core::Role;
use agentidp_core::model::{Action, Leave};

const HEAD: &str = "# Who may do what

Written from the table that decides (`agentidp_core::model::Action`); `just docs` writes it anew.

The process that embeds the library, and whoever runs the command line, is the operator and may do everything that
follows. An agent acts by an access token whose audience is the issuer, and as it stands at that moment: once the
agent, its organization or its token is not active, it may do nothing. Another organization's things answer as if
they were not there. What is denied is told in the trail of the caller's organization (`access.denied`).

| action | what it is | what gives leave |
|---|---|---|
";

const TAIL: &str = "
Besides:

- Nobody grants more than it holds: no scopes that its token lacks, and no secret of an agent with a mightier role.
- Nobody changes, suspends, reactivates or decommissions an agent with a mightier role, or adds, replaces or ends its
  keys and credentials. Owner and admin count; a plain member is managed by scope alone. Who acts for an agent has not
  its role.
- Nobody raises its own role, whatever it may do else.
- An organization keeps its last owner: it can be neither removed nor made anything else, by the operator neither, and
  its agent can be suspended and not decommissioned. A suspended owner counts as one. An organization that never had
  an owner needs none.
- Members are agents of the organization. A suspended one keeps its role and cannot use it, a decommissioned one is no
  member any more.
- The `system` organization can be neither suspended nor deleted.
- In a suspended organization its own agents may do nothing; the operator sees everything and may change it, but for
  adding agents. A deleted organization can still be looked at; whatever would change it answers
  `not_active`.

## Roles

| role | may do, besides what its token's scopes allow |
|---|---|
";

fn leave(action: Action) -> String {
    match action.leave() {
        Leave::Belonging => "any token of the organization; `admin:orgs`".to_owned(),
        Leave::Scope(scope) => format!("the scope `{scope}`, in its own organization"),
        Leave::Role(roles) => {
            let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
            format!("{} of the organization; `admin:orgs`", roles.join(" or "))
        }
        Leave::Instance(scope) => format!("the scope `{scope}`, for agents of `system` alone"),
    }
}

fn of_role(role: Role) -> String {
    let allowed = |action: &&Action| match action.leave() {
        Leave::Belonging => true,
        Leave::Role(roles) => roles.contains(&role),
        _ => false,
    };
    let names: Vec<String> =
        Action::ALL.iter().filter(allowed).map(|action| format!("`{}`", action.as_str())).collect();
    names.join(" ")
}

#[test]
fn the_document_is_the_table() {
    let mut document = HEAD.to_owned();
    for action in Action::ALL {
        let (name, meaning) = (action.as_str(), action.meaning());
        let _ = writeln!(document, "| `{name}` | {meaning} | {} |", leave(*action));
    }
    document += TAIL;
    for role in Role::ALL {
        let _ = writeln!(document, "| {role} | {} |", of_role(role));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/authority.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(document.lines()).find(|(stored, made)| stored != made);
    assert!(
        stored == document,
        "docs/authority.md is not the table: run `just docs`: {differs:#?}"
    );
}
