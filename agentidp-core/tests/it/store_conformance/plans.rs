//! How SQLite comes to the rows that a statement asks for. Both engines have the same indexes (`xtask
//! tidy` compares them), so what one finds by an index the other can.

use rusqlite::Connection;

use super::engines::Bed;
use super::statements::{Statement, statements};

/// Those that go through a whole table or index, and why they may.
const WHOLE_TABLES: &[(&str, &str)] = &[
    ("installation.rs: PEPPERS", "all are asked for, and the instance has a handful"),
    ("instance.rs: STOP_OVERRUN_LOGS", "PostgreSQL alone: of entries that wait for a number"),
    ("signing_keys.rs: ALL", "all are asked for, and `PUBLISHED_KEYS_MAX` bounds them"),
];

/// Those that go through all rows that an organization has in a table, and why they may.
const WHOLE_ORGANIZATIONS: &[(&str, &str)] = &[
    ("agents.rs: FORGET_PERSONS", "an organization is deleted: each row is changed"),
    ("credentials.rs: EXPIRING", "a number for graphs, counted by the worker now and then"),
    ("members.rs: OWNERS", "members are few, and are counted when one is to end"),
    ("orgs.rs: DATA_KEYS", "an organization has one for each purpose"),
    ("orgs.rs: DESTROY_DATA_KEYS", "an organization has one for each purpose"),
    ("orgs.rs: FOOTPRINT", "counts credentials for a person who asks how much there is"),
];

/// Tables in which an organization has one row.
const OF_ONE_ROW: &[&str] = &["organizations", "audit_heads"];

/// It costs the same in a large organization as in a small one.
#[test]
fn pages_and_the_credentials_of_an_agent_are_read_by_an_index() {
    let (_bed, file) = database();
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
        let steps = steps(&file, &statement.sql);
        assert!(steps[0].contains(index), "{name}: {steps:?}");
        let sorts = steps.len() > 1;
        assert_eq!(sorts, name.ends_with("LIVE_SECRETS"), "a handful of rows: {steps:?}");
    }
}

#[test]
fn no_statement_goes_through_a_whole_table() {
    let (_bed, file) = database();
    let scanning = named(|statement| {
        let steps = steps(&file, &statement.sql);
        steps.iter().any(|step| scans(step, &steps))
    });
    assert_eq!(scanning, names(WHOLE_TABLES), "add an index, or the reason to {}", file!());
}

#[test]
fn few_statements_go_through_a_whole_organization() {
    let (_bed, file) = database();
    let (tables, organizations) = (names(WHOLE_TABLES), names(WHOLE_ORGANIZATIONS));
    let reading = named(|statement| {
        let steps = steps(&file, &statement.sql);
        let whole = steps.iter().any(|step| is_whole_organization(step, &statement.sql));
        whole && !tables.contains(&statement.name)
    });
    assert_eq!(reading, organizations, "add an index, or the reason to {}", file!());
}

/// Those that PostgreSQL sorts, and why they may.
#[cfg(feature = "postgres")]
const SORTED: &[(&str, &str)] = &[
    ("agent_keys.rs: PROVING", "an agent has a handful of keys"),
    ("agent_keys.rs: PUBLISHED", "an agent has a handful of keys"),
    ("credentials.rs: LIVE_SECRETS", "an agent has a handful of credentials"),
    ("signing_keys.rs: ALL", "all are asked for, and `PUBLISHED_KEYS_MAX` bounds them"),
];

/// Both engines have the same indexes, but one sees an order in them that the other does not.
#[cfg(feature = "postgres")]
#[test]
fn few_statements_sort_on_postgres() {
    let bed = Bed::postgres();
    let super::Place::Server(database) = &bed.place else { unreachable!() };
    let mut session = agentidp_testkit::Session::connect(&database.superuser_url());
    session
        .run("SET enable_sort = off; SET enable_incremental_sort = off; SET enable_seqscan = off");
    let sorts = |session: &mut agentidp_testkit::Session, sql: &str| {
        session.plan(&sql.replace('?', "$")).contains("Sort")
    };
    let by_a_join =
        "SELECT l.seq FROM audit_heads h JOIN audit_logs l ON l.log_number = h.log_number
        WHERE h.organization_id = ?1 AND l.seq >= ?2 ORDER BY l.seq LIMIT ?3";
    assert!(sorts(&mut session, by_a_join), "so a page of the log was read once");
    let sorting = named(|statement| sorts(&mut session, &statement.sql));
    assert_eq!(sorting, names(SORTED), "add an index, or the reason to {}", file!());
}

/// The guard sees what it is there for.
#[test]
fn a_statement_without_an_index_is_found() {
    let (_bed, file) = database();
    let scans_of = |sql: &str| {
        let steps = steps(&file, sql);
        steps.iter().any(|step| scans(step, &steps))
    };
    assert!(scans_of("SELECT jti FROM revoked_tokens WHERE jti = ?1"));
    assert!(scans_of("SELECT COUNT(*) FROM agents"), "a whole index is no better");
    assert!(scans_of("DELETE FROM single_uses WHERE jti_hash IN (SELECT hash FROM audit_heads)"));
    assert!(!scans_of("SELECT jti FROM revoked_tokens WHERE expires_at < ?1"));
    assert!(!scans_of("SELECT 1 WHERE ?1 = 'x'"), "a row of constants is no table");
    let by_organization =
        |sql: &str| steps(&file, sql).iter().any(|step| is_whole_organization(step, sql));
    assert!(by_organization(
        "SELECT o.slug FROM organizations o
        JOIN agents a ON a.organization_id = o.organization_id AND a.name = ?2
        WHERE o.organization_id = ?1"
    ));
    assert!(!by_organization("SELECT o.slug FROM organizations o WHERE o.organization_id = ?1"));
}

/// A database with the newest schema, and a look into its file.
fn database() -> (Bed, Connection) {
    let bed = Bed::file();
    let super::Place::File(directory) = &bed.place else { unreachable!() };
    let file = Connection::open(super::engines::file_in(directory.path())).unwrap();
    (bed, file)
}

/// What SQLite says it would do.
fn steps(file: &Connection, sql: &str) -> Vec<String> {
    let mut plan = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let nothing = vec![rusqlite::types::Null; plan.parameter_count()];
    let nothing = rusqlite::params_from_iter(nothing);
    let steps = plan.query_map(nothing, |row| row.get::<_, String>(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

/// Whether a step reads all of a table or of an index: no row of constants, and no rows that another step
/// has found.
fn scans(step: &str, steps: &[String]) -> bool {
    let Some(name) = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else {
        return false;
    };
    let is_found = |by: &str| steps.iter().any(|step| *step == format!("{by} {name}"));
    name != "CONSTANT" && !is_found("CO-ROUTINE") && !is_found("MATERIALIZE")
}

/// Whether a step finds rows by nothing but their organization, where it may have many.
fn is_whole_organization(step: &str, sql: &str) -> bool {
    let Some(rest) = step.strip_prefix("SEARCH ") else { return false };
    let name = rest.split(' ').next().unwrap_or_default();
    let is_one = |table: &&str| name == *table || sql.contains(&format!("{table} {name}"));
    rest.contains("(organization_id=?)") && !OF_ONE_ROW.iter().any(is_one)
}

fn named(mut is: impl FnMut(&Statement) -> bool) -> Vec<String> {
    let mut found: Vec<String> =
        statements().into_iter().filter(|own| is(own)).map(|own| own.name).collect();
    found.sort();
    found
}

fn names(list: &[(&str, &str)]) -> Vec<String> {
    list.iter().map(|(name, _)| (*name).to_owned()).collect()
}
