//! Completions and manual pages tell of every command.

use std::collections::BTreeSet;

use crate::sandbox::Sandbox;

/// Every command, such as `["org", "create"]`, as `--help` lists them.
fn commands(sandbox: &Sandbox, above: &[String], all: &mut Vec<Vec<String>>) {
    let mut arguments: Vec<&str> = above.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = sandbox.run(&arguments).stdout;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else { return };
    // A description that goes on begins further to the right.
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let listed = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in listed.filter_map(|line| line.split_whitespace().next()) {
        if name == "help" {
            continue;
        }
        let command: Vec<String> = above.iter().cloned().chain([name.to_owned()]).collect();
        all.push(command.clone());
        commands(sandbox, &command, all);
    }
}

fn all_commands(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    commands(sandbox, &[], &mut all);
    assert!(
        all.len() > 20 && all.contains(&vec!["org".to_owned(), "create".to_owned()]),
        "{all:?}"
    );
    all
}

#[test]
fn there_is_a_page_for_each_command_and_no_other() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["--json", "man", "pages/man1"]);
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""), "{answer:?}");
    let name = |command: &Vec<String>| format!("agentidp-{}.1", command.join("-"));
    let mut expected: BTreeSet<String> = all_commands(&sandbox).iter().map(name).collect();
    expected.insert("agentidp.1".to_owned());
    let directory = sandbox.path().join("pages/man1");
    let entries = std::fs::read_dir(&directory).unwrap();
    let found: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, expected);
    let told = answer.json()["pages"].as_array().unwrap().len();
    assert_eq!(told, expected.len());
    let page = std::fs::read_to_string(directory.join("agentidp-org-create.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS") && page.contains("AGENTIDP_SLUG"), "{page}");
    // Again, over the old ones.
    assert_eq!(sandbox.run(&["man", "pages/man1"]).exit, 0);
    std::fs::write(sandbox.path().join("file"), "").unwrap();
    let refused = sandbox.run(&["--json", "man", "file"]);
    assert_eq!((refused.exit, refused.refusal().as_str()), (1, "file_failed"));
}

#[test]
fn every_shell_gets_a_script_with_every_command() {
    let sandbox = Sandbox::new();
    let commands = all_commands(&sandbox);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.run(&["completions", shell]);
        assert_eq!((script.exit, script.stderr.as_str()), (0, ""), "{shell}");
        for name in commands.iter().flatten() {
            assert!(script.stdout.contains(name), "{shell} does not complete {name}");
        }
        let document = sandbox.run(&["--json", "completions", shell]);
        assert_eq!(document.text("script"), script.stdout);
    }
    assert_eq!(sandbox.run(&["completions", "tcsh"]).exit, 2);
}

#[test]
fn bash_accepts_its_script_and_completes_with_it() {
    let sandbox = Sandbox::new();
    let script = sandbox.run(&["completions", "bash"]).stdout;
    std::fs::write(sandbox.path().join("agentidp.bash"), script).unwrap();
    let read = sandbox.shell("bash -n agentidp.bash");
    assert_eq!((read.exit, read.stderr.as_str()), (0, ""), "{read:?}");
    let complete = "bash --norc -c 'source agentidp.bash; COMP_WORDS=(agentidp org cr); COMP_CWORD=2; \
        _agentidp agentidp cr org; echo ${COMPREPLY[@]}'";
    assert_eq!(sandbox.shell(complete).stdout, "create\n");
}
