//! A home that the user may read and not write. Root may write everywhere, so as root the binary
//! runs as somebody else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::sandbox::Sandbox;

/// Owner of the home's files when the test runs as root: `nobody` on every Linux that we know.
const NOBODY: &str = "65534";

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

fn set_modes(directory: &Path, of_directories: u32, of_files: u32) {
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for entry in std::fs::read_dir(directory).unwrap() {
        set(&entry.unwrap().path(), of_files);
    }
    set(directory, of_directories);
}

/// The start of a line of shell that runs the binary, over `home`, as somebody who is not root; the
/// sandbox is his from then on.
fn not_as_root(sandbox: &Sandbox, home: &Path) -> String {
    // The binary must lie where everybody may run it.
    let binary = sandbox.path().join("agentidp");
    std::fs::copy(env!("CARGO_BIN_EXE_agentidp"), &binary).unwrap();
    let line = format!("{} --json --home {}", binary.display(), home.display());
    if !is_root() {
        return line;
    }
    let owned = Command::new("chown").args(["-R", NOBODY]).arg(sandbox.path()).status().unwrap();
    assert!(owned.success());
    format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups -- {line}")
}

#[test]
fn a_read_only_home_is_told_and_left_as_it_was() {
    let sandbox = Sandbox::with_instance();
    let home = sandbox.home();
    let entries = |sandbox: &Sandbox| {
        let answer = sandbox.run(&["--json", "audit", "list", "--org", "system"]);
        assert_eq!(answer.exit, 0, "{answer:?}");
        answer.json()["items"].as_array().unwrap().len()
    };
    let before = entries(&sandbox);
    let agentidp = not_as_root(&sandbox, &home);
    set_modes(&home, 0o500, 0o400);
    let answer = sandbox.shell(&format!("{agentidp} org create --slug acme"));
    set_modes(&home, 0o700, 0o600);
    assert_eq!(answer.exit, 1, "{answer:?}");
    let code = answer.refusal();
    assert!(matches!(&*code, "database_failed" | "database_unavailable"), "{answer:?}");
    assert_eq!(entries(&sandbox), before);
    let answer = sandbox.run(&["--json", "org", "show", "acme"]);
    assert_eq!(answer.refusal(), "not_found");
}

#[test]
fn a_home_that_cannot_be_made_is_told_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let parent = sandbox.path().join("parent");
    std::fs::create_dir(&parent).unwrap();
    let home = parent.join("home");
    let agentidp = not_as_root(&sandbox, &home);
    set_modes(&parent, 0o500, 0o400);
    let answer = sandbox.shell(&format!("{agentidp} init --issuer https://idp.example.com"));
    set_modes(&parent, 0o700, 0o600);
    assert_eq!(answer.exit, 1, "{answer:?}");
    assert_eq!(answer.refusal(), "file_failed");
    assert!(!home.exists());
}
