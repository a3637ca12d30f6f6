//! How SQLite comes to the rows that a statement asks for.

use super::engines::Bed;
use super::statements::statements;

/// It costs the same in a large organization as in a small one.
#[test]
fn pages_and_the_credentials_of_an_agent_are_read_by_an_index() {
    let bed = Bed::file();
    let super::Place::File(directory) = &bed.place else { unreachable!() };
    let file = rusqlite::Connection::open(super::engines::file_in(directory.path())).unwrap();
    for (name, index) in [
        ("agents.rs: LIST", "PRIMARY KEY (organization_id=? AND agent_id>?)"),
        (
            "agents.rs: LIST_BY_STATUS",
            "agents_by_status (organization_id=? AND (status,agent_id)>(?,?) AND status<?)",
        ),
        (
            "agents.rs: LIST_BY_OWNER",
            "agents_by_owner (organization_id=? AND (owner,agent_id)>(?,?) AND owner<?)",
        ),
        (
            "agents.rs: LIST_BY_OWNER_AND_STATUS",
            "agents_by_owner (organization_id=? AND (owner,agent_id)>(?,?) AND owner<?)",
        ),
        (
            "credentials.rs: LIST",
            "PRIMARY KEY (organization_id=? AND agent_id=? AND credential_id>?)",
        ),
        ("credentials.rs: LIVE_SECRETS", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: LIVE_KEY_IDS", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: REVOKE_ALL", "PRIMARY KEY (organization_id=? AND agent_id=?)"),
        ("credentials.rs: REVOKE", "credentials_by_id (organization_id=? AND credential_id=?)"),
        ("credentials.rs: GET", "credentials_by_id (organization_id=? AND credential_id=?)"),
    ] {
        let statement = statements().into_iter().find(|own| own.name == name).unwrap();
        let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
        let unbound = plan.parameter_count();
        let nothing = vec![rusqlite::types::Null; unbound];
        let nothing = rusqlite::params_from_iter(nothing);
        let steps = plan.query_map(nothing, |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps[0].contains(index), "{name}: {steps:?}");
        let sorts = steps.len() > 1;
        assert_eq!(sorts, name.ends_with("LIVE_SECRETS"), "a handful of rows: {steps:?}");
    }
}
