//! Sessions as files: `$ ` begins a line of shell, `! ` a line of standard error, `? ` an exit code
//! other than 0; all else is standard output, where `~` is an empty line.
//!
//! Texts of a JSON answer are variables of the lines that follow. To write the files anew, set
//! `UPDATE_TRANSCRIPTS` and read the difference.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::redact::redact;
use crate::sandbox::Sandbox;

macro_rules! transcripts {
    ($($(#[$only:meta])* $name:ident),* $(,)?) => {
        $(
            $(#[$only])*
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_file_is_replayed() {
            let mut files: Vec<String> = std::fs::read_dir(directory())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut named = [$(concat!(stringify!($name), ".txt")),*];
            named.sort_unstable();
            assert_eq!(files, named);
        }
    };
}

transcripts!(
    main_job,
    keys,
    orgs,
    members,
    agents,
    credentials,
    imports,
    refusals,
    usage,
    homes,
    kek,
    databases,
    settings,
    doctor,
    token_end,
    #[cfg(feature = "server")]
    openapi,
);

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn replay(name: &str) {
    let path = directory().join(format!("{name}.txt"));
    let expected = std::fs::read_to_string(&path).unwrap();
    let found = play(&expected, &mut Sandbox::new());
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    compare(name, &expected, &found);
}

/// The session, as it goes now.
fn play(session: &str, sandbox: &mut Sandbox) -> String {
    let mut found = String::new();
    for line in session.lines() {
        if line.is_empty() || line.starts_with('#') {
            let _ = writeln!(found, "{line}");
        } else if let Some(command) = line.strip_prefix("$ ") {
            let _ = writeln!(found, "{line}");
            run(sandbox, command, &mut found);
        }
    }
    found
}

fn compare(name: &str, expected: &str, found: &str) {
    let differs = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    assert!(expected == found, "{name}: {differs:#?}\nfound:\n{found}");
}

fn run(sandbox: &mut Sandbox, command: &str, found: &mut String) {
    let answer = sandbox.shell(command);
    let mut show = |prefix: &str, text: &str| {
        for line in redact(text, sandbox.path()).lines() {
            // An empty line of standard output would be taken for a pause between commands.
            let line = if prefix.is_empty() && line.trim().is_empty() { "~" } else { line };
            let _ = writeln!(found, "{}", format!("{prefix}{line}").trim_end());
        }
    };
    show("", &answer.stdout);
    show("! ", &answer.stderr);
    if answer.exit != 0 {
        show("? ", &answer.exit.to_string());
    }
    if let Ok(Value::Object(document)) = serde_json::from_str(&answer.stdout) {
        for (name, value) in document {
            if let Value::String(value) = value {
                sandbox.variables.insert(name, value);
            }
        }
    }
}

/// What the verbs say on SQLite they say on PostgreSQL, too.
#[cfg(feature = "postgres")]
mod on_postgres {
    use agentidp_testkit::TestDatabase;

    use super::{compare, directory, play};
    use crate::sandbox::Sandbox;

    macro_rules! the_same {
        ($($name:ident),* $(,)?) => {
            $(
                #[test]
                fn $name() {
                    replay(stringify!($name));
                }
            )*
        };
    }

    the_same!(main_job, keys, orgs, members, agents, credentials, imports, refusals, token_end);

    fn replay(name: &str) {
        let database = TestDatabase::new();
        let mut sandbox = Sandbox::new();
        sandbox.variables.insert("AGENTIDP_DATABASE_URL".to_owned(), database.url());
        let expected = std::fs::read_to_string(directory().join(format!("{name}.txt"))).unwrap();
        let found = play(&expected, &mut sandbox);
        compare(name, &without_place(&expected), &without_place(&found));
    }

    /// Without what is told of where an instance lies: when it is made, and in what a verb says of its use.
    fn without_place(session: &str) -> String {
        let mut makes = false;
        let rest = session.lines().filter(|line| {
            if let Some(command) = line.strip_prefix("$ ") {
                makes = command.contains(" init ");
            }
            !makes
        });
        rest.fold(String::new(), |all, line| {
            all + &line.replace(" --database-url <URL>", "") + "\n"
        })
    }
}
