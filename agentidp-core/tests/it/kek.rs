//! Key-encryption keys: where they come from, who may read them, and what they unwrap.

use std::path::Path;

use agentidp_core::crypto::{Kek, KekError, KekSalt, KekSource, KeyBinding, SealError};
use agentidp_core::{
    DataKeyId, ErrorCode, OrgId, SecretBytes, SecretString, SystemClock, SystemRng,
};

fn load(path: &Path) -> Result<Kek, KekError> {
    KekSource::file(path).load(&KekSalt::from_bytes([0; 16]))
}

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = mode;
}

#[test]
fn a_file_is_made_once_for_its_owner_alone() {
    let home = home();
    let path = home.path().join("kek.key");
    Kek::create_file(&path, &SystemRng).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }
    let kek = load(&path).unwrap();
    assert_eq!(kek.kind(), "file");
    assert_eq!(kek.id(), load(&path).unwrap().id());
    let before = std::fs::read(&path).unwrap();
    let error = Kek::create_file(&path, &SystemRng).unwrap_err();
    assert!(matches!(error, KekError::File { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before, "the old key is still there");
}

#[test]
#[cfg(unix)]
fn a_file_that_others_can_read_is_refused() {
    let home = home();
    let path = home.path().join("kek.key");
    for mode in [0o640, 0o604, 0o644, 0o660, 0o620, 0o700, 0o4600, 0o777] {
        write(&path, &"ab".repeat(32), mode);
        let error = load(&path).unwrap_err();
        assert!(matches!(error, KekError::Mode { mode: shown, .. } if shown == mode), "{mode:o}");
        assert_eq!(error.code(), ErrorCode::KekUnavailable);
    }
    for mode in [0o600, 0o400] {
        write(&path, &"ab".repeat(32), mode);
        assert!(load(&path).is_ok());
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_is_no_key_file_is_refused_and_not_repeated() {
    let home = home();
    let path = home.path().join("kek.key");
    assert!(matches!(load(&path).unwrap_err(), KekError::File { .. }), "missing");
    assert!(matches!(load(home.path()).unwrap_err(), KekError::NotAKeyFile(_)), "a directory");
    write(&path, &"a".repeat(5000), 0o600);
    assert!(matches!(load(&path).unwrap_err(), KekError::NotAKeyFile(_)), "too long");
    for text in
        ["", "hunter2", &"ab".repeat(31), &"zz".repeat(32), &format!("\n{}", "ab".repeat(32))]
    {
        write(&path, text, 0o600);
        let error = load(&path).unwrap_err();
        assert!(matches!(error, KekError::Format("file")), "{text}");
        let told = format!("{error} {error:?}");
        assert!(text.is_empty() || !told.contains(text), "{told}");
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_is_refused_without_waiting_for_a_writer() {
    let home = home();
    let path = home.path().join("kek.key");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(matches!(load(&path).unwrap_err(), KekError::NotAKeyFile(_)));
    }
}

#[test]
fn a_variable_must_be_set_to_a_key() {
    let salt = KekSalt::from_bytes([0; 16]);
    let error = KekSource::env("AGENTIDP_TEST_UNSET_KEK").load(&salt).unwrap_err();
    assert!(matches!(error, KekError::Variable(name) if name == "AGENTIDP_TEST_UNSET_KEK"));
    // Cargo sets this one; it is no key.
    let error = KekSource::env("CARGO_MANIFEST_DIR").load(&salt).unwrap_err();
    assert!(matches!(error, KekError::Format("environment")));
}

#[test]
fn a_passphrase_and_a_salt_give_one_key() {
    let load = |passphrase: &str, salt: u8| {
        KekSource::passphrase(SecretString::from(passphrase)).load(&KekSalt::from_bytes([salt; 16]))
    };
    let kek = load("correct horse", 1).unwrap();
    assert_eq!(kek.kind(), "passphrase");
    assert_eq!(kek.id(), load("correct horse", 1).unwrap().id());
    assert_ne!(kek.id(), load("correct horse", 2).unwrap().id());
    assert_ne!(kek.id(), load("correct horsf", 1).unwrap().id());
    assert!(matches!(load("", 1).unwrap_err(), KekError::Passphrase));
}

#[test]
fn a_key_unwraps_what_it_wrapped_for_the_same_purpose_only() {
    let home = home();
    let [one, other] = ["one", "other"].map(|name| {
        let path = home.path().join(name);
        Kek::create_file(&path, &SystemRng).unwrap();
        load(&path).unwrap()
    });
    let (org, other_org) = (OrgId::system(), OrgId::generate(&SystemClock, &SystemRng).unwrap());
    let id = DataKeyId::generate(&SystemClock, &SystemRng).unwrap();
    let other_id = DataKeyId::generate(&SystemClock, &SystemRng).unwrap();
    let binding = KeyBinding { key_id: &id, organization_id: &org, purpose: "secrets" };
    let secret = SecretBytes::new(vec![5; 32]);
    let wrapped = one.wrap(&binding, &secret, &SystemRng).unwrap();
    assert_eq!(one.unwrap(&binding, &wrapped).unwrap().expose(), secret.expose());

    let error = other.unwrap(&binding, &wrapped).unwrap_err();
    assert!(matches!(error, KekError::Wrong));
    assert_eq!(error.code(), ErrorCode::KekUnavailable);
    for moved in [
        KeyBinding { key_id: &other_id, ..binding },
        KeyBinding { organization_id: &other_org, ..binding },
        KeyBinding { purpose: "tokens", ..binding },
    ] {
        let error = one.unwrap(&moved, &wrapped).unwrap_err();
        assert!(matches!(error, KekError::Seal(SealError::Broken)));
    }
    let mut altered = wrapped;
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert!(matches!(one.unwrap(&binding, &altered).unwrap_err(), KekError::Seal(_)));
    assert_eq!(format!("{one:?}"), "Kek(file, redacted)");
}
