//! The quickstart is a real run, again and again, and never at the cost of somebody's files.

use crate::sandbox::Sandbox;

#[test]
fn it_tells_the_story_and_its_commands_work_when_pasted() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["quickstart", "--dir", "it's here"]);
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""), "{answer:?}");
    assert_eq!(answer.stdout.matches(" ms\n").count(), 7);
    let commands: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with("  ")).collect();
    let commands: Vec<&str> = commands
        .into_iter()
        .filter(|line| line.contains("agentidp ") && !line.starts_with("   "))
        .collect();
    assert_eq!(commands.len(), 5, "{answer:?}");
    for command in commands {
        let pasted = sandbox.shell(command.trim());
        assert_eq!((pasted.exit, pasted.stderr.as_str()), (0, ""), "{command}: {pasted:?}");
        assert!(!pasted.stdout.is_empty());
    }
}

#[test]
fn its_document_says_what_was_checked() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["--json", "quickstart"]);
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""), "{answer:?}");
    let document = answer.json();
    for name in ["tokenVerified", "idTokenVerified", "auditVerified"] {
        assert_eq!(document[name], true);
    }
    assert_eq!(document["auditEvents"], 4);
    let home = sandbox.path().canonicalize().unwrap().join("agentidp-quickstart");
    assert_eq!(answer.text("home"), home.display().to_string());
    // It can be seen from outside.
    let show = ["--json", "--home", "agentidp-quickstart", "agent", "show"];
    let agent = sandbox.run(&[&show[..], &[&answer.text("agentId"), "--org", "acme"]].concat());
    assert_eq!(agent.text("did"), answer.text("did"));
    let verify = ["--json", "--home", "agentidp-quickstart", "audit", "verify", "--org", "acme"];
    assert_eq!(sandbox.run(&verify).json()["size"], 4);
}

#[test]
fn it_replaces_an_earlier_one_and_leaves_what_others_put_there() {
    let sandbox = Sandbox::new();
    let run = || sandbox.run(&["--json", "quickstart", "--dir", "q"]);
    let first = run();
    std::fs::write(sandbox.path().join("q/notes.txt"), "mine").unwrap();
    let second = run();
    assert_eq!((first.exit, second.exit), (0, 0), "{second:?}");
    assert_ne!(first.text("agentId"), second.text("agentId"));
    assert_eq!(std::fs::read_to_string(sandbox.path().join("q/notes.txt")).unwrap(), "mine");
}

#[test]
fn it_refuses_what_is_not_its_own() {
    let sandbox = Sandbox::with_instance();
    std::fs::create_dir(sandbox.path().join("full")).unwrap();
    std::fs::write(sandbox.path().join("full/kek.key"), "precious").unwrap();
    std::fs::write(sandbox.path().join("file"), "precious").unwrap();
    std::os::unix::fs::symlink("full", sandbox.path().join("link")).unwrap();
    let home = sandbox.home();
    for dir in ["full", "file", "link", home.to_str().unwrap()] {
        let answer = sandbox.run(&["--json", "quickstart", "--dir", dir]);
        assert_eq!((answer.exit, answer.refusal().as_str()), (1, "invalid_input"), "{dir}");
    }
    for kept in ["full/kek.key", "file"] {
        assert_eq!(std::fs::read_to_string(sandbox.path().join(kept)).unwrap(), "precious");
    }
    assert_eq!(sandbox.run(&["org", "show", "system"]).exit, 0);
    // An empty directory is nobody's loss.
    std::fs::create_dir(sandbox.path().join("empty")).unwrap();
    assert_eq!(sandbox.run(&["--json", "quickstart", "--dir", "empty"]).exit, 0);
    let answer = sandbox.run(&["--json", "quickstart", "--dir", "file/below"]);
    assert_eq!((answer.exit, answer.refusal().as_str()), (1, "file_failed"));
}

#[test]
fn it_keeps_to_its_directory_whatever_the_variables_say() {
    let mut sandbox = Sandbox::new();
    for (name, value) in [
        ("AGENTIDP_HOME", "elsewhere"),
        ("AGENTIDP_DATABASE_URL", "sqlite:elsewhere.db"),
        ("AGENTIDP_SCOPE", "nonsense"),
        ("AGENTIDP_ISSUER", "nonsense"),
    ] {
        sandbox.variables.insert(name.to_owned(), value.to_owned());
    }
    let answer = sandbox.run(&["quickstart"]);
    assert_eq!(answer.exit, 0, "{answer:?}");
    let left: Vec<_> =
        std::fs::read_dir(sandbox.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["agentidp-quickstart"]);
    let last = answer.stdout.lines().last().unwrap().trim();
    assert_eq!(sandbox.shell(last).exit, 0, "{last}");
}
